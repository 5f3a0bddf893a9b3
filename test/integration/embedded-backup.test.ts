import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { until } from '../../local/servers/poll.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { Settings } from '../../src/domain/settings.ts';
import {
  type EmbeddedSet,
  isAlive,
  leaseIsHeld,
  quick,
  seedDocuments,
  startEmbeddedSet,
  storageFiles,
  storagePath,
  untilProgress,
  workerPid,
} from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { onlyPart } from '../support/take-backup.ts';
import { requireLogicalPart } from '../../src/domain/manifest-parts.ts';
import { manifestObjects } from '../../src/application/stored-objects.ts';

let servers: EmbeddedSet;
let settings: Settings;
let client: HoldfastClient;

beforeAll(async () => {
  servers = await startEmbeddedSet();
  await seedDocuments(servers.set, 32);
  await servers.set
    .client()
    .db('config')
    .collection('mine')
    .insertOne({}, { writeConcern: { w: 2 } });
});
afterAll(async () => {
  await servers.stop();
});
beforeEach(async () => {
  settings = await servers.newSettings('slow');
  client = await openEmbedded({ settings, logger: noLogger });
});
afterEach(async () => {
  await client.close();
});

const contentOf = ({ parts, totals }: Manifest) => ({
  namespaces: parts.map((part) => requireLogicalPart(part).base.namespaces),
  documents: totals.documents,
  rawBytes: totals.rawBytes,
});

/** For what nobody has to catch in the middle. */
async function quickly<T>(use: (client: HoldfastClient) => Promise<T>): Promise<T> {
  const own = await openEmbedded({ settings: quick(settings), logger: noLogger });
  try {
    return await use(own);
  } finally {
    await own.close();
  }
}

const backUp = (): Promise<Manifest> =>
  quickly(async (own) => {
    const { runId } = await own.startBackup({ requestedBy: 'test' });
    const { status, error } = await own.waitForRun(runId);
    expect(error).toBeNull();
    expect(status).toBe('succeeded');
    const [newest] = await own.listBackups({});
    const manifest = await own.describeBackup(newest?.backupId ?? '');
    // It may hold one of the brake as well.
    expect(manifest.warnings[0]).toMatch(/config\.mine is not in the backup/);
    return manifest;
  });

let undisturbed: ReturnType<typeof contentOf> | undefined;
/** Of a backup that nobody disturbed, taken once. */
async function undisturbedContent() {
  return (undisturbed ??= contentOf(await backUp()));
}

test('a backup is taken from the hidden member by a child process, and nothing but it is left', async () => {
  const manifest = await backUp();
  undisturbed = contentOf(manifest);
  expect(manifest.parts[0]).toMatchObject({
    member: servers.set.hidden.host,
    memberReason: expect.stringContaining('hidden') as string,
  });
  const documents = onlyPart(manifest).base.namespaces.find(({ ns }) => ns === 'shop.orders')?.documents;
  expect(documents).toBe(32 * 16);
  const named = manifestObjects(manifest).map(({ key }) => key);
  expect(await storageFiles(settings)).toEqual([...named, `orders/backups/${manifest.backupId}/manifest.json`].sort());
  expect(await leaseIsHeld(settings)).toBe(false);
});

test.each(['at its start', 'in the middle of the dump'])(
  'a worker killed %s is started again, and the backup is the same',
  async (when) => {
    const expected = await undisturbedContent();
    const { runId } = await client.startBackup({ requestedBy: 'test' });
    const pid = await workerPid(settings, { runId, attempt: 1 });
    if (when !== 'at its start') await untilProgress(settings, runId);
    process.kill(pid, 'SIGKILL');
    const { status } = await client.waitForRun(runId);
    expect(status).toBe('succeeded');
    const [newest] = await client.listBackups({});
    const manifest = await client.describeBackup(newest?.backupId ?? '');
    expect(manifest.run).toBe(runId);
    expect(contentOf(manifest)).toEqual(expected);
    expect(onlyPart(manifest).base.attempt).toBe(2);
    // Nothing of the killed worker is left either.
    const packs = (await storageFiles(settings)).filter(
      (name) => name.includes(manifest.backupId) && name.endsWith('.pack'),
    );
    expect(packs).toEqual(
      onlyPart(manifest)
        .base.packs.map(({ key }) => key)
        .sort(),
    );
  },
);

test('a cancelled run stops its worker, deletes what it wrote and frees the deployment', async () => {
  const { runId } = await client.startBackup({});
  const pid = await workerPid(settings, { runId, attempt: 1 });
  await untilProgress(settings, runId);
  await client.cancel(runId);
  const { status, error } = await client.waitForRun(runId);
  expect({ status, error: error?.name }).toEqual({ status: 'cancelled', error: 'Cancelled' });
  expect(await isAlive(pid)).toBe(false);
  expect(await storageFiles(settings)).toEqual([]);
  expect(await leaseIsHeld(settings)).toBe(false);
  await backUp();
});

test('a second run of the deployment is refused while the first goes on, and that one completes', async () => {
  const first = await client.startBackup({});
  await workerPid(settings, { runId: first.runId, attempt: 1 });
  const second = await client.startBackup({});
  const refused = await client.waitForRun(second.runId);
  expect(refused).toMatchObject({
    status: 'failed',
    error: { name: 'DeploymentBusy', message: expect.stringContaining(first.runId) as string },
  });
  expect(await client.waitForRun(first.runId)).toMatchObject({ status: 'succeeded', error: null });
});

test('the same idempotency key makes one backup', async () => {
  await quickly(async (own) => {
    const first = await own.startBackup({ idempotencyKey: 'nightly' });
    await own.waitForRun(first.runId);
    const second = await own.startBackup({ idempotencyKey: 'nightly' });
    expect(await own.waitForRun(second.runId)).toMatchObject({
      status: 'duplicate',
      output: { duplicateOf: first.runId },
    });
    expect(await own.listBackups({})).toHaveLength(1);
  });
});

test('a storage that cannot be written fails the run by its own error', async () => {
  await mkdir(dirname(storagePath(settings)), { recursive: true });
  await writeFile(storagePath(settings), 'a file where the directory should be');
  const { runId } = await client.startBackup({});
  const { status, error } = await client.waitForRun(runId);
  expect(status).toBe('failed');
  expect(error).toMatchObject({
    name: 'StorageAccessDenied',
    message: expect.stringContaining(storagePath(settings)) as string,
  });
  expect(await leaseIsHeld(settings)).toBe(false);
});

test('the token and the password reach neither arguments, environment nor logs of the worker', async () => {
  const { readFile } = await import('node:fs/promises');
  const { runId } = await client.startBackup({});
  const pid = await workerPid(settings, { runId, attempt: 1 });
  const shown = await until('the worker’s process is there to look at', async () => {
    const texts = await Promise.all(['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')));
    return texts.join('\n');
  });
  const task = await readFile(`${settings.stateDir}/runs/${runId}/tasks/dump-rs0-1.json`, 'utf8');
  const { taskToken } = JSON.parse(task) as { taskToken: string };
  await client.waitForRun(runId);
  const log = await readFile(`${settings.stateDir}/runs/${runId}/worker.log`, 'utf8');
  const journal = await readFile(`${settings.stateDir}/runs/${runId}/journal.ndjson`, 'utf8');
  for (const text of [shown, log, journal]) {
    expect(text).not.toContain('p@ss');
    expect(text).not.toContain(taskToken);
  }
});
