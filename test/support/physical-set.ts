import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { until } from '../../local/servers/poll.ts';
import type { MongodProcess } from '../../local/servers/mongod-process.ts';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import { DataDirectorySnapshots } from '../../src/adapters/directory/data-directory-snapshots.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { VolumeSnapshots } from '../../src/application/ports/volume-snapshots.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { compareTimestamps, type Timestamp } from '../../src/domain/timestamp.ts';
import { lastEntry } from './archive-oplog.ts';
import { settingsFor } from './embedded-set.ts';

/** Settings whose deployment names the hidden member's data directory. */
export function physicalSettings(set: ReplicaSetServers, root: string, lock: boolean, level = 1): Settings {
  const settings = settingsFor(set, root, undefined, level);
  const { hidden } = set;
  const orders = { ...settings.deployments['orders'], lock, volumes: { [hidden.host]: hidden.dbPath } };
  return settingsSchema.parse({ ...settings, deployments: { orders } });
}

/**
 * What a volume's snapshot is: everything at one instant, whatever the server was doing. Nobody is asked for a lock; the
 * process stands still while its files are copied.
 */
export function frozenSnapshots(settings: Settings, member: MongodProcess): VolumeSnapshots {
  const copies = new DataDirectorySnapshots(join(settings.stateDir, 'snapshots'));
  return {
    find: async (deployment, host) => {
      const volume = await copies.find(deployment, host);
      return volume && { ...volume, atOnce: true };
    },
    create: async (request, signal) => {
      process.kill(member.pid, 'SIGSTOP');
      try {
        return await copies.create(request, signal);
      } finally {
        process.kill(member.pid, 'SIGCONT');
      }
    },
    openedBy: (volume) => copies.openedBy(volume),
    adopt: (request) => copies.adopt(request),
    look: (owner) => copies.look(owner),
    delete: (owner) => copies.delete(owner),
  };
}

/** What the server itself says. */
export async function isLocked(client: MongoClient): Promise<boolean> {
  const { fsyncLock } = await client.db('admin').command({ currentOp: 1 });
  return fsyncLock === true;
}

/** Files of snapshots and records of locks that a run has left. */
export async function leftovers({ stateDir }: Settings): Promise<string[]> {
  const below = async (name: string): Promise<string[]> => {
    const entries = await readdir(join(stateDir, name), { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map((entry) => `${name}/${entry.name}`);
  };
  return [...(await below('locks')), ...(await below('snapshots'))];
}

/** Bases by files of the hidden member in one storage, and the archive of the set's oplog in another. */
export function archivedSettings(set: ReplicaSetServers, root: string, method?: 'physical' | 'snapshot'): Settings {
  const settings = physicalSettings(set, root, true);
  const archive = { name: 'archive', type: 'directory', path: join(root, 'archive') };
  const oplogArchive = { enabled: true, storage: 'archive', retention: { days: 1 } };
  return settingsSchema.parse({
    ...settings,
    storages: { ...settings.storages, archive },
    deployments: { orders: { ...settings.deployments['orders'], oplogArchive, ...(method && { method }) } },
  });
}

function archivedTo(text: string | null): Timestamp {
  const [t = 0, i = 0] = (text ?? '0:0').split(':').map(Number);
  return { t, i };
}

/** Archives the oplog to its end as it is now. @param waitMs at most; default 90 s */
export async function archiveToEnd(client: HoldfastClient, set: ReplicaSetServers, waitMs?: number): Promise<void> {
  await set
    .client()
    .db('admin')
    .command({ appendOplogNote: 1, data: { test: 'the end' } });
  const { ts } = await lastEntry(set);
  await until(
    'the oplog is archived',
    async () => {
      const turns = (await client.archiveOplog?.('orders')) ?? [];
      return turns.every(({ turn }) => compareTimestamps(archivedTo(turn.archivedTo), ts) >= 0) || undefined;
    },
    waitMs,
  );
}

/** What Percona Server and MongoDB Enterprise leave where they encrypt; the Community server cannot. */
export async function encryptedDirectory({ dbPath }: MongodProcess, root: string): Promise<string> {
  const path = join(root, 'encrypted');
  await mkdir(join(path, 'key.db'), { recursive: true });
  await copyFile(join(dbPath, 'WiredTiger.turtle'), join(path, 'WiredTiger.turtle'));
  await writeFile(join(path, 'key.db', 'WiredTiger'), '');
  return path;
}
