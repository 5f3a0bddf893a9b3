import { constants } from 'node:fs';
import { cp, open, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Document, MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { copyWitness, freezeAt } from '../../local/servers/frozen-source.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import type { HoldfastClient, RunStatus } from '../../src/application/ports/holdfast-client.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { RestoreRequest } from '../../src/domain/run.ts';
import { formatTimestamp, type Timestamp } from '../../src/domain/timestamp.ts';
import { lastEntry } from '../support/archive-oplog.ts';
import { untilCaughtUp } from '../support/archive-world.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { noLogger } from '../support/no-logger.ts';
import { archivedSettings, archiveToEnd } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

/**
 * Bases by files, packs or a kept snapshot, restored whole and in part, to a directory and to a running server, to their
 * own time and to later ones. The oracle is the source frozen at that time by the server's own recovery of files that no
 * backup has read.
 */

const sizes = { orders: 500, customers: 100, products: 100, measurements: 100, events: 100, accounts: 50 };

let set: ReplicaSetServers;
let target: StandaloneServer;
let root: string;
let client: HoldfastClient;
let physical: Manifest;
let snapshot: Manifest;
/** An index is being built then, and never finished. */
let later: Timestamp;
const states = new Map<string, DeploymentState>();
const stateAt = (time: Timestamp | null): DeploymentState => {
  const state = states.get(formatTimestamp(time ?? { t: 0, i: 0 }));
  if (!state) throw new Error('the source was not frozen at that time');
  return state;
};

const things = () => set.client().db('extra').collection<{ _id: number; n: number }>('things');
const hang = (mode: 'alwaysOn' | 'off') =>
  set.client().db('admin').command({ configureFailPoint: 'hangAfterStartingIndexBuild', mode });

/** @returns `ended`: when it has, however */
async function beginIndex(): Promise<{ readonly ended: Promise<unknown> }> {
  await things().insertMany([
    { _id: 1, n: 1 },
    { _id: 2, n: 2 },
  ]);
  await hang('alwaysOn');
  const ended = things()
    .createIndex({ n: 1 })
    .catch(() => undefined);
  await until('the hidden member builds too', async () => {
    const command = { listIndexes: 'things', includeIndexBuildInfo: true };
    const { cursor } = (await set.clientFor(set.hidden).db('extra').command(command)) as {
      cursor: { firstBatch: Document[] };
    };
    return cursor.firstBatch.some((each) => each['indexBuildInfo'] !== undefined) || undefined;
  });
  return { ended };
}

async function backUp(method: 'physical' | 'snapshot'): Promise<Manifest> {
  const { runId } = await client.startBackup({ deployment: 'orders', method });
  const status = await client.waitForRun(runId);
  expect(status).toMatchObject({ status: 'succeeded', error: null });
  return client.describeBackup((status.output as { backupId: string }).backupId);
}

beforeAll(async () => {
  root = await makeOwnDirectory('restore-files');
  [set, target] = await Promise.all([
    startReplicaSet({
      members: [{}, { hidden: true, votes: 0 }],
      oplogSizeMb: 256,
      args: ['--setParameter=enableTestCommands=1'],
    }),
    startStandalone(),
  ]);
  await seedShop(set.client(), sizes);
  client = await openEmbedded({ settings: archivedSettings(set, root), logger: noLogger });
  const writer = startShopWriter(set.client(), { lanes: 2, restMs: 5 });
  const writes = async () => {
    const before = writer.total();
    await until('more writes', () => Promise.resolve(writer.total() - before > 50 || undefined));
  };
  const witness = await copyWitness(set, await set.primary());
  try {
    await untilCaughtUp(set, set.hidden);
    physical = await backUp('physical');
    await writes();
    // Else the archive would begin at the end of the newest backup.
    await archiveToEnd(client, set);
    snapshot = await backUp('snapshot');
    await writes();
    const { ended } = await beginIndex();
    await writes();
    later = (await lastEntry(set)).ts;
    await hang('off');
    await ended;
    await writes();
    await writer.stop();
    await things().drop();
    await archiveToEnd(client, set);
    for (const time of [physical.restoreTime, snapshot.restoreTime, later]) {
      if (time === null) continue;
      const frozen = await freezeAt(witness, time);
      states.set(formatTimestamp(time), await readDeploymentState(frozen.client()).finally(() => frozen.stop()));
    }
  } finally {
    await writer.stop().catch(() => undefined);
    await witness.discard();
  }
}, 300_000);
afterAll(async () => {
  await client.close();
  await Promise.all([set.stop(), target.stop()]);
  await removeOwnDirectory(root);
});
afterEach(async () => {
  for (const db of ['shop', 'extra', 'copy', 'holdfast_restore']) await target.client().db(db).dropDatabase();
});

async function restore(request: RestoreRequest): Promise<RunStatus> {
  const { runId } = await client.startRestore(request);
  return client.waitForRun(runId);
}

async function restored(request: RestoreRequest): Promise<void> {
  expect(await restore(request)).toMatchObject({ status: 'succeeded', error: null });
}

let count = 0;
const newDirectory = () => join(root, `restored-${(count += 1)}`);
const compareWhole = async (from: MongoClient, time: Timestamp | null) => {
  const { databases } = await readDeploymentState(from);
  return findDifferences({ databases: stateAt(time).databases }, { databases });
};

const collection = (state: DeploymentState, db: string, name: string) => ({
  hash: state.databases[db]?.collectionHashes[name],
  ...state.databases[db]?.collections[name],
});

describe('a snapshot of a set that is kept', () => {
  test('becomes a data directory of its own restore time', async () => {
    const to = newDirectory();
    await restored({ backup: snapshot.backupId, to });
    expect(findDifferences(stateAt(snapshot.restoreTime), await lookAt(to, readDeploymentState))).toEqual([]);
  });

  test('becomes one of a later time, and again: it stays as it was', async () => {
    const to = newDirectory();
    await restored({ backup: 'orders', to, at: formatTimestamp(later) });
    expect(findDifferences(stateAt(later), await lookAt(to, readDeploymentState))).toEqual([]);
  });

  test('is what serves the later time, with the archive of another storage', async () => {
    const { replicaSets } = await client.recoveryWindow({ deployment: 'orders', at: formatTimestamp(later) });
    expect(replicaSets[0]?.serving).toMatchObject({
      backup: { backupId: snapshot.backupId, storage: 'local' },
      slices: [{ storage: 'archive' }],
    });
  });

  test('is loaded into a running server', async () => {
    await restored({ backup: snapshot.backupId, to: target.uri, at: formatTimestamp(later) });
    expect(await compareWhole(target.client(), later)).toEqual([]);
  });

  test('brings back one collection that was dropped since, under another name', async () => {
    await restored({
      ...{ backup: 'orders', to: target.uri, beforeDrop: 'extra.things' },
      ...{ namespaces: ['extra.things'], renames: [{ from: 'extra.things', to: 'copy.found' }] },
    });
    const { databases } = await readDeploymentState(target.client());
    expect(Object.keys(databases)).toEqual(['copy']);
    expect(databases['copy']?.collectionHashes['found']).toBe(
      stateAt(later).databases['extra']?.collectionHashes['things'],
    );
  });
});

describe('a physical base', () => {
  test('becomes a data directory of a later time, in which an index was being built', async () => {
    const to = newDirectory();
    const { status, output } = await restore({ backup: physical.backupId, to, at: formatTimestamp(later) });
    expect({ status, output }).toMatchObject({
      status: 'succeeded',
      // The writer may build one of its own just then.
      output: {
        warnings: expect.arrayContaining([
          expect.stringContaining('The index extra.things: n_1 was being built'),
        ]) as string[],
      },
    });
    expect(findDifferences(stateAt(later), await lookAt(to, readDeploymentState))).toEqual([]);
  });

  test('gives a running server some collections as of a later time, renamed', async () => {
    await target.client().db('shop').collection('own').insertOne({ ours: true });
    await restored({
      ...{ backup: physical.backupId, to: target.uri, at: formatTimestamp(later) },
      ...{ namespaces: ['shop.orders', 'extra.*'], renames: [{ from: 'shop.orders', to: 'copy.orders' }] },
    });
    const state = await readDeploymentState(target.client());
    expect(collection(state, 'copy', 'orders')).toEqual(collection(stateAt(later), 'shop', 'orders'));
    expect(collection(state, 'extra', 'things')).toEqual(collection(stateAt(later), 'extra', 'things'));
    expect(Object.keys(state.databases['shop']?.collections ?? {})).toEqual(['own']);
  });

  test('is loaded whole as of a time between two bases, which only it serves', async () => {
    await restored({ backup: 'orders', to: target.uri, at: firstTime() });
    expect(await compareWhole(target.client(), physical.restoreTime)).toEqual([]);
  });
});

const whole = ({ backupId: backup }: Manifest): RestoreRequest => ({ backup, to: newDirectory() });
const firstTime = () => formatTimestamp(physical.restoreTime ?? later);

describe('what can not be right is refused, with nothing written', () => {
  test.each<[string, string, () => RestoreRequest]>([
    ['a time before the base', 'TimeNotRestorable', () => ({ ...whole(snapshot), at: firstTime() })],
    ['a part of it in a directory', 'InvalidInput', () => ({ ...whole(physical), namespaces: ['shop.orders'] })],
    ['no such collection', 'InvalidInput', () => ({ ...whole(physical), to: target.uri, namespaces: ['extra.none'] })],
    ['no such drop', 'TimeNotRestorable', () => ({ backup: 'orders', to: target.uri, beforeDrop: 'shop.none' })],
    ['over itself', 'TargetNotSuitable', () => ({ ...whole(snapshot), to: keptPath(), overwrite: keptPath() })],
  ])('%s: %s', async (_, name, request) => {
    const asked = request();
    expect((await restore(asked)).error).toMatchObject({ name });
    if (asked.to.startsWith('/') && asked.to !== keptPath()) await expect(readdir(asked.to)).rejects.toThrow('ENOENT');
    expect(Object.keys((await readDeploymentState(target.client())).databases)).toEqual([]);
  });
});

function keptPath(): string {
  const base = snapshot.parts[0]?.base;
  return (base?.method === 'snapshot' && base.snapshot.snapshots[0]?.id) || '';
}

async function flip(file: string, at: number): Promise<void> {
  await using handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await handle.write(byte, 0, 1, at);
}

/** The file of a collection of the kept snapshot. */
async function fileOf(ns: string): Promise<string> {
  const [db = '', name = ''] = ns.split('.');
  const stats = await set.clientFor(set.hidden).db(db).command({ collStats: name });
  const uri = (stats['wiredTiger'] as { uri: string }).uri.replace('statistics:table:', '');
  return join(keptPath(), `${uri}.wt`);
}

describe('a kept snapshot that was damaged', () => {
  const damaged = async (damage: () => Promise<void>, name: string, message: string): Promise<void> => {
    const copy = `${keptPath()}-copy`;
    await cp(keptPath(), copy, { recursive: true, mode: constants.COPYFILE_FICLONE });
    await damage();
    const to = newDirectory();
    try {
      const { error } = await restore({ backup: snapshot.backupId, to });
      expect(error).toMatchObject({ name, message: expect.stringContaining(message) as string });
      const left = await readdir(to).catch(() => []);
      if (left.length > 0) expect(left).toContain('HOLDFAST_INCOMPLETE');
    } finally {
      await rm(keptPath(), { recursive: true, force: true });
      await cp(copy, keptPath(), { recursive: true, mode: constants.COPYFILE_FICLONE });
      await rm(copy, { recursive: true });
    }
  };

  test('by a flipped bit in a collection, is found by reading all of it', async () => {
    const file = await fileOf('shop.customers');
    await damaged(() => flip(file, 5000), 'RestoreVerificationFailed', 'shop.customers');
  });

  test('by a file that was cut, is named before anything is written', async () => {
    const file = await fileOf('shop.customers');
    await damaged(() => truncate(file, 4096), 'CorruptObject', keptPath());
  });

  test('by being deleted, is named', async () => {
    await damaged(() => rm(keptPath(), { recursive: true }), 'ObjectNotFound', keptPath());
  });
});
