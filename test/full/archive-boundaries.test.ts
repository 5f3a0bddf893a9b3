import { join } from 'node:path';
import { Timestamp as BsonTimestamp } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { copyWitness, type Witness } from '../../local/servers/frozen-source.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { chooseRestore } from '../../src/application/choose-restore.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { RecoverySourcesDeps } from '../../src/application/recovery-sources.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { compareTimestamps, formatTimestamp } from '../../src/domain/timestamp.ts';
import { listArchive } from '../../src/engine/oplog/archive-tail.ts';
import { readStoredSlice, type StoredSlice } from '../../src/engine/oplog/read-chain.ts';
import { frozenSnapshots } from '../support/physical-set.ts';
import { silentLogger } from '../support/take-backup.ts';
import { backUp, catalogOf, createBackupUser, restore, settingsOf } from '../support/workload/every-method.ts';
import { type ExactnessServers, setTtlMonitor, startExactnessServers } from '../support/workload/exactness.ts';
import { holderOf, Moments } from '../support/workload/moments.ts';
import { readFrozen } from '../support/workload/point-in-time.ts';

/**
 * What a slice's end or the restore time may come between: everything is made once, in an order that is known, and restored
 * to right before, within, and right after it, from a base by documents and one by files, each compared with the source frozen there
 * by mongod itself.
 */

const majority = { writeConcern: { w: 'majority' as const } };
let servers: ExactnessServers;
let root: string;
let client: HoldfastClient;
let catalog: RecoverySourcesDeps;
let witness: Witness;
let bases: readonly Manifest[];
let moments: Moments;

const mongo = () => servers.source.client();
const admin = () => mongo().db('admin');
const shop = () => mongo().db('shop');
const items = (name = 'items', db = 'shop') =>
  mongo().db(db).collection<{ _id: number; [more: string]: unknown }>(name);
const cut = () => moments.cut();
const around = (...args: Parameters<Moments['around']>) => moments.around(...args);

async function archived(): Promise<StoredSlice[]> {
  const { config } = await admin().command({ replSetGetConfig: 1 });
  const { replicaSetId } = (config as { settings: { replicaSetId: { toHexString(): string } } }).settings;
  const archive = catalog.settings.storages['archive'];
  if (!archive) throw new TypeError('no archive');
  const store = catalog.openStorage(archive);
  const prefix = artifactKeys.archive('orders', servers.source.name, replicaSetId.toHexString());
  return Promise.all((await listArchive(store, prefix)).map((object) => readStoredSlice(store, object)));
}

/** A prepared transaction whose decision comes with a later slice. */
async function prepareAndDecide(decision: 'commit' | 'abort', id: number): Promise<void> {
  const session = mongo().startSession();
  session.startTransaction();
  await items().insertOne({ _id: id }, { session });
  await items().updateOne({ _id: 1 }, { $set: { [decision]: id } }, { session });
  let prepareTimestamp: unknown;
  const prepared = await around(
    `a prepare (${decision})`,
    async () => {
      ({ prepareTimestamp } = await admin().command({ prepareTransaction: 1, ...majority }, { session }));
    },
    true,
  );
  expect(prepareTimestamp).toBeInstanceOf(BsonTimestamp);
  await cut();
  moments.add({ name: `right before the time of the ${decision}`, time: await moments.top(), byFiles: true });
  const { operationTime } = await admin().command({ appendOplogNote: 1, data: { a: 'later time' } });
  const commitTimestamp = operationTime as BsonTimestamp;
  const decide =
    decision === 'commit'
      ? { commitTransaction: 1, commitTimestamp, ...majority }
      : { abortTransaction: 1, ...majority };
  const before = moments.all.length;
  const decided = await around(decision, () => admin().command(decide, { session }), true);
  // It belongs to the restore from its commitTimestamp on, to what mongod itself recovers from its commit entry on.
  const [right] = moments.all.splice(before, 1);
  const [frozenAt] = decided;
  if (right && frozenAt) moments.add(decision === 'commit' ? { ...right, frozenAt } : right);
  await session.endSession().catch(() => undefined);
  moments.mustSpan(`a transaction that is prepared, then ${decision}`, [...prepared, ...decided]);
}

