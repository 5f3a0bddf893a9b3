import { type MongoClient, ObjectId } from 'mongodb';
import * as z from 'zod';
import type { Manifest } from '../domain/manifest.ts';
import type { FilesPart } from '../domain/manifest-parts.ts';
import type { RestoreRequest } from '../domain/run.ts';
import type { Settings } from '../domain/settings.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import { sha256Hex } from './documents.ts';

const helloSchema = z.object({ topologyVersion: z.object({ processId: z.instanceof(ObjectId) }) });

export interface TargetRequest {
  readonly request: RestoreRequest;
  /** The deployment of the backup: its `restoreCredentials` serve when the request names none. */
  readonly deployment: string;
  readonly settings: Settings;
  readonly runId: string;
  readonly signal: AbortSignal | undefined;
}

/** What is to go to a directory. */
export interface DirectoryRequest {
  readonly directory: string;
  readonly runId: string;
  readonly manifest: Manifest;
  readonly part: string;
  /** Null for a standalone's snapshot, which is of its own time. */
  readonly restoreTime: Timestamp | null;
  readonly overwrite: string | undefined;
}

/** Directories and files, where the worker runs on the same machine. */
export interface DirectoryTargets {
  /**
   * Writes nothing.
   * @returns what the lease on the directory is named after, as {@link targetDigest}
   * @throws TargetNotSuitable, TargetNotEmpty, MongodUnavailable (none that reads the files), InvalidInput, UnknownBackup;
   * of a snapshot ObjectNotFound, CorruptObject, MethodNotAvailable
   */
  check(request: DirectoryRequest): Promise<string>;
  /** That the files of a part are there and can be opened here. @throws MongodUnavailable, of a snapshot as check */
  checkFiles(manifest: Pick<Manifest, 'serverVersion'>, part: FilesPart): Promise<void>;
  /** Takes the run's mark off, if it is there: safe to run again. */
  unmark(directory: string, runId: string): Promise<void>;
}

/** Connects to the target of a restore. @throws TargetUnreachable, AuthenticationFailed, CredentialsUnavailable */
export type OpenTarget = (target: TargetRequest) => Promise<MongoClient>;

/** Takes the run's mark off the target of a restore, if it is there: safe to run again. @throws what {@link OpenTarget} throws, RestoreRejected */
export type UnmarkTarget = (target: TargetRequest) => Promise<void>;

/**
 * What the lease on a target is named after: the same for every URI that leads to it. A replica set by its name and hosts;
 * a standalone, which may have many names (`localhost`, an address), by its process: `topologyVersion` of hello, since
 * 4.4. 64 lower hex digits.
 */
export async function targetDigest(client: MongoClient): Promise<string> {
  const hello = await client.db('admin').command({ hello: 1 });
  const { processId } = helloSchema.parse(hello).topologyVersion;
  const hosts = Array.isArray(hello['hosts']) ? hello['hosts'].map(String) : [processId.toHexString()];
  return sha256Hex([String(hello['setName'] ?? ''), ...hosts.sort()].join('\n'));
}
