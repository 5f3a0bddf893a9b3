import type { MongoClient } from 'mongodb';
import type { RestoreRequest } from '../domain/run.ts';
import type { Settings } from '../domain/settings.ts';
import { sha256Hex } from './documents.ts';

export interface TargetRequest {
  readonly request: RestoreRequest;
  /** The deployment of the backup: its `restoreCredentials` serve when the request names none. */
  readonly deployment: string;
  readonly settings: Settings;
  readonly runId: string;
  readonly signal: AbortSignal | undefined;
}

/** Connects to the target of a restore. @throws TargetUnreachable, AuthenticationFailed, CredentialsUnavailable */
export type OpenTarget = (target: TargetRequest) => Promise<MongoClient>;

/** What the lease on a target is named after: the same for every URI that leads to it. 64 lower hex digits. */
export async function targetDigest(client: MongoClient): Promise<string> {
  const hello = await client.db('admin').command({ hello: 1 });
  const hosts = Array.isArray(hello['hosts']) ? hello['hosts'].map(String) : [String(client.options.hosts[0])];
  return sha256Hex([String(hello['setName'] ?? ''), ...hosts.sort()].join('\n'));
}