async function largeTransaction(): Promise<void> {
  const body = 'x'.repeat(9 * 1024 * 1024);
  const entries = await around(
    'a large transaction',
    () =>
      mongo().withSession((session) =>
        session.withTransaction(async () => {
          for (let n = 0; n < 3; n += 1) await items('large').insertOne({ _id: n, body }, { session });
        }),
      ),
    true,
  );
  expect(entries.length).toBeGreaterThan(1);
  moments.mustSpan('a large transaction', entries);
}

async function openTransaction(): Promise<() => Promise<void>> {
  const session = mongo().startSession();
  session.startTransaction();
  await items('open').insertOne({ _id: 2 }, { session });
  await cut();
  return async () => {
    await session.abortTransaction();
    await session.endSession();
  };
}

async function indexBuild(): Promise<void> {
  const hang = (mode: 'alwaysOn' | 'off') =>
    admin().command({ configureFailPoint: 'hangAfterStartingIndexBuild', mode });
  await hang('alwaysOn');
  const building: { done?: Promise<unknown> } = {};
  const started = await around('the start of an index build', async () => {
    const before = await moments.top();
    building.done = items().createIndexes([{ key: { n: 1 }, name: 'slow' }]);
    building.done.catch(() => undefined);
    await until('it has started', async () => {
      const ts = { $gt: new BsonTimestamp(before) };
      const found = await mongo().db('local').collection('oplog.rs').findOne({ ts, 'o.startIndexBuild': 'items' });
      return found ? true : undefined;
    });
  });
  await items().insertOne({ _id: 500, n: 5 });
  await cut();
  const committed = await around('the commit of an index build', async () => {
    await hang('off');
    await building.done;
  });
  moments.mustSpan('an index build', [...started, ...committed]);
}

async function expire(): Promise<void> {
  await items('mortal').createIndexes([{ key: { at: 1 }, expireAfterSeconds: 1 }]);
  const at = new Date(0);
  await items('mortal').insertMany([1, 2, 3].map((_id) => ({ _id, at })));
  await items('mortal').insertOne({ _id: 4, at: new Date(Date.now() + 1e9) });
  await around('deletes by TTL', async () => {
    await setTtlMonitor(servers.source, true);
    await until('they are gone', async () => ((await items('mortal').countDocuments()) === 1 ? true : undefined));
    await setTtlMonitor(servers.source, false);
  });
}

async function definitions(): Promise<void> {
  await items('plain').insertMany([1, 2, 3].map((_id) => ({ _id, text: 'x'.repeat(100) })));
  await cut();
  await around('convertToCapped', () => shop().command({ convertToCapped: 'plain', size: 8192, ...majority }));
  await around('collMod', () =>
    shop().command({ collMod: 'items', validator: { n: { $ne: 77 } }, validationLevel: 'moderate', ...majority }),
  );
  await around('collMod of an index', () =>
    shop().command({ collMod: 'mortal', index: { name: 'at_1', expireAfterSeconds: 900 }, ...majority }),
  );
  await items('over', 'elsewhere').insertMany([
    { _id: 1, old: true },
    { _id: 2, old: true },
  ]);
  await cut();
  await around(
    'a rename to another database over a collection that is there',
    () => admin().command({ renameCollection: 'shop.moved', to: 'elsewhere.over', dropTarget: true, ...majority }),
    true,
  );
}

async function cappedAtItsLimit(): Promise<void> {
  const database = shop();
  await database.createCollection('ring', { capped: true, size: 4096, max: 3 });
  await items('ring').insertMany([1, 2, 3].map((_id) => ({ _id })));
  await cut();
  await around('an insert into a capped collection that is full', () => items('ring').insertOne({ _id: 4 }, majority));
  await around('several of them', () =>
    items('ring').insertMany(
      [5, 6].map((_id) => ({ _id })),
      majority,
    ),
  );
}

