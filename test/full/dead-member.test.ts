import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { DataDirectorySnapshots } from '../../src/adapters/directory/data-directory-snapshots.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { VolumeSnapshots } from '../../src/application/ports/volume-snapshots.ts';
import { stateKeys } from '../../src/domain/names.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { leaseIsHeld, storageFiles } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { isLocked, leftovers, physicalSettings } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

/** The member is killed (SIGKILL) while its files are copied under the lock: with it goes the lock, and what was copied. */

let set: ReplicaSetServers;
let directory: string;
let root: string;
let count = 0;

beforeAll(async () => {
  directory = await makeOwnDirectory('dead-member');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] });
  const documents = Array.from({ length: 2000 }, (_, n) => ({ n, text: 'x'.repeat(200) }));
  await set
    .client()
    .db('shop')
    .collection('orders')
    .insertMany(documents, { writeConcern: { w: 2 } });
});
afterAll(async () => {
  await set.stop();
  await removeOwnDirectory(directory);
});
beforeEach(() => {
  count += 1;
  root = join(directory, String(count));
});

/** With so little patience that a member that is away is found to be so in seconds. */
function impatientSettings(): Settings {
  const settings = physicalSettings(set, root, true);
  const orders = settings.deployments['orders'];
  if (orders === undefined) throw new Error('no deployment');
  const uri = orders.uri.replace(/serverSelectionTimeoutMS=\d+/, 'serverSelectionTimeoutMS=2000');
  return { ...settings, deployments: { orders: { ...orders, uri } } };
}

/** Kills the member in the middle of the first snapshot. */
function deadlySnapshots(settings: Settings, onDeath: () => Promise<unknown>) {
  const copies = new DataDirectorySnapshots(join(settings.stateDir, 'snapshots'));
  const calls = { create: 0 };
  const volumes: VolumeSnapshots = {
    find: (deployment, host) => copies.find(deployment, host),
    openedBy: (volume) => copies.openedBy(volume),
    create: async (...request) => {
      calls.create += 1;
      if (calls.create > 1) return copies.create(...request);
      const [taken] = await Promise.all([copies.create(...request), set.hidden.kill()]);
      await onDeath();
      return taken;
    },
    adopt: (request) => copies.adopt(request),
    look: (owner) => copies.look(owner),
    delete: (owner) => copies.delete(owner),
  };
  return { volumes, calls };
}

async function expectComplete(client: HoldfastClient, settings: Settings, runId: string): Promise<void> {
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
  expect(await isLocked(set.clientFor(set.hidden))).toBe(false);
  expect(await leftovers(settings)).toEqual([]);
  const [newest] = await client.listBackups({});
  const to = join(root, 'restored');
  const restore = await client.startRestore({ backup: newest?.backupId ?? '', to });
  expect(await client.waitForRun(restore.runId)).toMatchObject({ status: 'succeeded', error: null });
  expect(await lookAt(to, (copy) => copy.db('shop').collection('orders').countDocuments())).toBe(2000);
}

test('when it comes back at once the snapshot is taken anew, under a lock of its own', async () => {
  const settings = impatientSettings();
  const { volumes, calls } = deadlySnapshots(settings, () => set.hidden.restart());
  const client = await openEmbedded({ settings, logger: noLogger, volumes });
  try {
    const { runId } = await client.startBackup({ method: 'physical' });
    await expectComplete(client, settings, runId);
    expect(calls.create).toBe(2);
  } finally {
    await client.close();
  }
});

test('when it comes back after the try was given up, the record of the lock that went with it is in nobody’s way', async () => {
  const settings = impatientSettings();
  const { volumes, calls } = deadlySnapshots(settings, () => Promise.resolve());
  const client = await openEmbedded({ settings, logger: noLogger, volumes });
  try {
    const { runId } = await client.startBackup({ method: 'physical' });
    const failed = join(settings.stateDir, stateKeys.error(runId, 'snapshot-member', 1));
    await until('the first try has failed', () => readFile(failed));
    expect(await leftovers(settings)).toEqual([`locks/${set.hidden.host}.json`]);
    await set.hidden.restart();
    await set.healthy();
    await expectComplete(client, settings, runId);
    expect(calls.create).toBe(2);
  } finally {
    await client.close();
  }
});

test('when it stays away, a run that is cancelled leaves nothing but the record of its lock, for the next start', async () => {
  const settings = impatientSettings();
  const { volumes, calls } = deadlySnapshots(settings, () => Promise.resolve());
  const client = await openEmbedded({ settings, logger: noLogger, volumes });
  try {
    const { runId } = await client.startBackup({ method: 'physical' });
    await until('the member is dead', () => Promise.resolve(calls.create === 1 || undefined));
    await client.cancel(runId);
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'cancelled', error: { name: 'Cancelled' } });
    expect(await leaseIsHeld(settings)).toBe(false);
    // Whether it is still locked nobody can ask it.
    expect(await leftovers(settings)).toEqual([`locks/${set.hidden.host}.json`]);
    expect(await storageFiles(settings)).toEqual([]);
  } finally {
    await client.close();
    await set.hidden.restart();
    await set.healthy();
  }
  const next = await openEmbedded({ settings, logger: noLogger });
  try {
    expect(await leftovers(settings)).toEqual([]);
    expect(await isLocked(set.clientFor(set.hidden))).toBe(false);
    const { runId } = await next.startBackup({ method: 'physical' });
    expect(await next.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
  } finally {
    await next.close();
  }
});
