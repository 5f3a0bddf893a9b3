import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { stateKeys } from '../../src/domain/names.ts';
import type { dumpPart } from '../../src/engine/dump/dump-part.ts';
import { readCheckpoint } from '../../src/engine/dump/read-checkpoint.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { gateScans } from '../support/gated-scans.ts';
import { attemptDump } from '../support/killed-dump.ts';
import { restoreBackup } from '../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../support/take-backup.ts';
import { compareIdentities, readIdentities } from '../support/workload/collection-identities.ts';

interface Item {
  readonly _id: number;
  readonly n?: number;
  readonly text?: string;
}

const everywhere = { writeConcern: { w: 2 } };
/** A first batch, a second one, and more. */
const many = 6000;
const items = (from: number, to: number): Item[] =>
  Array.from({ length: to - from }, (_, at) => ({ _id: from + at, n: at, text: 'x'.repeat(60) }));

/** Every one is held in the middle of its scan. */
const plain = ['renamed', 'dropped', 'recreated', 'modified', 'converted', 'replaced', 'outed', 'holes', 'moved'];
const scanned = [...plain, 'ring', 'clustered', 'system.buckets.series', 'doomed'];

let set: ReplicaSetServers;
let target: StandaloneServer;
const shop = (): Db => set.client().db('shop');

beforeAll(async () => {
  [set, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] }),
    startStandalone(),
  ]);
});
afterAll(() => Promise.all([set.stop(), target.stop()]));

beforeEach(async () => {
  for (const db of ['shop', 'gone', 'elsewhere']) await set.client().db(db).dropDatabase();
  await shop().createCollection('ring', { capped: true, size: 700_000 });
  await shop().createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } });
  await shop().createCollection('series', { timeseries: { timeField: 'at', metaField: 'm' } });
  for (const name of [...plain, 'ring', 'clustered']) await shop().collection<Item>(name).insertMany(items(0, many));
  await shop()
    .collection('series')
    .insertMany(Array.from({ length: many }, (_, m) => ({ at: new Date(1_700_000_000_000), m, v: m })));
  await shop().collection('modified').createIndex({ n: 1 }, { name: 'n' }, {});
  for (const name of ['incoming', 'fresh']) await shop().collection<Item>(name).insertMany(items(0, 20));
  await set.client().db('gone').collection<Item>('doomed').insertMany(items(0, many), everywhere);
});

/** What ends a cursor, what makes a position void, and what does neither. */
async function redefine(): Promise<void> {
  const [db, admin] = [shop(), set.client().db('admin')];
  await db.collection('renamed').rename('named anew');
  await db.collection<Item>('named anew').updateOne({ _id: 10 }, { $set: { n: -1 } });
  await db.dropCollection('dropped');
  await db.dropCollection('recreated');
  await db.collection<Item>('recreated').insertMany(items(100, 110));
  await db.command({ collMod: 'modified', validator: { n: { $type: 'number' } } });
  await db.collection('modified').createIndex({ text: 1 }, { name: 'text' }, {});
  await db.collection('modified').dropIndex('n');
  await db.command({ convertToCapped: 'converted', size: 100_000 });
  await db.collection('incoming').rename('replaced', { dropTarget: true });
  await db
    .collection('fresh')
    .aggregate([{ $out: 'outed' }])
    .toArray();
  // The document behind which the scan would go on is among them, whichever order the member keeps them in.
  await db.collection<Item>('holes').deleteMany({ _id: { $lt: 5000 } });
  await db.collection<Item>('holes').insertMany(items(0, 50));
  await admin.command({ renameCollection: 'shop.moved', to: 'elsewhere.moved' });
  for (let from = many; from < 3 * many; from += many)
    await db.collection<Item>('ring').insertMany(items(from, from + many));
  await db.collection<Item>('clustered').deleteMany({ _id: { $gte: 200, $lt: 300 } });
  await db.collection('series').insertOne({ at: new Date(1_700_000_000_500), m: 3, v: -1 });
  await set.client().db('gone').dropDatabase();
  await db.collection<Item>('last').insertOne({ _id: 1 }, everywhere);
}

