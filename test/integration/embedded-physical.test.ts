import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { copyWitness, freezeAt, type Witness } from '../../local/servers/frozen-source.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { checkLocalConfig } from '../../src/composition/check-local-config.ts';
import { isPhysicalPart } from '../../src/domain/manifest-parts.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { formatTimestamp, type Timestamp } from '../../src/domain/timestamp.ts';
import { readFileIndex } from '../../src/engine/packs/file-index.ts';
import { lastEntry } from '../support/archive-oplog.ts';
import { untilCaughtUp } from '../support/archive-world.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { storageFiles, storagePath, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import {
  archivedSettings,
  archiveToEnd,
  encryptedDirectory,
  isLocked,
  leftovers,
  physicalSettings,
} from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';
import { standaloneOnVolume, testRecoveryInPlace } from '../support/recovery-in-place.ts';

const sizes = { orders: 500, customers: 100, products: 100, measurements: 100, events: 100, accounts: 50 };
const layoutOptions = ['--directoryperdb', '--wiredTigerDirectoryForIndexes'];

let set: ReplicaSetServers;
let server: StandaloneServer;
let directory: string;
let root: string;
/** Of the hidden member's data directory: names and where they lead. */
let links: Readonly<Record<string, string>>;
let count = 0;

/**
 * The hidden member has what a data directory can be made of: folders for databases and indexes, its journal and one
 * database behind links to elsewhere, another one behind a link to beside it.
 */
async function startSet(): Promise<ReplicaSetServers> {
  const members = join(directory, 'members');
  const data = join(members, 'member-1');
  links = { inside: 'beside', journal: join(directory, 'journal'), shop: join(directory, 'disk', 'shop') };
  await mkdir(data, { recursive: true });
  for (const [name, target] of Object.entries(links)) {
    await mkdir(resolve(data, target), { recursive: true });
    await symlink(target, join(data, name));
  }
  return startReplicaSet({
    directory: members,
    members: [{}, { hidden: true, votes: 0, args: layoutOptions }],
    oplogSizeMb: 256,
  });
}

beforeAll(async () => {
  directory = await makeOwnDirectory('physical');
  [set, server] = await Promise.all([startSet(), startStandalone()]);
  await seedShop(set.client(), sizes);
  await set.client().db('inside').collection('notes').insertOne({ note: 'behind a link' });
});
afterAll(async () => {
  await Promise.all([set.stop(), server.stop()]);
  await removeOwnDirectory(directory);
});
beforeEach(() => {
  count += 1;
  root = join(directory, String(count));
});

const hidden = () => set.clientFor(set.hidden);

