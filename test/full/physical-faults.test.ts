import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { copyWitness, freezeAt } from '../../local/servers/frozen-source.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import { memberLockSchema } from '../../src/domain/member-lock.ts';
import { stateKeys } from '../../src/domain/names.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { copyDirectory } from '../support/copied-files.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { isAlive, leaseIsHeld, storageFiles, untilProgress, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { frozenSnapshots, isLocked, leftovers, physicalSettings } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

let set: ReplicaSetServers;
let directory: string;
let root: string;
let count = 0;

beforeAll(async () => {
  directory = await makeOwnDirectory('physical-faults');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 256 });
});
afterAll(async () => {
  await set.stop();
  await removeOwnDirectory(directory);
});
beforeEach(() => {
  count += 1;
  root = join(directory, String(count));
});

const hidden = () => set.clientFor(set.hidden);
const written = () => set.client().db('shop').collection<{ _id: number }>('written');
const inserted = { next: 0 };

/** Acknowledged by both members, and in their journals. */
async function insert(documents: number): Promise<void> {
  const batch = Array.from({ length: documents }, () => ({ _id: inserted.next++, text: 'x'.repeat(200) }));
  await written().insertMany(batch, { writeConcern: { w: 2, journal: true } });
}

async function completed(client: HoldfastClient, request: Parameters<HoldfastClient['startBackup']>[0]) {
  const { runId } = await client.startBackup(request);
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
  const [newest] = await client.listBackups({});
  return client.describeBackup(newest?.backupId ?? '');
}

const countOf = (place: string) => lookAt(place, (copy) => copy.db('shop').collection('written').countDocuments());

test('a crash-consistent copy loses documents when it is simply started; restored, it is the source at the restore time', async () => {
  const settings = physicalSettings(set, root, false);
  let naive = '';
  const frozen = frozenSnapshots(settings, set.hidden);
  const volumes = {
    ...frozen,
    create: async (...request: Parameters<typeof frozen.create>) => {
      await hidden().db('admin').command({ fsync: 1 });
      // Only the journal and the oplog have these: what is started without its oplog goes back to the checkpoint.
      await insert(300);
      const taken = await frozen.create(...request);
      naive = await copyDirectory(taken.snapshots[0]?.id ?? '');
      return taken;
    },
  };
  await insert(1000);
  await seedShop(set.client(), {
    orders: 500,
    customers: 100,
    products: 100,
    measurements: 100,
    events: 100,
    accounts: 50,
  });
  // It writes all the while, and moves money between collections by transactions.
  const writer = startShopWriter(set.client(), { lanes: 2, restMs: 5 });
  const witness = await copyWitness(set, await set.primary());
  const client = await openEmbedded({ settings, logger: noLogger, volumes });
  try {
    const manifest = await completed(client, { method: 'physical' });
    await writer.stop();
    expect(writer.counters.transactions).toBeGreaterThan(0);
    expect(manifest.parts[0]?.base).toMatchObject({ snapshot: { consistency: 'crash', lockSeconds: null } });
    expect(await countOf(naive)).toBeLessThan(inserted.next);

    const to = join(root, 'restored');
    const { runId } = await client.startRestore({ backup: manifest.backupId, to });
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    expect(await countOf(to)).toBe(inserted.next);
    const frozen = await freezeAt(witness, manifest.restoreTime ?? { t: 0, i: 0 });
    const expected = await readDeploymentState(frozen.client()).finally(() => frozen.stop());
    expect(findDifferences(expected, await lookAt(to, readDeploymentState))).toEqual([]);
  } finally {
    await writer.stop().catch(() => undefined);
    await witness.discard();
    await client.close();
  }
});

test('a worker that is killed while it copies is started again, and the backup is the same', async () => {
  const settings = physicalSettings(set, root, true, 17);
  await insert(20_000);
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    const { runId } = await client.startBackup({ method: 'physical' });
    const pid = await workerPid(settings, { runId, attempt: 1 }, 'copy-files');
    await untilProgress(settings, runId);
    process.kill(pid, 'SIGKILL');
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    const [newest] = await client.listBackups({});
    const manifest = await client.describeBackup(newest?.backupId ?? '');
    expect(manifest.parts[0]?.base).toMatchObject({ method: 'physical', attempt: 2 });
    const to = join(root, 'restored');
    const restore = await client.startRestore({ backup: manifest.backupId, to });
    expect(await client.waitForRun(restore.runId)).toMatchObject({ status: 'succeeded', error: null });
    expect(await countOf(to)).toBe(inserted.next);
    expect(await leftovers(settings)).toEqual([]);
  } finally {
    await client.close();
  }
});

