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
import { silentLogger } from './take-backup.ts';

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
  return recoverFiles({ directory, restoreTime, slices, serverVersion: version }, recoverDeps(store));
}

/** What the engine does with recovered files before anyone else gets them. */
export async function handOver(directory: string): Promise<FilesSummary> {
  const { version } = await findMongod();
  const input = { directory, serverVersion: version };
  return handOverFiles(await scratchPlace(input, recoverDeps(new MemoryObjectStore())));
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