async function withClient<T>(settings: Settings, work: (client: HoldfastClient) => Promise<T>): Promise<T> {
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function backUp(client: HoldfastClient): Promise<Manifest> {
  const { runId } = await client.startBackup({});
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
  const [newest] = await client.listBackups({});
  return client.describeBackup(newest?.backupId ?? '');
}

/** What the base was made of: its files are those that belong to a backup, and no others. */
async function filesOf(settings: Settings, manifest: Manifest): Promise<string[]> {
  const [part] = manifest.parts;
  if (!part || !isPhysicalPart(part)) throw new Error('a physical part was expected');
  const store = new DirectoryObjectStore({ root: storagePath(settings), description: 'storage' });
  const { files } = await readFileIndex(store, part.base.index);
  await store.close();
  return files.map(({ file }) => file);
}

async function stateAt(witness: Witness, time: Timestamp): Promise<DeploymentState> {
  const frozen = await freezeAt(witness, time);
  return readDeploymentState(frozen.client()).finally(() => frozen.stop());
}

describe('files of a locked member, copied while a writer never stops', () => {
  let settings: Settings;
  let client: HoldfastClient;
  let manifest: Manifest;
  /** The source at the restore time, made by the server's own recovery of another member's files. */
  let expected: DeploymentState;
  /** And at a later one, while the writer went on. */
  let later: { readonly time: Timestamp; readonly state: DeploymentState };

  beforeAll(async () => {
    settings = archivedSettings(set, join(directory, 'shared'));
    client = await openEmbedded({ settings, logger: noLogger });
    const writer = startShopWriter(set.client(), { lanes: 2, restMs: 5 });
    const witness = await copyWitness(set, await set.primary());
    try {
      // What is behind what the witness holds would be a backup of an earlier time.
      await untilCaughtUp(set, set.hidden);
      manifest = await backUp(client);
      const writes = async (wanted: number) => {
        const before = writer.total();
        await until(`${wanted} more writes`, () => Promise.resolve(writer.total() - before > wanted || undefined));
      };
      await writes(50);
      const { ts: time } = await lastEntry(set);
      await writes(50);
      await writer.stop();
      await archiveToEnd(client, set);
      expected = await stateAt(witness, manifest.restoreTime ?? { t: 0, i: 0 });
      later = { time, state: await stateAt(witness, time) };
    } finally {
      await writer.stop().catch(() => undefined);
      await witness.discard();
    }
  });
  afterAll(() => client.close());

  test('are a backup that says what was locked, for how long and why; nothing else is left', async () => {
    expect(manifest).toMatchObject({
      method: 'physical',
      methodReason: expect.stringContaining('a volume was found') as string,
    });
    const [part] = manifest.parts;
    if (!part || !isPhysicalPart(part)) throw new Error('a physical part was expected');
    const { snapshot, layout } = part.base;
    expect(part.member).toBe(set.hidden.host);
    expect(snapshot.consistency).toBe('locked');
    expect(snapshot.lockSeconds).toBeGreaterThan(0);
    expect(snapshot.lockSeconds).toBeLessThan(manifest.totals.seconds);
    expect(layout).toMatchObject({
      directoryPerDb: true,
      directoryForIndexes: true,
      links: Object.entries(links).map(([path, target]) => ({ path, target })),
    });
    const files = await filesOf(settings, manifest);
    expect(files).toEqual(
      expect.arrayContaining([
        ...['WiredTiger.wt', 'WiredTiger.turtle', 'storage.bson', '_mdb_catalog.wt'],
        expect.stringMatching(/^journal\/WiredTigerLog/) as string,
        expect.stringMatching(/^shop\/index\//) as string,
      ]),
    );
    expect(files.filter((file) => /lock$|diagnostic|Preplog|_tmp/.test(file))).toEqual([]);
    expect(await isLocked(hidden())).toBe(false);
    expect(await leftovers(settings)).toEqual([]);
  });

  test('become a data directory of exactly the restore time, also when the worker is killed while it recovers', async () => {
    const to = join(directory, 'restored');
    const { runId } = await client.startRestore({ backup: manifest.backupId, to });
    const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
    const mark = () => readFile(join(to, 'HOLDFAST_INCOMPLETE'), 'utf8').catch(() => '');
    await until('the files are being recovered', async () => (await mark()).includes('recovering') || undefined);
    process.kill(pid, 'SIGKILL');
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null, output: { target: to } });
    expect(await mark()).toBe('');
    expect(findDifferences(expected, await lookAt(to, readDeploymentState, layoutOptions))).toEqual([]);
  });

  testRecoveryInPlace(() => ({ settings, manifest, expected, directory, layoutOptions }));

  test('are loaded into a running server as of a later time, which the archive in another storage serves', async () => {
    const at = formatTimestamp(later.time);
    const { replicaSets } = await client.recoveryWindow({ deployment: 'orders', at });
    expect(replicaSets[0]?.serving).toMatchObject({ backup: { storage: 'local' }, slices: [{ storage: 'archive' }] });
    const { runId } = await client.startRestore({ backup: 'orders', to: server.uri, at });
    expect(await client.waitForRun(runId)).toMatchObject({
      ...{ status: 'succeeded', error: null, output: { restoreTime: later.time } },
    });
    // Users and roles were not asked for.
    const { databases } = await readDeploymentState(server.client());
    expect(findDifferences({ databases: later.state.databases }, { databases })).toEqual([]);
  });
});

test('a lock that is not ours is left alone, and says whom to ask', async () => {
  const settings = physicalSettings(set, root, true);
  await hidden().db('admin').command({ fsync: 1, lock: true });
  try {
    await withClient(settings, async (client) => {
      const { runId } = await client.startBackup({ method: 'physical' });
      const { error } = await client.waitForRun(runId);
      expect(error).toMatchObject({ name: 'MemberLocked', next: expect.stringContaining('Ask whoever') as string });
    });
    expect(await isLocked(hidden())).toBe(true);
    expect(await leftovers(settings)).toEqual([]);
    expect(await storageFiles(settings)).toEqual([]);
  } finally {
    await hidden().db('admin').command({ fsyncUnlock: 1 });
  }
});