beforeAll(async () => {
  servers = await startExactnessServers();
  await createBackupUser(servers.source);
  root = await makeOwnDirectory('archive-boundaries');
  await setTtlMonitor(servers.source, false);
  for (const name of ['items', 'moved']) await items(name).insertMany([1, 2, 3, 4].map((_id) => ({ _id, n: _id })));
  await shop().createCollection('open');
  await shop().createCollection('large');
  await items('moved').createIndex({ n: -1 });
  witness = await copyWitness(servers.source, servers.source.hidden);
  const settings = settingsOf(servers.source, root);
  catalog = catalogOf(settings);
  client = await openEmbedded({
    settings,
    volumes: frozenSnapshots(settings, servers.source.hidden),
    logger: silentLogger,
  });
  moments = new Moments(servers.source, client);
  bases = [await backUp(client, 'logical'), await backUp(client, 'physical')];
  await cut();
  const abortOpen = await openTransaction();
  await prepareAndDecide('commit', 100);
  await prepareAndDecide('abort', 200);
  await largeTransaction();
  await indexBuild();
  await expire();
  await definitions();
  await cappedAtItsLimit();
  await cut();
  moments.add({ name: 'the end, with a transaction that is open still', time: await moments.top(), byFiles: true });
  await abortOpen();
  await cut();
}, 600_000);
afterAll(async () => {
  await client.close();
  await witness.discard();
  await servers.stop();
  await removeOwnDirectory(root);
});

test('what is to span slices does', async () => {
  const slices = await archived();
  expect(moments.spans).toHaveLength(4);
  for (const { name, first, last } of moments.spans)
    expect(holderOf(slices, last), name).toBeGreaterThan(holderOf(slices, first));
});

test('every moment is restored as the source was then', async () => {
  const [logical, physical] = bases;
  for (const { name, time, frozenAt = time, byFiles } of moments.all) {
    const at = formatTimestamp(time);
    const expected = await readFrozen(witness, frozenAt);
    for (const base of byFiles ? [logical, physical] : [logical]) {
      const { backupId = '', method } = base ?? {};
      const chosen = await chooseRestore(
        { backup: backupId, to: 'mongodb://unused', at },
        new Set(['logical', 'physical']),
        catalog,
      );
      const target = { at, time, last: time };
      const { differences } = await restore(servers, chosen, {
        target,
        expected,
        directory: join(root, 'restored'),
        catalog,
      });
      expect(differences, `${method ?? ''}, ${name} (${at})`).toEqual([]);
    }
    console.log(`${at}: ${name}`);
  }
  expect(moments.all.length).toBeGreaterThan(25);
});

test('a transaction that is prepared and never decided ends the window before it, and nothing of it is restored', async () => {
  const session = mongo().startSession();
  try {
    session.startTransaction();
    await items().insertOne({ _id: 900 }, { session });
    const before = await moments.top();
    const { prepareTimestamp } = await admin().command({ prepareTransaction: 1, ...majority }, { session });
    await cut();
    const [window] = (await client.recoveryWindow({ deployment: 'orders' })).replicaSets;
    const prepared = prepareTimestamp as BsonTimestamp;
    const { latest } = window ?? {};
    expect(latest && compareTimestamps(latest, { t: prepared.t, i: prepared.i })).toBeLessThan(0);
    const request = { backup: 'orders', to: 'mongodb://unused' };
    const methods = new Set(['logical'] as const);
    await expect(
      chooseRestore({ ...request, at: formatTimestamp({ t: prepared.t, i: prepared.i }) }, methods, catalog),
    ).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    expect(await chooseRestore({ ...request, at: formatTimestamp(before) }, methods, catalog)).toBeDefined();
  } finally {
    await admin().command({ abortTransaction: 1, ...majority }, { session });
    await session.endSession().catch(() => undefined);
  }
  await cut();
});
