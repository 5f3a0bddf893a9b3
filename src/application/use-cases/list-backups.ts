import type { Manifest } from '../../domain/manifest.ts';
import { idTime } from '../../domain/names.ts';
import { type CatalogDeps, type CatalogFilter, findManifests, readableManifests } from '../catalog.ts';
import type { BackupSummary } from '../ports/holdfast-client.ts';
import { deploymentOf, storageOf } from '../run-folder.ts';

/** Backups of the storages, newest first. @throws UnknownStorage; UnknownDeployment for a name that neither config nor storages know */
export async function listBackups(
  filter: CatalogFilter & { readonly since?: Date | undefined },
  deps: CatalogDeps,
): Promise<readonly BackupSummary[]> {
  if (filter.storage !== undefined) storageOf(deps.settings, filter.storage);
  const found = await findManifests(filter, deps);
  if (filter.deployment !== undefined && found.length === 0) deploymentOf(deps.settings, filter.deployment);
  const since = filter.since ?? new Date(0);
  // By the time in the id, in whole seconds: manifests of years need not be read for those of a day.
  const wanted = found.filter(({ backupId }) => backupId >= idTime(since));
  const read = await readableManifests(wanted, deps.logger);
  return read
    .map(({ manifest, entry }) => summarise(manifest, entry.storageName))
    .filter(({ createdAt }) => Date.parse(createdAt) >= since.getTime())
    .sort((a, b) => b.backupId.localeCompare(a.backupId));
}

/** `storage` is where it was found: a copy says the storage that it was first written to. */
function summarise(manifest: Manifest, storage: string): BackupSummary {
  const { backupId, deployment, method, restoreTime, createdAt, finishedAt, totals, warnings } = manifest;
  return {
    backupId,
    deployment,
    storage,
    method,
    restoreTime,
    createdAt,
    finishedAt,
    storedBytes: totals.storedBytes,
    rawBytes: totals.rawBytes,
    documents: totals.documents,
    warnings: warnings.length,
  };
}