async function startOrchestrator(settings: Settings, moment = ''): Promise<{ child: ChildProcess; runId: string }> {
  await mkdir(settings.stateDir, { recursive: true });
  const file = join(root, 'settings.json');
  await writeFile(file, JSON.stringify(settings));
  const child = spawn(process.execPath, [join(import.meta.dirname, '../support/orchestrator.ts'), file, moment], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [runId] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, runId };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await gone;
}

/** A file of holes, which takes long to read: the lock is held meanwhile. */
async function withBallast(work: () => Promise<void>): Promise<void> {
  const ballast = join(set.hidden.dbPath, 'ballast');
  const handle = await open(ballast, 'w');
  await handle.truncate(24 * 1024 ** 3);
  await handle.close();
  try {
    await work();
  } finally {
    await rm(ballast);
  }
}

async function untilLockIsHeld(settings: Settings): Promise<void> {
  const file = join(settings.stateDir, stateKeys.lock(set.hidden.host));
  await until('the lock is held', async () => {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return text !== undefined && memberLockSchema.parse(JSON.parse(text)).opid !== null ? true : undefined;
  });
  expect(await isLocked(hidden())).toBe(true);
}

const untilUnlocked = () =>
  until('the member is unlocked', async () => ((await isLocked(hidden())) ? undefined : true));

/** After any of it: nothing is left, and the next backup works. */
async function expectCleanAndUsable(settings: Settings, runId: string): Promise<void> {
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    expect(await isLocked(hidden())).toBe(false);
    expect(await client.status(runId)).toMatchObject([{ status: 'failed', error: { name: 'Interrupted' } }]);
    expect(await leftovers(settings)).toEqual([]);
    expect(await leaseIsHeld(settings)).toBe(false);
    expect(await storageFiles(settings)).toEqual([]);
    await completed(client, { method: 'physical' });
  } finally {
    await client.close();
  }
}

test('when the process that locked a member is killed, the watchdog gives the lock back at once', async () => {
  const settings = physicalSettings(set, root, true);
  let run = '';
  await withBallast(async () => {
    const { child, runId } = await startOrchestrator(settings);
    run = runId;
    await untilLockIsHeld(settings);
    await kill(child);
    await untilUnlocked();
  });
  await expectCleanAndUsable(settings, run);
});

test('when the watchdog dies as well, the next start gives it back', async () => {
  const settings = physicalSettings(set, root, true);
  let run = '';
  await withBallast(async () => {
    const { child, runId } = await startOrchestrator(settings);
    run = runId;
    await untilLockIsHeld(settings);
    const children = await readFile(`/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`, 'utf8');
    for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGKILL');
    await kill(child);
  });
  expect(await isLocked(hidden())).toBe(true);
  await expectCleanAndUsable(settings, run);
});

test.each(['when the member is locked', 'when the files are copied and the member is still locked'])(
  'a run whose process dies %s has its lock given back by the watchdog, and nothing is left',
  async (moment) => {
    const settings = physicalSettings(set, root, true);
    const { child, runId } = await startOrchestrator(settings, moment);
    if (child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    // Nobody else is there to do it.
    await untilUnlocked();
    await expectCleanAndUsable(settings, runId);
  },
);

test.each(['before the lock', 'after the lock', 'before the copy is deleted'])(
  'a run whose process dies %s leaves nothing, and the next backup works',
  async (moment) => {
    const settings = physicalSettings(set, root, true);
    const { child, runId } = await startOrchestrator(settings, moment);
    if (child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    expect(await isLocked(hidden())).toBe(false);
    await expectCleanAndUsable(settings, runId);
  },
);

test('a run whose process is killed while its worker copies leaves no worker and nothing else', async () => {
  const settings = physicalSettings(set, root, true, 17);
  const { child, runId } = await startOrchestrator(settings);
  const worker = await workerPid(settings, { runId, attempt: 1 }, 'copy-files');
  await untilProgress(settings, runId);
  await kill(child);
  // The channel to its parent is broken: it ends of itself.
  await until('the worker is gone', async () => ((await isAlive(worker)) ? undefined : true));
  await expectCleanAndUsable(settings, runId);
});

test('a backup that is cancelled while the member is locked unlocks it', async () => {
  const settings = physicalSettings(set, root, true);
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    await withBallast(async () => {
      const { runId } = await client.startBackup({ method: 'physical' });
      await untilLockIsHeld(settings);
      await client.cancel(runId);
      expect(await client.waitForRun(runId)).toMatchObject({ status: 'cancelled' });
      expect(await isLocked(hidden())).toBe(false);
    });
    expect(await leftovers(settings)).toEqual([]);
    expect(await storageFiles(settings)).toEqual([]);
  } finally {
    await client.close();
  }
});
