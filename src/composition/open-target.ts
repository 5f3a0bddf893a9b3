import { connectTo } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { DirectoryTargets, OpenTarget, UnmarkTarget } from '../application/restore-target.ts';
import { isDirectoryTarget } from '../domain/restore-place.ts';
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

/** @param directories left out where no target is one */
export function makeUnmarkTarget(openTarget: OpenTarget, directories?: DirectoryTargets): UnmarkTarget {
  return async (target) => {
    const { to } = target.request;
    if (directories && isDirectoryTarget(to)) {
      await directories.unmark(to, target.runId);
      return;
    }
    const client = await openTarget(target);
    try {
      await removeMark(client, target.runId);
    } finally {
      await client.close();
    }
  };
}