test('the data directory of another server is refused, and nothing is locked', async () => {
  const settings = physicalSettings(set, root, true);
  const { dbPath } = await set.primary();
  const orders = { ...settings.deployments['orders'], volumes: { [set.hidden.host]: dbPath } };
  await withClient(settingsSchema.parse({ ...settings, deployments: { orders } }), async (client) => {
    const { runId } = await client.startBackup({ method: 'physical' });
    const { error } = await client.waitForRun(runId);
    expect(error?.name).toBe('VolumeNotFound');
    expect(error?.message).toContain('is not the data of');
  });
  expect(await leftovers(settings)).toEqual([]);
});

test.each([
  ['another server’s', () => set.primary().then(({ dbPath }) => dbPath), 'VolumeNotFound', /is not the data of/],
  ['one that is not there', () => Promise.resolve('/nowhere/at/all'), 'VolumeNotFound', /cannot be read/],
  ['none of mongod', () => Promise.resolve(directory), 'VolumeNotFound', /holds no WiredTiger.turtle/],
  [
    'one that is encrypted',
    () => encryptedDirectory(set.hidden, root),
    'VolumeLayoutUnsupported',
    /is encrypted at rest .*no backup holds the key/,
  ],
])('config check finds a data directory that is %s', async (_, pathOf, name, message) => {
  const settings = physicalSettings(set, root, true);
  const check = async (path: string) => {
    const orders = { ...settings.deployments['orders'], method: 'physical', volumes: { [set.hidden.host]: path } };
    return checkLocalConfig(settingsSchema.parse({ ...settings, deployments: { orders } }));
  };
  expect(await check(set.hidden.dbPath)).toMatchObject({
    ok: true,
    deployments: [{ parts: [{ member: set.hidden.host, lock: true }], problems: [] }],
  });
  const { ok, deployments } = await check(await pathOf());
  expect({ ok, problems: deployments[0]?.problems }).toMatchObject({
    ok: false,
    problems: [{ name, message: expect.stringMatching(message) as string }],
  });
  expect(await isLocked(hidden())).toBe(false);
});

test('a standalone is backed up by a snapshot that is kept, and restored as of the time that it was taken', async () => {
  const counted = (from: MongoClient) => from.db('shop').collection('orders').countDocuments();
  await server.client().db('shop').collection('orders').insertOne({ note: 'the last one' });
  const documents = await counted(server.client());
  const settings = physicalSettings(set, root, true);
  const uri = `mongodb://${server.host}/`;
  const orders = { ...settings.deployments['orders'], uri, volumes: { [server.host]: server.process.dbPath } };
  await withClient(settingsSchema.parse({ ...settings, deployments: { orders } }), async (client) => {
    const manifest = await backUp(client);
    expect(manifest).toMatchObject({ kind: 'standalone', method: 'snapshot', restoreTime: null });
    expect(manifest.parts[0]).toMatchObject({
      ...{ point: null, oplog: null, base: { method: 'snapshot', layout: { directoryPerDb: false } } },
    });
    expect(await leftovers(settings)).toContain('snapshots/WiredTiger.turtle');
    expect(await isLocked(server.client())).toBe(false);
    expect(await storageFiles(settings)).toEqual([`orders/backups/${manifest.backupId}/manifest.json`]);

    await server.client().db('shop').collection('orders').insertOne({ number: -1 });
    const to = join(root, 'restored');
    const { runId } = await client.startRestore({ backup: 'orders', to });
    expect(await client.waitForRun(runId)).toMatchObject({
      status: 'succeeded',
      output: {
        restoreTime: null,
        steps: expect.arrayContaining([expect.stringMatching(/: mongod --dbpath \S+$/)]) as string[],
      },
    });
    expect(await lookAt(to, counted)).toBe(documents);
    expect(await lookAt(await standaloneOnVolume(manifest, root), counted)).toBe(documents);
    const earlier = await client.startRestore({ backup: 'orders', to: `${to}-2`, at: '2026-01-01T00:00:00Z' });
    expect((await client.waitForRun(earlier.runId)).error).toMatchObject({ name: 'TimeNotRestorable' });
  });
});
