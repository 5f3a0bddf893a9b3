import type { DeploymentSettings, Settings } from '../domain/settings.ts';

/**
 * Does something for every deployment whose oplog is archived. One that fails does not keep the others.
 * @throws the first failure, once all were tried
 */
export async function forEachArchive<Result>(
  { deployments }: Settings,
  work: (deployment: DeploymentSettings) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let failure: { readonly error: unknown } | undefined;
  for (const deployment of Object.values(deployments)) {
    // An archive that is switched off keeps what it has.
    if (deployment.oplogArchive?.enabled !== true) continue;
    try {
      results.push(...(await work(deployment)));
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure) throw failure.error as Error;
  return results;
}
