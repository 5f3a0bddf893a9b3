import type { MongoClient } from 'mongodb';
import { connectDirect } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { OpenMember } from '../application/release-locks.ts';
import type { DeploymentSettings } from '../domain/settings.ts';

/** Connects to a member directly with the deployment's credentials for backups. */
export function makeOpenMember(options: ResolveCredentialsOptions = {}): OpenMember {
  return async ({ deployment, host, runId, signal }) =>
    connectDirect({
      ...{ host, settings: deployment, signal },
      credentials: await resolveCredentials(deployment.credentials, options),
      appName: `holdfast snapshot ${runId}`,
    });
}

export interface ReadMemberConnection {
  readonly deployment: DeploymentSettings;
  readonly host: string;
  readonly runId: string;
  readonly connections: number;
  readonly signal: AbortSignal;
}

/** Connects to a member directly, for a worker that reads it through so many connections. */
export function makeOpenReadMember(
  options: ResolveCredentialsOptions,
): (member: ReadMemberConnection) => Promise<MongoClient> {
  return async ({ deployment, host, runId, connections, signal }) =>
    connectDirect({
      ...{ host, settings: deployment, signal },
      credentials: await resolveCredentials(deployment.credentials, options),
      appName: `holdfast dump ${runId}`,
      maxPoolSize: connections,
    });
}
