import type { Collection, Document, MongoClient } from 'mongodb';

type Numbered = Document & { readonly _id: number };
const documents = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => ({ _id: from + n, n: from + n, text: `text ${n % 7}`, list: [n, n + 1] }));

const numbered = (client: MongoClient, db: string, name: string): Collection<Numbered> =>
  client.db(db).collection<Numbered>(name);

/** What is there before the oplog under test begins; `db` is one of several that tests treat differently. */
export async function seedForEntryKinds(client: MongoClient, db: string): Promise<void> {
  for (const name of ['orders', 'swap_a', 'swap_b', 'over_source', 'over_target', 'dropped', 'recreated', 'to_capped'])
    await numbered(client, db, name).insertMany(documents(50));
  await numbered(client, db, 'orders').createIndexes([
    { key: { n: 1 }, name: 'n' },
    { key: { text: 1 }, name: 'dropped_later' },
    { key: { list: 1 }, name: 'ttl', expireAfterSeconds: 100_000_000 },
  ]);
  await numbered(client, db, 'duplicates').insertMany([
    { _id: 1, k: 1 },
    { _id: 2, k: 1 },
  ]);
  await client.db(db).createCollection('ring', { capped: true, size: 8192, max: 40 });
  await numbered(client, db, 'ring').insertMany(documents(60));
  await client.db(db).createCollection('slow_ring', { capped: true, size: 8192, max: 40 });
  await client.db(db).createCollection('validated');
  await client.db(db).createCollection('measured', { timeseries: { timeField: 'at', metaField: 'm' } });
  await client.db(db).collection('measured').insertMany(measurements(0));
  await client.db(db).createCollection('viewed', { viewOn: 'orders', pipeline: [] });
  await numbered(client, `${db}_gone`, 'a').insertMany(documents(5));
  await client.db(`${db}_gone`).createCollection('v', { viewOn: 'a', pipeline: [] });
}

const measurements = (from: number) =>
  Array.from({ length: 40 }, (_, n) => ({ at: new Date(Date.UTC(2026, 0, 1, 0, from + n)), m: n % 3, v: from + n }));

async function changeDocuments(client: MongoClient, db: string, round: number): Promise<void> {
  const orders = numbered(client, db, 'orders');
  await orders.insertMany(documents(30, 1000 * round));
  await orders.updateMany({ n: { $lt: 20 } }, { $set: { [`round${round}`]: 'ü' }, $inc: { n: 0 } });
  await orders.updateOne({ _id: 3 }, { $unset: { text: 1 }, $push: { list: round as never } });
  await orders.replaceOne({ _id: 4 }, { replaced: round });
  await orders.deleteMany({ _id: { $gte: 40, $lt: 45 } });
  // The same key again: what an update without its document would make a phantom of.
  await orders.insertMany(documents(5, 40));
  await orders.updateMany({ _id: { $gte: 40, $lt: 43 } }, { $set: { again: round } });
  await orders.deleteOne({ _id: 41 });
  await orders.findOneAndUpdate({ _id: 5 }, { $set: { found: round } });
  await numbered(client, db, 'ring').insertMany(documents(25, 1000 * round));
  // Much turns over before the late base is read, and little after it.
  await numbered(client, db, 'slow_ring').insertMany(documents(round % 2 === 1 ? 30 : 2, 1000 * round));
  await numbered(client, db, 'slow_ring').updateMany({}, { $inc: { n: 1 } });
  await client
    .db(db)
    .collection('measured')
    .insertMany(measurements(100 * round));
  await numbered(client, db, 'system.js').replaceOne({ _id: 1 }, { value: round }, { upsert: true });
}

async function changeCollections(client: MongoClient, db: string, round: number): Promise<void> {
  const database = client.db(db);
  await database.renameCollection('swap_a', 'swap_c');
  await database.renameCollection('swap_b', 'swap_a');
  await database.renameCollection('swap_c', 'swap_b');
  await numbered(client, db, 'swap_a').updateOne({ _id: 1 }, { $set: { swapped: round } });
  if (round === 1) {
    await database.renameCollection('over_source', 'over_target', { dropTarget: true });
    await numbered(client, db, 'over_target').updateOne({ _id: 1 }, { $set: { over: true } });
    await numbered(client, db, 'dropped').updateOne({ _id: 1 }, { $set: { last: true } });
    await numbered(client, db, 'dropped').drop();
    await client.db(`${db}_gone`).dropDatabase();
  } else await numbered(client, `${db}_gone`, 'a').insertOne({ _id: 1, back: true });
  await numbered(client, db, 'recreated').drop();
  await database.createCollection('recreated', { collation: { locale: 'sv' } });
  await numbered(client, db, 'recreated').insertMany(documents(3, round));
  await database.createCollection(`clustered${round}`, {
    clusteredIndex: { key: { _id: 1 }, unique: true },
    expireAfterSeconds: 1_000_000_000,
  });
  await numbered(client, db, `clustered${round}`).insertMany(documents(4));
  await numbered(client, db, 'orders')
    .aggregate([{ $match: { _id: { $lt: 10 } } }, { $out: 'copied' }])
    .toArray();
  await database.command({ convertToCapped: 'to_capped', size: 65536 * round });
  await database.createCollection(`short${round}`);
  await numbered(client, db, `short${round}`).insertOne({ _id: 1 });
  await numbered(client, db, `short${round}`).drop();
}

