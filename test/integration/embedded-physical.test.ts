import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { copyWitness, freezeAt } from '../../local/servers/frozen-source.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { startStandalone } from '../../local/servers/standalone.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { isPhysicalPart } from '../../src/domain/manifest-parts.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { readFileIndex } from '../../src/engine/packs/file-index.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { storageFiles, storagePath } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { isLocked, leftovers, physicalSettings } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

const sizes = { orders: 500, customers: 100, products: 100, measurements: 100, events: 100, accounts: 50 };

let set: ReplicaSetServers;
let directory: string;
let root: string;
let count = 0;

beforeAll(async () => {
  directory = await makeOwnDirectory('physical');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 256 });
  await seedShop(set.client(), sizes);
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

test('files of a locked member, copied while a writer never stops, are restored to exactly the restore time', async () => {
  const settings = physicalSettings(set, root, true);
  const writer = startShopWriter(set.client(), { lanes: 2, restMs: 5 });
  const witness = await copyWitness(set, await set.primary());
  try {
    await withClient(settings, async (client) => {
      const manifest = await backUp(client);
      expect(manifest).toMatchObject({
        method: 'physical',
        methodReason: expect.stringContaining('a volume was found') as string,
      });
      expect(manifest.parts[0]).toMatchObject({
        member: set.hidden.host,
        base: { snapshot: { consistency: 'locked', lockSeconds: expect.any(Number) as number } },
      });
      const files = await filesOf(settings, manifest);
      expect(files).toEqual(
        expect.arrayContaining(['WiredTiger.wt', 'WiredTiger.turtle', 'storage.bson', '_mdb_catalog.wt']),
      );
      expect(files.filter((file) => /lock$|diagnostic|Preplog|_tmp/.test(file))).toEqual([]);
      expect(await isLocked(hidden())).toBe(false);
      expect(await leftovers(settings)).toEqual([]);

      const to = join(root, 'restored');
      const { runId } = await client.startRestore({ backup: manifest.backupId, to });
      expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
      await writer.stop();
      const frozen = await freezeAt(witness, manifest.restoreTime ?? { t: 0, i: 0 });
      const expected = await readDeploymentState(frozen.client()).finally(() => frozen.stop());
      expect(findDifferences(expected, await lookAt(to, readDeploymentState))).toEqual([]);
    });
  } finally {
    await writer.stop().catch(() => undefined);
    await witness.discard();
  }
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
    expect(error).toMatchObject({
      name: 'VolumeNotFound',
      message: expect.stringContaining('is not the data of') as string,
    });
  });
  expect(await leftovers(settings)).toEqual([]);
});

test('a standalone is backed up by a snapshot that is kept, as of the time that it was taken', async () => {
  const server = await startStandalone();
  try {
    await server.client().db('shop').collection('orders').insertOne({ n: 1 });
    const settings = physicalSettings(set, root, true);
    const uri = `mongodb://${server.host}/`;
    const orders = { ...settings.deployments['orders'], uri, volumes: { [server.host]: server.process.dbPath } };
    await withClient(settingsSchema.parse({ ...settings, deployments: { orders } }), async (client) => {
      const manifest = await backUp(client);
      expect(manifest).toMatchObject({ kind: 'standalone', method: 'snapshot', restoreTime: null });
      const [part] = manifest.parts;
      expect(part).toMatchObject({
        point: null,
        oplog: null,
        base: { method: 'snapshot', layout: { directoryPerDb: false } },
      });
      const kept = part?.base.method === 'snapshot' ? part.base.snapshot.snapshots[0]?.id : undefined;
      expect(await leftovers(settings)).toContain('snapshots/WiredTiger.turtle');
      expect(await lookAt(kept ?? '', (copy) => copy.db('shop').collection('orders').countDocuments())).toBe(1);
      expect(await isLocked(server.client())).toBe(false);
      expect(await storageFiles(settings)).toEqual([`orders/backups/${manifest.backupId}/manifest.json`]);
    });
  } finally {
    await server.stop();
  }
});
