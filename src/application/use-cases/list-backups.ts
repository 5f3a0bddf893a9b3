import type { Manifest } from '../../domain/manifest.ts';
import { type CatalogDeps, type CatalogFilter, findManifests, readableManifests } from '../catalog.ts';
import type { BackupSummary } from '../ports/holdfast-client.ts';
import { storageOf } from '../run-folder.ts';

/** Backups of the storages, newest first. @throws UnknownStorage */
export async function listBackups(
  filter: CatalogFilter & { readonly since?: Date | undefined },
  deps: CatalogDeps,
): Promise<readonly BackupSummary[]> {
  if (filter.storage !== undefined) storageOf(deps.settings, filter.storage);
  const read = await readableManifests(await findManifests(filter, deps), deps.logger);
  return read
    .map(({ manifest, entry }) => summarise(manifest, entry.storageName))
    .filter(({ createdAt }) => filter.since === undefined || Date.parse(createdAt) >= filter.since.getTime())
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
