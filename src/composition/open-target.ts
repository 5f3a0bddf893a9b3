import type { MongoClient } from 'mongodb';
import { connectTo } from '../adapters/mongodb/connect.ts';
import { resolveCredentials } from '../adapters/mongodb/resolve-credentials.ts';
import type { TargetRequest } from '../application/restore-target.ts';

/** Connects to a restore's target with the credentials that the request names, else with the deployment's for restores. */
export async function openTarget({
  request,
  deployment,
  settings,
  runId,
  signal,
}: TargetRequest): Promise<MongoClient> {
  const source = request.credentials ?? settings.deployments[deployment]?.restoreCredentials;
  return connectTo({
    uri: request.to,
    role: 'target',
    credentials: await resolveCredentials(source),
    appName: `holdfast restore ${runId}`,
    signal,
  });
}