async function requireExact(store: MemoryObjectStore, manifest: Manifest): Promise<void> {
  await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
  const databases = ['shop', 'elsewhere'];
  const [source, copy] = [set.client(), target.client()];
  const [expected, restored] = [await readDeploymentState(source), await readDeploymentState(copy)];
  expect(Object.keys(expected.databases)).toEqual(expect.arrayContaining(databases));
  expect(findDifferences(expected, restored)).toEqual([]);
  expect(compareIdentities(await readIdentities(source, databases), await readIdentities(copy, databases))).toEqual([]);
}

const options = () => ({ set, member: set.hidden, parallel: scanned.length });

describe('collections that are renamed, dropped, replaced, converted and emptied', () => {
  test('while they are read are restored as the source has them', async () => {
    const store = new MemoryObjectStore();
    const gate = gateScans(set.clientFor(set.hidden), scanned);
    const taking = takeBackup({ ...options(), store, client: gate.client });
    await Promise.race([gate.held, taking]);
    await redefine();
    gate.release();
    const manifest = await taking;
    const { base } = onlyPart(manifest);
    const names = base.namespaces.map(({ ns }) => ns);
    for (const ns of ['shop.renamed', 'shop.modified', 'shop.holes', 'shop.clustered']) expect(names).toContain(ns);
    for (const ns of ['shop.dropped', 'shop.converted', 'shop.replaced', 'shop.outed', 'gone.doomed'])
      expect(names).not.toContain(ns);
    await requireExact(store, manifest);
  });

  test.each(['SIGKILL', 'SIGTERM'])('between two tries, the first ended by %s, are so too', async (signal) => {
    const [store, state] = [new MemoryObjectStore(), new MemoryObjectStore()];
    const gate = gateScans(set.clientFor(set.hidden), scanned);
    const dump: typeof dumpPart = async (input, deps) => {
      const place = { store: state, prefix: stateKeys.checkpoints(input.runId, input.part) };
      const recorded = async (): Promise<string[]> => {
        const { catalog = [], collections } = (await readCheckpoint(place, input.partPrefix)) ?? {};
        const begun = catalog.filter(({ uuid }) => uuid !== null && (collections?.get(uuid)?.frames.length ?? 0) > 0);
        return begun.map(({ name }) => name).filter((name) => scanned.includes(name));
      };
      const [terminated, life] = [new AbortController(), { left: 1e9, pace: [0] }];
      const first = attemptDump(input, deps, { state, attempt: 1, life, signal: terminated.signal });
      await Promise.race([gate.held, first]);
      if (signal === 'SIGKILL') {
        // The pack that holds the last frame is open still.
        await until(
          'frames are written down',
          async () => (await recorded()).length >= scanned.length - 1 || undefined,
        );
        life.left = 0;
      } else terminated.abort(new HoldfastError('WorkerLost', 'told to end'));
      if (signal === 'SIGKILL') await redefine();
      gate.release();
      const { report, error } = await first;
      expect(report.ended, String(error)).toBe(signal === 'SIGKILL' ? 'killed' : 'failed');
      if (signal === 'SIGTERM') {
        expect((await recorded()).toSorted()).toEqual(scanned.toSorted());
        await redefine();
      }
      const second = await attemptDump(input, deps, { state, attempt: 2 });
      if (!second.result) throw second.error;
      expect(second.report.savedBytes).toBeGreaterThan(100_000);
      expect(second.report.complaints).toEqual([]);
      return second.result;
    };
    const manifest = await takeBackup({ ...options(), store, client: gate.client, dump });
    const packs = onlyPart(manifest).base.packs.map(({ key }) => /packs\/(\d{4})-/.exec(key)?.[1]);
    expect(new Set(packs)).toEqual(new Set(['0001', '0002']));
    await requireExact(store, manifest);
  });
});
