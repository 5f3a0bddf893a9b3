import type { ClientSession, Document, MongoClient } from 'mongodb';

/**
 * Changes of several shapes, in rounds: a hot collection whose unique keys are given to other documents all the time,
 * inserts over fifty collections, updates that the oplog holds as differences, deletes, small transactions.
 */
const spread = 50;
const wide = 20_000;
const hot = 500;
/** Operations of each shape in one round; a transaction is one entry of four. */
const perShape = 200;
const inTransaction = 4;

type Numbered = Document & { _id: number };

/** What is there before: part of the base. */
export async function seedReplay(client: MongoClient, rounds: number): Promise<void> {
  const db = client.db('bench');
  await db.dropDatabase();
  await db.collection('hot').createIndex({ key: 1 }, { unique: true }, {});
  await db.collection<Numbered>('hot').insertMany(Array.from({ length: hot }, (_, n) => ({ _id: n, key: n, n: 0 })));
  for (let n = 0; n < spread; n++) await db.collection(`spread_${n}`).createIndex({ at: 1 });
  const document = (_id: number) => ({ _id, list: [1, 2, 3], deep: { a: { b: _id, text: 'x'.repeat(400) } }, n: 0 });
  await db.collection<Numbered>('wide').insertMany(Array.from({ length: wide }, (_, n) => document(n)));
  const gone = Array.from({ length: rounds * perShape }, (_, n) => ({ _id: n, text: 'y'.repeat(100) }));
  for (let at = 0; at < gone.length; at += 10_000)
    await db.collection<Numbered>('gone').insertMany(gone.slice(at, at + 10_000));
}

async function round(client: MongoClient, session: ClientSession, n: number): Promise<void> {
  const db = client.db('bench');
  const ids = Array.from({ length: perShape }, (_, k) => n * perShape + k);
  // A key goes from one document to a new one: a delete and an insert.
  const moves = ids
    .slice(0, perShape / 2)
    .flatMap((id) => [
      { deleteOne: { filter: { key: id % hot } } },
      { insertOne: { document: { _id: hot + id, key: id % hot, n: id } } },
    ]);
  await db.collection<Numbered>('hot').bulkWrite(moves);
  const batch = ids.map((id) => ({ _id: id, at: new Date(id), text: 'z'.repeat(150) }));
  const each = perShape / spread;
  for (let at = 0; at < perShape; at += each)
    await db.collection<Numbered>(`spread_${at / each}`).insertMany(batch.slice(at, at + each));
  const changes = ids.map((id) => ({
    updateOne: {
      filter: { _id: (id * 7919) % wide },
      update: { $inc: { n: 1 }, $set: { 'deep.a.b': id, [`list.${id % 3}`]: id } },
    },
  }));
  await db.collection<Numbered>('wide').bulkWrite(changes);
  await db.collection<Numbered>('gone').bulkWrite(ids.map((_id) => ({ deleteOne: { filter: { _id } } })));
  for (let at = 0; at < perShape; at += inTransaction)
    await session.withTransaction(async () => {
      const some = ids.slice(at, at + inTransaction).map((_id) => ({ _id, n }));
      await db.collection<Numbered>('several').insertMany(some, { session });
    });
}

/** Oplog entries of one round. */
export const entriesPerRound = 4 * perShape + perShape / inTransaction;

export async function runRounds(client: MongoClient, from: number, to: number): Promise<void> {
  await using session = client.startSession();
  for (let n = from; n < to; n++) await round(client, session, n);
}
