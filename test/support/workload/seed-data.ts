import type { MongoClient } from 'mongodb';
import { makeRandom } from '../../../local/demo/random.ts';
import { spanningDatabase } from './spanning-transactions.ts';
import { databases, type Free, placeOf, someFields } from './operation.ts';

async function fill(client: MongoClient, db: string, name: string, count: number, seed: number): Promise<void> {
  const random = makeRandom(seed);
  const documents: Free[] = Array.from({ length: count }, (_, n) => ({ _id: n, ...someFields(random) }));
  await placeOf(client, db, name).collection.insertMany(documents);
}

async function makeSpecial(client: MongoClient, dbName: string): Promise<void> {
  const { db, collection: unique } = placeOf(client, dbName, 'unique');
  await unique.insertMany(Array.from({ length: 12 }, (_, n) => ({ _id: n, k: n, p: n })));
  await unique.createIndexes([
    { key: { k: 1 }, name: 'k', unique: true },
    { key: { p: -1 }, name: 'p', unique: true, partialFilterExpression: { p: { $gt: 5 } } },
    { key: { list: 1 }, name: 'list', unique: true, sparse: true },
  ]);
  await db.createCollection('ring0', { capped: true, size: 100_000, max: 30 });
  await db.createCollection('ring1', { capped: true, size: 8192 });
  for (const ring of ['ring0', 'ring1'])
    await placeOf(client, dbName, ring).collection.insertMany(
      Array.from({ length: 30 }, (_, n) => ({ _id: n, n, body: 'r'.repeat(150) })),
    );
  await db.createCollection('clustered0', { clusteredIndex: { key: { _id: 1 }, unique: true } });
  await db.createCollection('series0', { timeseries: { timeField: 'at', metaField: 'm' } });
  await placeOf(client, dbName, 'duplicates').collection.insertMany([
    { _id: 100, k: 7 },
    { _id: 101, k: 7 },
  ]);
}

/** What is there before the workload: small, but with a collection that a scan reads in several batches. */
export async function seedData(client: MongoClient, seed: number): Promise<void> {
  for (const [n, db] of databases.entries()) {
    await fill(client, db, 'a', n === 0 ? 1200 : 350, seed + n);
    await fill(client, db, 'b', n === 0 ? 600 : 40, seed + n);
    for (const name of ['c', 'd']) await fill(client, db, name, 40, seed + n);
  }
  for (const db of ['x', 'y']) await makeSpecial(client, db);
  await placeOf(client, 'x', 'a').collection.createIndex({ n: 1 }, { name: 'n' }, {});
  await placeOf(client, 'x', 'expiring').collection.createIndex(
    { at: 1 },
    { name: 'at', expireAfterSeconds: 3600 },
    {},
  );
}

/** Takes away what earlier seeds left. */
export async function removeData(client: MongoClient): Promise<void> {
  for (const db of [...databases, spanningDatabase]) await client.db(db).dropDatabase();
  const admin = client.db('admin');
  const [users, roles] = [admin.collection('system.users'), admin.collection('system.roles')];
  for (const { user, db } of await users.find({ user: /^user\d$/ }).toArray())
    await client.db(db as string).command({ dropUser: user as string });
  for (const { role, db } of await roles.find({ role: /^role\d$/ }).toArray())
    await client.db(db as string).command({ dropRole: role as string });
}
