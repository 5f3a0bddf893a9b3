import { connectTo } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { OpenTarget, UnmarkTarget } from '../application/restore-target.ts';
import { removeMark } from '../engine/restore/restore-mark.ts';

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

export function makeUnmarkTarget(openTarget: OpenTarget): UnmarkTarget {
  return async (target) => {
    const client = await openTarget(target);
    try {
      await removeMark(client, target.runId);
    } finally {
      await client.close();
    }
  };
}
