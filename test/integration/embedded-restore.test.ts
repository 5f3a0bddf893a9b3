import { open, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { makeRandom } from '../../local/demo/random.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { formatTimestamp } from '../../src/domain/timestamp.ts';
import { archiveOplog, lastEntry } from '../support/archive-oplog.ts';
import {
  type EmbeddedSet,
  filesBelow,
  isAlive,
  seedDocuments,
  startEmbeddedSet,
  storagePath,
  workerPid,
} from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { lookAt } from '../support/recovered-files.ts';
import { onlyPart } from '../support/take-backup.ts';

let servers: EmbeddedSet;
let target: ReplicaSetServers;
let settings: Settings;
let client: HoldfastClient;
let backupId: string;
let pack: string;

beforeAll(async () => {
  [servers, target] = await Promise.all([startEmbeddedSet(), startReplicaSet({ members: [{}], name: 'target' })]);
  await seedDocuments(servers.set, 64);
  settings = await servers.newSettings();
  client = await openEmbedded({ settings, logger: noLogger });
  const { runId } = await client.startBackup({});
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded' });
  const [summary] = await client.listBackups({});
  backupId = summary?.backupId ?? '';
  pack = onlyPart(await client.describeBackup(backupId)).base.packs[0]?.key ?? '';
});
afterAll(async () => {
  await client.close();
  await Promise.all([servers.stop(), target.stop()]);
});

const orders = () => target.client().db('shop').collection('orders');
const marks = async () => {
  const db = target.client().db('holdfast_restore');
  const names = (await db.listCollections().toArray()).map(({ name }) => name);
  return Promise.all(names.map((name) => db.collection(name).findOne()));
};
const start = async (more: object = {}) =>
  (await client.startRestore({ backup: 'orders', to: target.uri, ...more })).runId;

/** The mark is written before the first document. */
async function untilMarkedBy(runId: string): Promise<void> {
  await until('this run marks the target', async () =>
    (await marks()).some((mark) => mark?.['run'] === runId) ? true : undefined,
  );
}

/** Changes one bit of a file, and back when called again. */
async function flipBit(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, 1000);
  byte.writeUInt8(byte.readUInt8(0) ^ 1);
  await handle.write(byte, 0, 1, 1000);
  await handle.close();
}

test('one flipped bit in a pack is found before anything is written to the target', async () => {
  await flipBit(join(storagePath(settings), pack));
  const status = await client.waitForRun(await start());
  await flipBit(join(storagePath(settings), pack));
  expect(status).toMatchObject({
    status: 'failed',
    error: { name: 'CorruptObject', message: expect.stringContaining(pack) as string },
  });
  expect(await marks()).toEqual([]);
  expect(await orders().estimatedDocumentCount()).toBe(0);
});

test('the source itself is refused as a target', async () => {
  const { username = '', password = '' } = servers.set.root ?? {};
  process.env['HOLDFAST_TEST_ROOT'] = `${username}:${password}`;
  const runId = await start({ to: servers.set.uri, credentials: { env: 'HOLDFAST_TEST_ROOT' } });
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'failed', error: { name: 'TargetIsSource' } });
});

test('a cancelled restore leaves a target that says what it is, and a second restore of it is refused', async () => {
  const runId = await start();
  const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
  await untilMarkedBy(runId);
  // Held in the middle of its work, so that it can't end before it is cancelled.
  process.kill(pid, 'SIGSTOP');
  const rival = await client.waitForRun(await start({ overwrite: 'target' }));
  expect(rival).toMatchObject({ status: 'failed', error: { name: 'TargetBusy' } });
  await client.cancel(runId);
  process.kill(pid, 'SIGCONT');
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'cancelled' });
  expect(await isAlive(pid)).toBe(false);
  expect(await marks()).toMatchObject([{ run: runId }]);
  const next = await client.waitForRun(await start());
  expect(next).toMatchObject({
    status: 'failed',
    error: { name: 'TargetNotEmpty', message: expect.stringContaining(runId) as string },
  });
});

test('a restore whose worker was killed begins anew and is whole', async () => {
  const runId = await start({ overwrite: 'target' });
  const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
  await untilMarkedBy(runId);
  process.kill(pid, 'SIGKILL');
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', output: { backupId } });
  expect(await orders().countDocuments()).toBe(64 * 16);
  expect(await marks()).toEqual([]);
});

