import type { ClientSession, MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../../local/demo/seed-shop.ts';
import { type ShopWriter, startShopWriter } from '../../../local/demo/shop-writer.ts';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { describeUncounted, recount } from '../../../src/engine/recover/fast-counts.ts';
import { readSlices } from '../../../src/engine/oplog/read-slices.ts';
import { copyDirectory, copyFiles } from '../../support/copied-files.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { storeSlice } from '../../support/made-slices.ts';
import { handOver, lookAt, recover } from '../../support/recovered-files.ts';
import { onlyPart, takeBackup } from '../../support/take-backup.ts';

const sizes = { orders: 2000, customers: 200, products: 500, measurements: 300, events: 500, accounts: 200 };

let set: ReplicaSetServers;
let writer: ShopWriter;
let manifest: Manifest;
/** Of the hidden member, while it stood still for a moment. */
let pristine: string;
/** What the primary held when nobody wrote, at the restore time. */
let expected: DeploymentState;
let later: Promise<unknown>;
const store = new MemoryObjectStore();

const written = async (more: number) => {
  const total = writer.total() + more;
  const enough = until(`${total} writes are done`, () => Promise.resolve(writer.total() >= total || undefined));
  await Promise.race([writer.ended, enough]);
};

const ledger = () => set.client().db('ledger').collection<{ _id: string }>('entries');

/** Acknowledged by the majority, and in no checkpoint yet. */
const acknowledged = Array.from({ length: 200 }, (_, n) => ({ _id: `acknowledged ${n}` }));

async function prepare(session: ClientSession, _id: string): Promise<Timestamp> {
  session.startTransaction();
  await ledger().insertOne({ _id }, { session });
  await ledger().updateOne({ _id: 'balance' }, { $set: { [_id]: 1 } }, { session });
  const majority = { writeConcern: { w: 'majority' } };
  const reply = await set
    .client()
    .db('admin')
    .command({ prepareTransaction: 1, ...majority }, { session });
  return reply['prepareTimestamp'] as Timestamp;
}

/** Two that are open at the restore time: one is committed as of before it, one as of later. */
async function openTransactions(): Promise<() => Promise<void>> {
  const admin = set.client().db('admin');
  const [early, late] = [set.client().startSession(), set.client().startSession()];
  await ledger().insertMany([{ _id: 'balance' }, { _id: 'other balance' }]);
  const commitTimestamp = await prepare(early, 'early');
  late.startTransaction();
  await ledger().insertOne({ _id: 'late' }, { session: late });
  await admin.command({ prepareTransaction: 1, writeConcern: { w: 'majority' } }, { session: late });
  return async () => {
    const { operationTime } = await admin.command({ appendOplogNote: 1, data: { test: 'a later time' } });
    await admin.command({ commitTransaction: 1, commitTimestamp }, { session: early });
    await admin.command({ commitTransaction: 1, commitTimestamp: operationTime as unknown }, { session: late });
    await Promise.all([early.endSession(), late.endSession()]);
  };
}

/** Makes the member's last checkpoint one that is later than the captured oplog begins. */
async function checkpointAfterStart(): Promise<void> {
  const hidden = set.clientFor(set.hidden).db('admin');
  const { operationTime } = (await set.client().db('admin').command({ ping: 1 })) as { operationTime: Timestamp };
  await until('the member has a later checkpoint', async () => {
    await hidden.command({ fsync: 1 });
    const status = await hidden.command({ replSetGetStatus: 1 });
    return operationTime.lessThan(status['lastStableRecoveryTimestamp'] as Timestamp) || undefined;
  });
}

beforeAll(async () => {
  const args = ['--setParameter=enableTestCommands=1'];
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 256, args });
  await seedShop(set.client(), sizes);
  writer = startShopWriter(set.client(), { lanes: 3, restMs: 0 });
  manifest = await takeBackup({
    set,
    store,
    member: set.hidden,
    afterBase: async () => {
      await checkpointAfterStart();
      await written(300);
      await set
        .client()
        .db('shop')
        .collection<{ _id: string }>('acknowledged')
        .insertMany(acknowledged, { writeConcern: { w: 2, journal: true } });
      pristine = await copyFiles(set.hidden, set.clientFor(set.hidden), 'stopped');
      await written(500);
      await writer.stop();
      expected = await readDeploymentState(set.clientFor(await set.primary()));
      const decide = await openTransactions();
      // Once the restore time is chosen, capture waits for this.
      later = new Promise((resolve) => setTimeout(resolve, 500)).then(decide);
      later.catch(() => undefined);
    },
  });
  await later;
});
afterAll(() => set.stop());

