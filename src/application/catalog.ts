import { isHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { Manifest } from '../domain/manifest.ts';
import { artifactKeys, backupIdPattern, deploymentNamePattern } from '../domain/names.ts';
import { parseManifest } from '../domain/manifest-seal.ts';
import type { Settings } from '../domain/settings.ts';
import { sha256Hex } from './documents.ts';
import { mapParallel } from '../engine/restore/run-parallel.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { type OpenStorage, storageOf } from './run-folder.ts';

/** The catalog is the storages themselves: a backup is a manifest, found by its key. */
export interface CatalogDeps {
  readonly settings: Settings;
  readonly openStorage: OpenStorage;
  readonly logger: Logger;
}

export interface CatalogEntry {
  readonly storageName: string;
  readonly storage: ObjectStore;
  readonly deployment: string;
  readonly backupId: string;
  readonly key: string;
}

export interface CatalogFilter {
  readonly deployment?: string | undefined;
  readonly storage?: string | undefined;
}

/** One after the other, those of a year take as many seconds as the API has. One may be of some MiB. */
const manifestsAtOnce = 8;

const manifestKeyPattern = /^([^/]+)\/backups\/([^/]+)\/manifest\.json$/;

/** Every manifest that the storages hold, also of deployments that are configured no more. Reads none of them. */
export async function findManifests(filter: CatalogFilter, deps: CatalogDeps): Promise<CatalogEntry[]> {
  const names = filter.storage === undefined ? Object.keys(deps.settings.storages) : [filter.storage];
  const prefix = filter.deployment === undefined ? '' : artifactKeys.backups(filter.deployment);
  const found: CatalogEntry[] = [];
  for (const storageName of names) {
    const storage = deps.openStorage(storageOf(deps.settings, storageName));
    for await (const { key } of storage.list(prefix)) {
      const [, deployment = '', backupId = ''] = manifestKeyPattern.exec(key) ?? [];
      if (!deploymentNamePattern.test(deployment) || !backupIdPattern.test(backupId)) continue;
      found.push({ storageName, storage, deployment, backupId, key });
    }
  }
  return found;
}

/** @throws UnsupportedFormat, VerificationFailed (a manifest that was changed) */
export async function readManifest(entry: CatalogEntry): Promise<Manifest> {
  const manifest = parseManifest((await entry.storage.get(entry.key)).body.toString('utf8'), entry.key, sha256Hex);
  if (manifest.backupId === entry.backupId && manifest.deployment === entry.deployment) return manifest;
  throw new HoldfastError(
    'VerificationFailed',
    `${entry.key} in ${entry.storage.description} is the manifest of ${manifest.deployment}/${manifest.backupId}`,
  );
}

/** The same backup may lie in several storages; the first that holds it answers. @throws UnknownBackup */
export async function findBackup(
  backupId: string,
  storage: string | undefined,
  deps: CatalogDeps,
): Promise<{ readonly entry: CatalogEntry; readonly manifest: Manifest }> {
  const entry =
    (await findConfigured(backupId, storage, deps)) ??
    (await findManifests({ storage }, deps)).find((candidate) => candidate.backupId === backupId);
  if (entry === undefined) throw new HoldfastError('UnknownBackup', `no storage holds a backup ${backupId}`);
  return { entry, manifest: await readManifest(entry) };
}

/** By its key, among those of configured deployments: a bucket holds half a million slices beside them, which are not to be listed for it. */
async function findConfigured(
  backupId: string,
  storage: string | undefined,
  deps: CatalogDeps,
): Promise<CatalogEntry | undefined> {
  if (!backupIdPattern.test(backupId)) return undefined;
  for (const storageName of storage === undefined ? Object.keys(deps.settings.storages) : [storage]) {
    const opened = deps.openStorage(storageOf(deps.settings, storageName));
    for (const deployment of Object.keys(deps.settings.deployments)) {
      const key = artifactKeys.manifest(deployment, backupId);
      if (await opened.head(key)) return { storageName, storage: opened, deployment, backupId, key };
    }
  }
  return undefined;
}

/** The backup of that id, or a deployment's newest. @throws UnknownBackup */
export async function resolveBackup(
  idOrDeployment: string,
  storage: string | undefined,
  deps: CatalogDeps,
): Promise<{ readonly entry: CatalogEntry; readonly manifest: Manifest }> {
  if (backupIdPattern.test(idOrDeployment)) return findBackup(idOrDeployment, storage, deps);
  const known = deploymentNamePattern.test(idOrDeployment)
    ? await findManifests({ deployment: idOrDeployment, storage }, deps)
    : [];
  // Ids begin with the time, so the greatest is the newest.
  const newest = known.reduce<CatalogEntry | undefined>(
    (best, entry) => (best === undefined || entry.backupId > best.backupId ? entry : best),
    undefined,
  );
  if (newest === undefined) {
    throw new HoldfastError(
      'UnknownBackup',
      `"${idOrDeployment}" is neither a backup's id nor a deployment with a backup`,
    );
  }
  return { entry: newest, manifest: await readManifest(newest) };
}

/** Reads manifests for a list: one that can't be read is told and left out, so that it does not hide the others. */
export async function readableManifests(
  entries: readonly CatalogEntry[],
  logger: Logger,
): Promise<{ entry: CatalogEntry; manifest: Manifest }[]> {
  const read = await mapParallel(entries, manifestsAtOnce, async (entry) => {
    try {
      return { entry, manifest: await readManifest(entry) };
    } catch (error) {
      if (!isHoldfastError(error, 'VerificationFailed', 'UnsupportedFormat', 'CorruptObject', 'ObjectNotFound'))
        throw error;
      logger.error('a backup can not be listed', {
        backupId: entry.backupId,
        storage: entry.storageName,
        reason: error.message,
      });
      return undefined;
    }
  });
  return read.filter((one) => one !== undefined);
}

/** All of them, in their order. @throws what {@link readManifest} does */
export async function readManifests(
  entries: readonly CatalogEntry[],
): Promise<{ entry: CatalogEntry; manifest: Manifest }[]> {
  return mapParallel(entries, manifestsAtOnce, async (entry) => ({ entry, manifest: await readManifest(entry) }));
}
