import type { MongoClient } from 'mongodb';
import type { ScratchServer, ScratchServers } from '../../application/ports/scratch-servers.ts';
import { createMongoClient } from '../wire/mongo-client.ts';

/** A scratch server with a client of its own. */
export interface ScratchSession {
  readonly server: ScratchServer;
  readonly client: MongoClient;
}

export interface ScratchPlace {
  readonly scratch: ScratchServers;
  readonly directory: string;
  /** Options of mongod that the files were made with, such as `--directoryperdb`. */
  readonly layout: readonly string[];
  readonly serverVersion: string;
  readonly signal: AbortSignal;
}

interface ScratchStart {
  readonly args?: readonly string[];
  /** `name=value` of `--setParameter`. */
  readonly parameters?: readonly string[];
  readonly port?: number;
}

/**
 * Entries that recovery applies side by side before it reads the next; by default 5,000. After each batch its threads
 * wait for the slowest, and nothing is read meanwhile. What a batch may hold in bytes (100 MB) stays as it is.
 */
const largeBatches = ['replBatchLimitOperations=50000'];

/** Applies the oplog at the start, is read-only, and leaves at its end what was applied. */
export const asRecovery: ScratchStart = {
  parameters: ['recoverFromOplogAsStandalone=true', 'takeUnstableCheckpointOnShutdown=true', ...largeBatches],
};

/**
 * The same of a pristine copy: of what it applies it does not keep every version since the checkpoint, which nobody asks for
 * who restores. On files that were recovered before it would not refuse to begin.
 */
export const asFirstRecovery: ScratchStart = {
  parameters: [...(asRecovery.parameters ?? []), 'startupRecoveryForRestore=true'],
};

/** Nothing but what is asked for may write: no refresh of sessions, no deletion of what has expired. */
const quiet = ['disableLogicalSessionCacheRefresh=true', 'ttlMonitorEnabled=false'];

/** A direct client of a scratch server, as its internal user, who may do everything. */
function openClient({ host, password }: ScratchServer): MongoClient {
  return createMongoClient(`mongodb://${host}/`, {
    directConnection: true,
    // It has said that it takes connections; nothing but this machine's load lies between.
    serverSelectionTimeoutMS: 60_000,
    auth: { username: '__system', password },
    authSource: 'local',
    authMechanism: 'SCRAM-SHA-256',
    // Loopback: nothing is ever retried on another server.
    retryReads: false,
    retryWrites: false,
  });
}

/**
 * Runs work against a mongod on the files, and stops it cleanly; killed when the work fails.
 * @throws MongodUnavailable, ScratchServerFailed, the signal's reason, and what the work throws
 */
export async function withScratchServer<T>(
  { scratch, directory, layout, serverVersion, signal }: ScratchPlace,
  { args = [], parameters = [], port }: ScratchStart,
  work: (session: ScratchSession) => Promise<T>,
): Promise<T> {
  const all = [...layout, ...args, ...[...quiet, ...parameters].map((name) => `--setParameter=${name}`)];
  const server = await scratch.start({ dbPath: directory, args: all, port, serverVersion, signal });
  const client = openClient(server);
  try {
    const result = await work({ server, client });
    await client.close();
    await server.stop();
    return result;
  } catch (error) {
    await client.close();
    await server.kill();
    throw error;
  }
}
