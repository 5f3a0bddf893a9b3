import { MongoClient } from 'mongodb';
import { findMongod } from '../../local/servers/find-mongod.ts';
import { startMongod } from '../../local/servers/mongod-process.ts';
import { LocalScratchServers } from '../../src/adapters/process/local-scratch-servers.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { Timestamp } from '../../src/domain/timestamp.ts';
import type { CapturedSlice } from '../../src/engine/oplog/read-chain.ts';
import { type FilesSummary, handOver as handOverFiles } from '../../src/engine/recover/hand-over.ts';
import { recoverFiles, type Recovered, scratchPlace } from '../../src/engine/recover/recover-files.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { RestoreResult } from '../../src/domain/restore-result.ts';
import type { DirectoryRestore } from '../../src/engine/recover/directory-restore.ts';
import { restoreDirectory } from '../../src/engine/recover/restore-directory.ts';
import { restoreVolume } from '../../src/engine/recover/restore-volume.ts';
import type { TargetVolume } from '../../src/domain/volume-target.ts';
import { localSnapshotRoot } from '../../src/composition/snapshot-root.ts';
import { silentLogger, systemClock } from './take-backup.ts';

const recoverDeps = (store: ObjectStore) => ({
  scratch: new LocalScratchServers(),
  store,
  logger: silentLogger,
  signal: new AbortController().signal,
  onAppended: () => {},
});

/** Recovery by the engine alone, of files that were made on this machine's own mongod. */
export async function recover(
  directory: string,
  store: ObjectStore,
  slices: readonly CapturedSlice[],
  restoreTime: Timestamp,
): Promise<Recovered> {
  const { version } = await findMongod();
  const input = { directory, restoreTime, slices: slices.map((slice) => ({ store, slice })), serverVersion: version };
  return recoverFiles(input, recoverDeps(store));
}

/** What the engine does with recovered files before anyone else gets them. */
export async function handOver(directory: string, uncounted: readonly string[] = []): Promise<FilesSummary> {
  const { version } = await findMongod();
  const input = { directory, serverVersion: version };
  return handOverFiles(await scratchPlace(input, recoverDeps(new MemoryObjectStore())), { uncounted });
}

/** Starts the files as anyone would who was handed them, alone and with nothing but a port, and looks at them. */
export async function lookAt<T>(
  directory: string,
  look: (client: MongoClient) => Promise<T>,
  args: string[] = [],
): Promise<T> {
  const { path: mongod } = await findMongod();
  const quiet = ['--setParameter=ttlMonitorEnabled=false', '--setParameter=disableLogicalSessionCacheRefresh=true'];
  const server = await startMongod({ mongod, dbPath: directory, args: [...quiet, ...args] });
  try {
    await using client = new MongoClient(`mongodb://${server.host}/?directConnection=true`);
    return await look(client);
  } finally {
    await server.stop();
  }
}

/** The only part of a backup, to a directory, as a worker restores it: afterwards it carries the run's mark. */
export function restoreToDirectory(
  store: ObjectStore,
  manifest: Manifest,
  directory: string,
  input: Partial<DirectoryRestore> = {},
): Promise<RestoreResult> {
  return restoreDirectory(
    {
      runId: 'restore-1',
      manifest,
      part: manifest.parts[0]?.name ?? '',
      restoreTime: manifest.restoreTime ?? { t: 0, i: 0 },
      directory,
      parallel: 2,
      ...input,
    },
    { ...recoverDeps(store), snapshotRoot: localSnapshotRoot, clock: systemClock, onProgress: () => {} },
  );
}

/** The only part of a backup, to a volume that is mounted there, as its worker restores it. */
export function restoreToVolume(
  store: ObjectStore,
  manifest: Manifest,
  mountPoint: string,
  volume: Partial<TargetVolume> = {},
): Promise<RestoreResult> {
  return restoreVolume(
    {
      ...{ runId: 'restore-1', manifest, part: manifest.parts[0]?.name ?? '', parallel: 2, attempt: 1, mountPoint },
      restoreTime: manifest.restoreTime,
      volume: {
        ...{ zone: 'z', subnet: 's', type: 'gp3', sizeGiB: 1, iops: 3_000, throughput: 125, filesystem: 'xfs' },
        ...{ kmsKey: null, snapshot: 'snap-1', initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.5' },
        ...{ attach: null, ...volume },
      },
    },
    { ...recoverDeps(store), snapshotRoot: localSnapshotRoot, clock: systemClock, onProgress: () => {} },
  );
}
