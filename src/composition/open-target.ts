import { connectTo } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { OpenTarget } from '../application/restore-target.ts';

/** Connects to a restore's target with the credentials that the request names, else with the deployment's for restores. */
export function makeOpenTarget(options: ResolveCredentialsOptions = {}): OpenTarget {
  return async ({ request, deployment, settings, runId, signal }) => {
    const source = request.credentials ?? settings.deployments[deployment]?.restoreCredentials;
    return connectTo({
      uri: request.to,
      role: 'target',
      credentials: await resolveCredentials(source, options),
      appName: `holdfast restore ${runId}`,
      signal,
    });
  };
}
