import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import {
  gapKey,
  isOpenGap,
  type OplogGap,
  oplogGapSchema,
  parseArchiveKey,
  parseSliceKey,
} from '../domain/oplog-archive.ts';
import type { QuietEnd, WindowBase, WindowSlice } from '../domain/recovery-window.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import { type CapturedSlice, capturedSlice, readStoredSlice } from '../engine/oplog/read-chain.ts';
import { runParallel } from '../engine/restore/run-parallel.ts';
import { readProgress } from './archive-progress.ts';
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

/** A slice whose header can't be read: nobody knows how far it leads. */
export interface UnreadableSlice {
  readonly storage: string;
  readonly key: string;
  readonly size: number;
  /** Of its first entry, by its name. */
  readonly from: Timestamp;
  readonly reason: string;
}

export interface RecoverySourcesDeps extends CatalogDeps {
  /** Holds how far the archiver has looked. */
  readonly state: ObjectStore;
}

/** Everything that the storages hold of one replica set: its bases, its slices, the gaps that were recorded. */
export interface RecoverySources {
  readonly replicaSet: string;
  /** Null for a backup that does not say; it has no archive. */
  readonly replicaSetId: string | null;
  readonly bases: FoundBase[];
  readonly slices: ArchivedSlice[];
  readonly gaps: OplogGap[];
  /** Slices that no restore can read, those that gaps call damaged left out: of these everybody has been told. */
  readonly unreadable: UnreadableSlice[];
  /** Slices of the storages that gaps call damaged. */
  readonly damaged: UnreadableSlice[];
  quiet: QuietEnd | undefined;
}

/** Headers are small, and each is one request. */
const headersAtOnce = 16;

class Sources {
  readonly #sets = new Map<string, RecoverySources>();

  of(replicaSet: string, replicaSetId: string | null): RecoverySources {
    const key = `${replicaSet}-${replicaSetId ?? ''}`;
    const known = this.#sets.get(key);
    if (known) return known;
    const made: RecoverySources = {
      ...{ replicaSet, replicaSetId, bases: [], slices: [], gaps: [], unreadable: [], damaged: [], quiet: undefined },
    };
    this.#sets.set(key, made);
    return made;
  }

  all(): RecoverySources[] {
    return [...this.#sets.values()];
  }
}

/**
 * The backups and archives of a deployment in every storage. A set that was made anew is another one, with sources of its
 * own. Manifests that can't be read are told and left out, as in a list, and slices are by themselves: only the times that
 * need them are refused. A gap that can't be read is an error: left out, it would hide a hole.
 * @param options `storage`: bases of this one only, slices always come from all. `strict`: a manifest or a slice that can't
 * be read is an error too
 * @throws CorruptObject, UnsupportedFormat, the storages' errors
 */
export async function readRecoverySources(
  deployment: string,
  { storage, strict = false }: { readonly storage?: string | undefined; readonly strict?: boolean },
  deps: RecoverySourcesDeps,
): Promise<RecoverySources[]> {
  const sources = new Sources();
  const entries = await findManifests({ deployment, storage }, deps);
  const found = strict ? await readAll(entries) : await readableManifests(entries, deps.logger);
  for (const { manifest, entry } of found) addBases(manifest, entry, sources);
  for (const name of Object.keys(deps.settings.storages)) {
    const store = deps.openStorage(storageOf(deps.settings, name));
    await addArchives(deployment, name, store, sources);
  }
  for (const set of sources.all()) {
    partDamaged(set);
    const [unreadable] = set.unreadable;
    if (strict && unreadable) throw unreadableError(unreadable);
    set.quiet = await quietEnd(deployment, set, deps);
  }
  return sources.all();
}

/** What to say where a slice that can't be read is needed. */
export function unreadableError({ storage, key, reason }: UnreadableSlice, of = '', next?: string): HoldfastError {
  return new HoldfastError('CorruptObject', `${of}${key} in ${storage} can't be read: ${reason}`, {
    details: { key, storage },
    ...(next !== undefined && { next }),
  });
}

/** Gaps name slices that exist and must not be used, whether their headers can be read or not. */
function partDamaged({ gaps, slices, unreadable, damaged }: RecoverySources): void {
  const named = new Set(gaps.flatMap((gap) => gap.damaged ?? []));
  const isNamed = ({ key }: { readonly key: string }) => named.has(key);
  damaged.push(...unreadable.filter(isNamed));
  damaged.push(
    ...slices.filter(isNamed).map(({ storage, key, size, from }) => ({
      ...{ storage, key, size, from: from.ts, reason: 'a gap calls it damaged' },
    })),
  );
  keep(unreadable, (slice) => !isNamed(slice));
  keep(slices, (slice) => !isNamed(slice));
}

function keep<T>(list: T[], which: (item: T) => boolean): void {
  list.splice(0, list.length, ...list.filter(which));
}

async function quietEnd(
  deployment: string,
  { replicaSet, replicaSetId, slices }: RecoverySources,
  { state, logger }: RecoverySourcesDeps,
): Promise<QuietEnd | undefined> {
  if (replicaSetId === null || slices.length === 0) return undefined;
  const key = stateKeys.archiveProgress(deployment, `${replicaSet}-${replicaSetId}`);
  const { value } = await readProgress({ state, key, logger });
  return value && { since: value.last.to, until: value.checkedTo };
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
  const listed: (ListedObject & { readonly of: RecoverySources; readonly from: Timestamp | undefined })[] = [];
  for await (const object of store.list(artifactKeys.archives(deployment))) {
    const archive = parseArchiveKey(deployment, object.key);
    if (!archive) continue;
    const from = parseSliceKey(archive.prefix, object.key);
    if (!from && !object.key.startsWith(artifactKeys.gaps(archive.prefix))) continue;
    listed.push({ ...object, from, of: sources.of(archive.replicaSet, archive.replicaSetId) });
  }
  await runParallel(listed, headersAtOnce, async ({ key, size, of, from }) => {
    if (from) await addSlice(of, store, { storage, key, size, from });
    else addGap(of.gaps, await readDocument(store, key, oplogGapSchema));
  });
}

/** Adds nothing for a slice that was pruned since it was listed. */
async function addSlice(of: RecoverySources, store: ObjectStore, slice: Omit<UnreadableSlice, 'reason'>) {
  const { storage, key, size } = slice;
  try {
    const stored = await readStoredSlice(store, { key, size });
    const undecided = stored.header.prepared.map(({ opTime }) => opTime.ts);
    of.slices.push({ ...capturedSlice(stored), storage, undecided });
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound')) return;
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    of.unreadable.push({ ...slice, reason: error.message });
  }
}

/** The same gap in several storages is one. */
function addGap(gaps: OplogGap[], gap: OplogGap): void {
  if (isOpenGap(gap) && !gaps.some((known) => gapKey('', known) === gapKey('', gap))) gaps.push(gap);
}
