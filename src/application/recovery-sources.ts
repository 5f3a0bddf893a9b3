import { isHoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { artifactKeys } from '../domain/names.ts';
import { gapKey, type OplogGap, oplogGapSchema, parseArchiveKey, parseSliceKey } from '../domain/oplog-archive.ts';
import type { WindowBase, WindowSlice } from '../domain/recovery-window.ts';
import { type CapturedSlice, capturedSlice, readStoredSlice } from '../engine/oplog/read-chain.ts';
import { runParallel } from '../engine/restore/run-parallel.ts';
import { type CatalogDeps, type CatalogEntry, findManifests, readableManifests, readManifest } from './catalog.ts';
import { readDocument } from './documents.ts';
import type { ListedObject, ObjectStore } from './ports/object-store.ts';
import { storageOf } from './run-folder.ts';

/** A slice of the archive: what a restore reads, and what the window asks. */
export type ArchivedSlice = CapturedSlice & WindowSlice;

/** A base with the backup that it belongs to. */
export interface FoundBase extends WindowBase {
  readonly entry: CatalogEntry;
  readonly manifest: Manifest;
  readonly oplog: NonNullable<ManifestPart['oplog']>;
}

/** Everything that the storages hold of one replica set: its bases, its slices, the gaps that were recorded. */
export interface RecoverySources {
  readonly replicaSet: string;
  /** Null for a backup that does not say; it has no archive. */
  readonly replicaSetId: string | null;
  readonly bases: FoundBase[];
  readonly slices: ArchivedSlice[];
  readonly gaps: OplogGap[];
}

/** Headers are small, and each is one request. */
const headersAtOnce = 16;

class Sources {
  readonly #sets = new Map<string, RecoverySources>();

  of(replicaSet: string, replicaSetId: string | null): RecoverySources {
    const key = `${replicaSet}-${replicaSetId ?? ''}`;
    const known = this.#sets.get(key);
    if (known) return known;
    const made: RecoverySources = { replicaSet, replicaSetId, bases: [], slices: [], gaps: [] };
    this.#sets.set(key, made);
    return made;
  }

  all(): RecoverySources[] {
    return [...this.#sets.values()];
  }
}

/**
 * The backups and archives of a deployment in every storage. A set that was made anew is another one, with sources of its
 * own. Manifests that can't be read are told and left out, as in a list; a slice or gap that can't be read is an error:
 * left out, it would make a hole that is none, or hide one.
 * @param options `storage`: bases of this one only, slices always come from all. `strict`: a manifest that can't be read is
 * an error too
 * @throws CorruptObject, UnsupportedFormat, the storages' errors
 */
export async function readRecoverySources(
  deployment: string,
  { storage, strict = false }: { readonly storage?: string | undefined; readonly strict?: boolean },
  deps: CatalogDeps,
): Promise<RecoverySources[]> {
  const sources = new Sources();
  const entries = await findManifests({ deployment, storage }, deps);
  const found = strict ? await readAll(entries) : await readableManifests(entries, deps.logger);
  for (const { manifest, entry } of found) addBases(manifest, entry, sources);
  for (const name of Object.keys(deps.settings.storages)) {
    const store = deps.openStorage(storageOf(deps.settings, name));
    await addArchives(deployment, name, store, sources);
  }
  return sources.all();
}

async function readAll(entries: readonly CatalogEntry[]): Promise<{ entry: CatalogEntry; manifest: Manifest }[]> {
  const read: { entry: CatalogEntry; manifest: Manifest }[] = [];
  for (const entry of entries) read.push({ entry, manifest: await readManifest(entry) });
  return read;
}

function addBases(manifest: Manifest, entry: CatalogEntry, sources: Sources): void {
  const { restoreTime, backupId, method } = manifest;
  // A standalone has no oplog, and so no other time than its own.
  if (restoreTime === null) return;
  for (const { name, topology, point, oplog } of manifest.parts) {
    if (point === null || oplog === null) continue;
    sources.of(topology.replicaSet ?? name, topology.replicaSetId).bases.push({
      ...{ backupId, method, restoreTime, entry, manifest, point, oplog },
      storage: entry.storageName,
      capturedTo: oplog.to,
    });
  }
}

async function addArchives(deployment: string, storage: string, store: ObjectStore, sources: Sources): Promise<void> {
  const listed: (ListedObject & { readonly of: RecoverySources; readonly isSlice: boolean })[] = [];
  for await (const object of store.list(artifactKeys.archives(deployment))) {
    const archive = parseArchiveKey(deployment, object.key);
    if (!archive) continue;
    const isSlice = parseSliceKey(archive.prefix, object.key) !== undefined;
    if (!isSlice && !object.key.startsWith(artifactKeys.gaps(archive.prefix))) continue;
    listed.push({ ...object, isSlice, of: sources.of(archive.replicaSet, archive.replicaSetId) });
  }
  await runParallel(listed, headersAtOnce, async ({ key, size, of, isSlice }) => {
    if (isSlice) of.slices.push(...(await readArchived(storage, store, { key, size })));
    else addGap(of.gaps, await readDocument(store, key, oplogGapSchema));
  });
}

/** @returns nothing for a slice that was pruned since it was listed */
async function readArchived(storage: string, store: ObjectStore, object: ListedObject): Promise<ArchivedSlice[]> {
  try {
    const stored = await readStoredSlice(store, object);
    const undecided = stored.header.prepared.map(({ opTime }) => opTime.ts);
    return [{ ...capturedSlice(stored), storage, undecided }];
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound')) return [];
    throw error;
  }
}

/** The same gap in several storages is one. */
function addGap(gaps: OplogGap[], gap: OplogGap): void {
  if (!gaps.some((known) => gapKey('', known) === gapKey('', gap))) gaps.push(gap);
}