const slices = () => onlyPart(manifest).oplog.slices;
const restoreTime = () => manifest.restoreTime ?? { t: 0, i: 0 };

/** Without the database that holds the open transactions. */
function withoutLedger({ databases: { ledger: _, ...databases }, ...rest }: DeploymentState): DeploymentState {
  return { ...rest, databases };
}

/** What the server says without counting, beside what it has, by collection. */
async function readFastCounts(client: MongoClient): Promise<Record<string, { fast: number; counted: number }>> {
  const shop = client.db('shop');
  const counts: Record<string, { fast: number; counted: number }> = {};
  for (const { name } of await shop.listCollections({ type: 'collection' }, { nameOnly: true }).toArray()) {
    const collection = shop.collection(name);
    counts[name] = { fast: await collection.estimatedDocumentCount(), counted: await collection.countDocuments() };
  }
  return counts;
}

describe('files that were copied while a writer wrote', () => {
  test('are recovered to exactly the restore time, with the transactions that count as committed by then', async () => {
    const directory = await copyDirectory(pristine);
    const recovered = await recover(directory, store, slices(), restoreTime());
    expect(recovered).toMatchObject({ end: { ts: restoreTime() }, prepared: 2 });
    expect(recovered.appended).toBeGreaterThan(0);
    const handed = await handOver(directory, recovered.uncounted);
    expect(handed.uncounted).toEqual([]);
    const [state, counts, entries, local] = await lookAt(directory, async (client) => [
      await readDeploymentState(client),
      await readFastCounts(client),
      await client.db('ledger').collection('entries').find().sort({ _id: 1 }).toArray(),
      await client
        .db('local')
        .listCollections({ name: /oplog|replset/ })
        .toArray(),
    ]);
    expect(local).toEqual([]);
    expect(handed.collections).toBeGreaterThan(5);
    expect(findDifferences(withoutLedger(expected), withoutLedger(state))).toEqual([]);
    expect(entries).toEqual([{ _id: 'balance', early: 1 }, { _id: 'early' }, { _id: 'other balance' }]);
    expect(Object.values(counts).filter(({ fast, counted }) => fast !== counted)).toEqual([]);

    // Once more: the server would ignore what is appended, without a word.
    const end = onlyPart(manifest).oplog.to.ts;
    await expect(recover(directory, store, slices(), end)).rejects.toMatchObject({
      name: 'RecoveryFailed',
      message: expect.stringContaining('no stable checkpoint') as string,
    });
  });

  test('have numbers of before the replay where nothing sets them right, and those that would take long are named', async () => {
    const directory = await copyDirectory(pristine);
    const { uncounted } = await recover(directory, store, slices(), restoreTime());
    await handOver(directory);
    const [counts, left] = await lookAt(directory, async (client) => [
      await readFastCounts(client),
      await recount(client, uncounted, () => Promise.reject(new Error('it is too large')), 0),
    ]);
    const wrong = Object.keys(counts).filter((name) => counts[name]?.fast !== counts[name]?.counted);
    expect(wrong.length).toBeGreaterThan(0);
    expect(left).toEqual(expect.arrayContaining(wrong.map((name) => `shop.${name}`)));
    expect(describeUncounted(left).join()).toMatch(/shop\.\w+.*: the data is right\. Run validate/);
  });

  test('started as they are, they have lost what the majority had acknowledged: a plain start replays no oplog', async () => {
    const found = await lookAt(await copyDirectory(pristine), (client) =>
      client.db('shop').collection('acknowledged').countDocuments(),
    );
    expect(found).toBe(0);
    expect(expected.databases['shop']?.collections['acknowledged']?.count).toEqual({ $numberInt: '200' });
  });

  test('a restore time before their checkpoint is refused: the server would stop there without a word', async () => {
    const first = slices()[0]?.from.ts ?? { t: 0, i: 0 };
    await expect(recover(await copyDirectory(pristine), store, slices(), first)).rejects.toMatchObject({
      name: 'RecoveryFailed',
      message: expect.stringContaining('after the restore time') as string,
    });
  });

  test('a captured oplog that begins after their end is refused: the server would accept the gap without a word', async () => {
    const entries: Buffer[] = [];
    for await (const piece of readSlices(store, slices())) entries.push(...piece);
    const later = await storeSlice(store, entries.slice(-3));
    await expect(recover(await copyDirectory(pristine), store, [later], restoreTime())).rejects.toMatchObject({
      name: 'OplogGap',
    });
  });
});