describe('a directory as the target', () => {
  let directory: string;
  const mark = () => readFile(join(directory, 'HOLDFAST_INCOMPLETE'), 'utf8').catch(() => undefined);
  const documents = () => lookAt(directory, (files) => files.db('shop').collection('orders').countDocuments());

  beforeAll(async () => {
    directory = join(await makeOwnDirectory('to'), 'data');
  });

  test('is filled by a restore whose worker was killed in the middle, by its second one', async () => {
    const runId = await start({ to: directory });
    const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
    await until('the directory is marked', mark);
    process.kill(pid, 'SIGKILL');
    const status = await client.waitForRun(runId);
    expect(status).toMatchObject({ status: 'succeeded', output: { backupId, target: directory } });
    expect((status.output as { steps: string[] }).steps.join()).toContain('rs.initiate()');
    expect(await mark()).toBeUndefined();
    expect(await documents()).toBe(64 * 16);
  });

  test('is not overwritten unless it is named; one that is no data directory not even then', async () => {
    const refused = await client.waitForRun(await start({ to: directory }));
    expect(refused).toMatchObject({ status: 'failed', error: { name: 'TargetNotEmpty' } });
    const home = dirname(directory);
    const other = await client.waitForRun(await start({ to: home, overwrite: home }));
    expect(other).toMatchObject({ status: 'failed', error: { name: 'TargetNotEmpty' } });
    expect(await readdir(home)).toEqual(['data']);
  });

  test('of a cancelled restore says what it is, and is replaced when it is named', async () => {
    const runId = await start({ to: directory, overwrite: directory });
    const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
    await until('the directory is marked', mark);
    process.kill(pid, 'SIGSTOP');
    await client.cancel(runId);
    process.kill(pid, 'SIGCONT');
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'cancelled' });
    expect(JSON.parse((await mark()) ?? '{}')).toMatchObject({ run: runId });
    const next = await client.waitForRun(await start({ to: directory }));
    expect(next).toMatchObject({
      status: 'failed',
      error: { name: 'TargetNotEmpty', message: expect.stringContaining(runId) as string },
    });
  });
});

test('a restore to a time reads the archive, and brings back one collection beside what is there', async () => {
  const notes = servers.set.client().db('shop').collection<{ _id: number }>('notes');
  await notes.insertMany([{ _id: 1 }, { _id: 2 }]);
  const two = await lastEntry(servers.set);
  await notes.insertOne({ _id: 3 });
  await notes.drop();
  await notes.insertOne({ _id: 9 });
  const { topology, oplog, point } = onlyPart(await client.describeBackup(backupId));
  const prefix = artifactKeys.archive('orders', topology.replicaSet ?? '', topology.replicaSetId ?? '');
  const archive = new DirectoryObjectStore({ root: storagePath(settings), description: 'the archive' });
  const to = await lastEntry(servers.set);
  expect(
    await archiveOplog(servers.set, archive, prefix, { from: oplog.from, to, random: makeRandom(1) }),
  ).toBeGreaterThan(0);
  await archive.close();
  const { replicaSets } = await client.recoveryWindow({ deployment: 'orders' });
  expect(replicaSets).toMatchObject([{ ranges: [{ from: point.ts, to: to.ts }], holes: [] }]);

  const before = await orders().countDocuments();
  const back = async (_id: number[], request: object) => {
    const name = `notes_${_id.join('_')}`;
    const renames = [{ from: 'shop.notes', to: `back.${name}` }];
    const status = await client.waitForRun(await start({ namespaces: ['shop.notes'], renames, ...request }));
    expect(status).toMatchObject({ status: 'succeeded', output: { backupId } });
    const found = await target.client().db('back').collection<{ _id: number }>(name).find().sort({ _id: 1 }).toArray();
    expect(found.map((note) => note._id)).toEqual(_id);
    return status;
  };
  await back([1, 2], { at: formatTimestamp(two.ts) });
  await back([1, 2, 3], { beforeDrop: 'shop.notes' });
  const { runId } = await back([9], { at: 'latest' });
  expect(await orders().countDocuments()).toBe(before);
  expect(await marks()).toEqual([]);
  expect(await filesBelow(join(settings.stateDir, 'holds'))).toEqual([]);
  expect(await filesBelow(join(settings.stateDir, `runs/${runId}/slices`))).toHaveLength(1);

  const late = await client.waitForRun(await start({ at: '2100-01-01T00:00:00Z' }));
  expect(late).toMatchObject({ status: 'failed', error: { name: 'TimeNotRestorable' } });
});