async function changeDefinitions(client: MongoClient, db: string, round: number): Promise<void> {
  const database = client.db(db);
  await database.command({
    collMod: 'validated',
    validator: round === 1 ? { a: { $type: 'int' } } : {},
    validationLevel: 'moderate',
  });
  await numbered(client, db, 'validated').insertOne({ _id: round, a: 'no int' }, { bypassDocumentValidation: true });
  await database.command({ collMod: 'orders', index: { name: 'ttl', expireAfterSeconds: 200_000_000 + round } });
  await database.command({ collMod: 'orders', index: { name: 'n', hidden: round === 1 } });
  await database.command({ collMod: 'measured', timeseries: { granularity: round === 1 ? 'minutes' : 'hours' } });
  await database.command({ collMod: 'measured', expireAfterSeconds: 1_000_000_000 + round });
  await database.command({ collMod: 'viewed', viewOn: 'orders', pipeline: [{ $match: { n: round } }] });
  const orders = numbered(client, db, 'orders');
  if (round === 1) await orders.dropIndex('dropped_later');
  await orders.createIndexes([{ key: { [`built${round}`]: 1 }, name: `built${round}`, sparse: true }]);
  await numbered(client, db, 'measured').createIndexes([
    { key: { m: 1, at: round === 1 ? 1 : -1 }, name: `m${round}` },
  ]);
  await database.createCollection(`indexed${round}`);
  await numbered(client, db, `indexed${round}`).createIndexes([{ key: { a: 1 }, unique: true, name: 'on empty' }]);
  const failed = numbered(client, db, 'duplicates').createIndexes([{ key: { k: 1 }, unique: true }]);
  await failed.then(
    () => Promise.reject(new Error('the build was to abort')),
    () => undefined,
  );
  const unique = numbered(client, db, `unique${round}`);
  await unique.insertMany(documents(5));
  await unique.createIndexes([{ key: { n: 1 }, name: 'to be unique' }]);
  await database.command({ collMod: `unique${round}`, index: { name: 'to be unique', prepareUnique: true } });
  if (round === 2) await database.command({ collMod: 'unique1', index: { name: 'to be unique', unique: true } });
  await database.createCollection(`view${round}`, { viewOn: 'orders', pipeline: [] });
  if (round === 2) await database.collection('view1').drop();
}

/** More than 16 MiB: several oplog entries (partialTxn). */
async function runLargeTransaction(client: MongoClient, db: string, round: number): Promise<void> {
  const body = 'x'.repeat(6 * 1024 * 1024);
  await client.withSession((session) =>
    session.withTransaction(async () => {
      for (let n = 0; n < 3; n++)
        await numbered(client, db, 'orders').insertOne({ _id: 5000 * round + n, body }, { session });
    }),
  );
}

async function runTransactions(client: MongoClient, db: string, round: number, large: boolean): Promise<void> {
  const orders = numbered(client, db, 'orders');
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await client.db(db).createCollection(`in_transaction${round}`, { session });
      await numbered(client, db, `in_transaction${round}`).insertMany(documents(3), { session });
      await orders.updateOne({ _id: 6 }, { $set: { transaction: round } }, { session });
      await orders.deleteOne({ _id: 7 + round }, { session });
    }),
  );
  if (large) await runLargeTransaction(client, db, round);
  const aborted = client.startSession();
  aborted.startTransaction();
  await orders.insertOne({ _id: 9000 + round }, { session: aborted });
  await aborted.abortTransaction();
  await aborted.endSession();
}

/** Needs enableTestCommands on a set that is no shard. */
async function prepareTransactions(client: MongoClient, db: string, round: number): Promise<void> {
  const orders = numbered(client, db, 'orders');
  for (const end of ['commit', 'abort'] as const) {
    const session = client.startSession();
    session.startTransaction();
    await orders.insertOne({ _id: 7000 + round + (end === 'commit' ? 0 : 500) }, { session });
    const admin = client.db('admin');
    const majority = { writeConcern: { w: 'majority' } };
    const prepared = await admin.command({ prepareTransaction: 1, ...majority }, { session });
    await orders.updateOne({ _id: 8 }, { $set: { [`meanwhile_${end}`]: round } });
    const timestamp = { commitTimestamp: prepared['prepareTimestamp'] as unknown };
    if (end === 'commit') await admin.command({ commitTransaction: 1, ...timestamp, ...majority }, { session });
    else await admin.command({ abortTransaction: 1, ...majority }, { session });
    await session.endSession().catch(() => undefined);
  }
}

/** Users and roles: entries on admin.system.*. */
export async function changeAccess(client: MongoClient, round: number): Promise<void> {
  const admin = client.db('admin');
  await admin.command({ createRole: `role${round}`, privileges: [], roles: ['read'] });
  await admin.command({ createUser: `user${round}`, pwd: 'for this test', roles: [`role${round}`] });
  if (round === 2) {
    await admin.command({ dropUser: 'user1' });
    await admin.command({ updateRole: 'role1', roles: ['readWrite'] });
  }
}

/** Everything that makes an oplog entry of a kind of its own, in one database; rounds 1 and 2 build on each other. */
export async function everyEntryKind(client: MongoClient, db: string, round: 1 | 2, large: boolean): Promise<void> {
  await changeDocuments(client, db, round);
  await changeCollections(client, db, round);
  await changeDefinitions(client, db, round);
  await runTransactions(client, db, round, large);
  await prepareTransactions(client, db, round);
  await client.db(db).command({ emptycapped: 'to_capped' });
  await numbered(client, db, 'to_capped').insertMany(documents(2, round));
  await changeDocuments(client, db, round + 2);
}
