import { connectDirect } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { OpenMember } from '../application/member-locks.ts';

/** Connects to a member directly with the deployment's credentials for backups. */
export function makeOpenMember(options: ResolveCredentialsOptions = {}): OpenMember {
  return async ({ deployment, host, runId, signal }) =>
    connectDirect({
      ...{ host, settings: deployment, signal },
      credentials: await resolveCredentials(deployment.credentials, options),
      appName: `holdfast snapshot ${runId}`,
    });
}
