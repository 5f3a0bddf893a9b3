import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { stateKeys } from '../domain/names.ts';
import {
  type ArchiveProgress,
  gapKey,
  isOpenGap,
  type OplogGap,
  oplogGapSchema,
  type Stalled,
} from '../domain/oplog-archive.ts';
import type { QuietEnd, WindowBase, WindowSlice } from '../domain/recovery-window.ts';
import { byDay, type IndexedSlice } from '../domain/slice-index.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import { type CapturedSlice, readStoredSlice } from '../engine/oplog/read-chain.ts';
import { runParallel } from '../engine/restore/run-parallel.ts';
import { readProgress } from './archive-progress.ts';
import { type CatalogDeps, type CatalogEntry, findManifests, readableManifests, readManifests } from './catalog.ts';
import { readDocument } from './documents.ts';
import { type ListedSlice, listArchives } from './list-archives.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { storageOf } from './run-folder.ts';
import { headerFacts, readIndexed } from './slice-index.ts';

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
  /** Of the archiver, where people were told that it comes no further. */
  stalled: { readonly since: string; readonly why: string } | undefined;
}

interface LookOptions {
  readonly store: ObjectStore;
  /** Whether the index of the slices is believed. */
  readonly index: boolean;
  readonly logger: Logger;
}

/** Headers are small, and each is one request. */
export const headersAtOnce = 16;

class Sources {
  readonly #sets = new Map<string, RecoverySources>();

  of(replicaSet: string, replicaSetId: string | null): RecoverySources {
    const key = `${replicaSet}-${replicaSetId ?? ''}`;
    const known = this.#sets.get(key);
    if (known) return known;
    const made: RecoverySources = {
      ...{ replicaSet, replicaSetId, bases: [], slices: [], gaps: [], unreadable: [], damaged: [], quiet: undefined },
      stalled: undefined,
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
 * be read is an error too. `index: false`: every slice is looked at, whatever the index says of it
 * @throws CorruptObject, UnsupportedFormat, the storages' errors
 */
export async function readRecoverySources(
  deployment: string,
  {
    storage,
    strict = false,
    index = true,
  }: { readonly storage?: string | undefined; readonly strict?: boolean; readonly index?: boolean },
  deps: RecoverySourcesDeps,
): Promise<RecoverySources[]> {
  const sources = new Sources();
  const entries = await findManifests({ deployment, storage }, deps);
  const found = strict ? await readManifests(entries) : await readableManifests(entries, deps.logger);
  for (const { manifest, entry } of found) addBases(manifest, entry, sources);
  for (const name of Object.keys(deps.settings.storages)) {
    const store = deps.openStorage(storageOf(deps.settings, name));
    await addArchives(deployment, name, sources, { store, index, logger: deps.logger });
  }
  for (const set of sources.all()) {
    partDamaged(set);
    const [unreadable] = set.unreadable;
    if (strict && unreadable) throw unreadableError(unreadable);
  }
  await addProgress(deployment, sources.all(), deps);
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
  let kept = 0;
  for (const item of list) if (which(item)) list[kept++] = item;
  list.length = kept;
}

/** Whether a turn is to be taken: an archive that is off stands still because somebody wants it so. */
export function isArchived(deployment: string, { settings }: Pick<RecoverySourcesDeps, 'settings'>): boolean {
  const known = settings.deployments[deployment];
  // Who only restores knows nothing of the deployment, or not that it is archived: off is what says so.
  return known?.oplogArchive?.enabled !== false;
}

/** Two turns within a few seconds find nothing new: that is no news before it has lasted. */
export function told(stalled: Stalled | undefined): RecoverySources['stalled'] {
  return stalled?.warnedAt === undefined ? undefined : { since: stalled.since, why: stalled.why ?? '' };
}

/**
 * How far the archivers have looked. Only the archive that went on last can stand still: a set that was made anew has another one, and
 * that of the old set has ended.
 */
async function addProgress(
  deployment: string,
  sets: readonly RecoverySources[],
  { state, logger, settings }: RecoverySourcesDeps,
): Promise<void> {
  let newest: { readonly set: RecoverySources; readonly value: ArchiveProgress } | undefined;
  for (const set of sets) {
    const { replicaSet, replicaSetId, slices } = set;
    if (replicaSetId === null) continue;
    const key = stateKeys.archiveProgress(deployment, `${replicaSet}-${replicaSetId}`);
    const { value } = await readProgress({ state, key, logger });
    if (!value) continue;
    if (slices.length > 0) set.quiet = { since: value.last.to, until: value.checkedTo };
    if (!newest || newest.value.checkedAt < value.checkedAt) newest = { set, value };
  }
  if (newest && isArchived(deployment, { settings })) newest.set.stalled = told(newest.value.stalled);
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

async function addArchives(deployment: string, storage: string, sources: Sources, look: LookOptions): Promise<void> {
  for (const archive of await listArchives(deployment, look.store)) {
    const of = sources.of(archive.replicaSet, archive.replicaSetId);
    const days = [...byDay(archive.slices)];
    // By their places, so that what comes of it does not depend on who answers first.
    const found: (ArchivedSlice | UnreadableSlice | undefined)[] = [];
    const unknown: { readonly slice: ListedSlice; readonly place: number }[] = [];
    let places = 0;
    const begins = days.map(([, slices]) => (places += slices.length) - slices.length);
    await runParallel(days.entries(), headersAtOnce, async ([n, [day, slices]]) => {
      const indexed = look.index ? await readIndexed(look.store, archive, day, look.logger) : () => undefined;
      for (const [k, slice] of slices.entries()) {
        const place = (begins[n] ?? 0) + k;
        const known = indexed(slice);
        if (known) found[place] = archivedSlice(slice.key, storage, known);
        else unknown.push({ slice, place });
      }
    });
    await runParallel(unknown, headersAtOnce, async ({ slice, place }) => {
      found[place] = await readSliceHeader(look.store, storage, slice);
    });
    for (const slice of found) {
      if (slice && 'reason' in slice) of.unreadable.push(slice);
      else if (slice) of.slices.push(slice);
    }
    for (const key of archive.gaps) addGap(of.gaps, await readDocument(look.store, key, oplogGapSchema));
  }
}

function archivedSlice(key: string, storage: string, of: Omit<IndexedSlice, 'version'>): ArchivedSlice {
  const { from, to, entries, rawBytes, size, undecided } = of;
  return { key, from, to, entries, rawBytes, size, storage, undecided };
}

/** @returns undefined for one that was pruned since it was listed */
async function readSliceHeader(
  store: ObjectStore,
  storage: string,
  listed: ListedSlice,
): Promise<ArchivedSlice | UnreadableSlice | undefined> {
  const { key, size, from } = listed;
  try {
    const { header } = await readStoredSlice(store, listed);
    return archivedSlice(key, storage, { size, ...headerFacts(header) });
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound')) return undefined;
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    return { storage, key, size, from, reason: error.message };
  }
}

/** The same gap in several storages is one. */
function addGap(gaps: OplogGap[], gap: OplogGap): void {
  if (isOpenGap(gap) && !gaps.some((known) => gapKey('', known) === gapKey('', gap))) gaps.push(gap);
}
