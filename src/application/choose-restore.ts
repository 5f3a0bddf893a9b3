import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { describeGaps } from '../domain/gap-reasons.ts';
import type { Manifest, Method } from '../domain/manifest.ts';
import { backupIdPattern } from '../domain/names.ts';
import {
  type BaseReach,
  lastEntryServed,
  reachOfBases,
  recoveryWindow,
  serveTime,
  type TimeRange,
} from '../domain/recovery-window.ts';
import type { RestoreRequest } from '../domain/run.ts';
import { sameFacts } from '../domain/slice-index.ts';
import {
  compareTimestamps,
  formatTimestamp,
  sameOpTime,
  type Timestamp,
  timestampToDate,
} from '../domain/timestamp.ts';
import { parseWantedTime } from '../domain/wanted-time.ts';
import { findBeforeDrop } from '../engine/oplog/find-drop.ts';
import { readStoredSlice } from '../engine/oplog/read-chain.ts';
import { requireContinuation, type SliceInStore } from '../engine/oplog/read-slices.ts';
import { runParallel } from '../engine/restore/run-parallel.ts';
import { type CatalogDeps, type CatalogEntry, findBackup, resolveBackup } from './catalog.ts';
import {
  type ArchivedSlice,
  type FoundBase,
  headersAtOnce,
  readRecoverySources,
  type RecoverySources,
  type RecoverySourcesDeps,
  unreadableError,
} from './recovery-sources.ts';
import { storageOf } from './run-folder.ts';
import { headerFacts } from './slice-index.ts';

/** What is to be restored: to which time, from which backup, by which slices of the archive after its own. */
export interface ChosenRestore {
  readonly entry: CatalogEntry;
  readonly manifest: Manifest;
  readonly restoreTime: Timestamp | null;
  readonly slices: readonly ArchivedSlice[];
}

/** One replica set with how far each of its bases reaches. */
interface Candidate {
  readonly sources: RecoverySources;
  readonly reaches: readonly BaseReach<ArchivedSlice>[];
}

/**
 * Finds the backup, and where a time is asked for the base and the slices that serve it; every method's backups alike.
 * That the slices follow each other is proved: by their headers, and where they overlap by the entries themselves.
 * @param methods whose bases the target can take: others are chosen only where none of these serves the time
 * @throws UnknownBackup, TimeNotRestorable, OplogGap, CorruptObject, UnsupportedFormat, the storages' errors
 */
export async function chooseRestore(
  request: RestoreRequest,
  methods: ReadonlySet<Method>,
  deps: RecoverySourcesDeps,
): Promise<ChosenRestore> {
  const { at, beforeDrop, backup, storage } = request;
  if (at === undefined && beforeDrop === undefined) {
    const { entry, manifest } = await resolveBackup(backup, storage, deps);
    return { entry, manifest, restoreTime: manifest.restoreTime, slices: [] };
  }
  try {
    const chosen = await chooseTime(request, methods, true, deps);
    if (await areSlicesAsKnown(chosen.slices, deps)) return chosen;
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject', 'ObjectNotFound', 'OplogGap')) throw error;
  }
  return chooseTime(request, methods, false, deps);
}

/** The index of the slices helps to choose, and proves nothing: what was chosen is looked at. */
async function areSlicesAsKnown(slices: readonly ArchivedSlice[], deps: CatalogDeps): Promise<boolean> {
  let differing = 0;
  await runParallel(slices, headersAtOnce, async (slice) => {
    const { header } = await readStoredSlice(deps.openStorage(storageOf(deps.settings, slice.storage)), slice);
    if (!sameFacts(headerFacts(header), slice)) differing += 1;
  });
  return differing === 0;
}

/** @param index whether the index of the slices is believed */
async function chooseTime(
  request: RestoreRequest,
  methods: ReadonlySet<Method>,
  index: boolean,
  deps: RecoverySourcesDeps,
): Promise<ChosenRestore> {
  const { at, beforeDrop, backup } = request;
  const candidates = await findCandidates(request, index, deps);
  if (candidates.length === 0) return chooseOwnTime(request, deps);
  const wanted = parseWantedTime(at ?? 'latest');
  const time =
    beforeDrop === undefined
      ? wanted === 'latest'
        ? latestOf(candidates, backup)
        : wanted
      : await timeBeforeDrop(candidates, beforeDrop, wanted === 'latest' ? undefined : wanted, deps);
  return chooseBase(candidates, time, { backup, methods }, deps);
}

/** Only bases of the backup, when it is one. */
async function findCandidates(
  { backup, storage }: RestoreRequest,
  index: boolean,
  deps: RecoverySourcesDeps,
): Promise<readonly Candidate[]> {
  const isId = backupIdPattern.test(backup);
  const found = isId ? await findBackup(backup, storage, deps) : undefined;
  const all = await readRecoverySources(found?.entry.deployment ?? backup, { storage, index }, deps);
  const candidates = all.map((sources) => {
    const bases = sources.bases.filter(({ backupId }) => !isId || backupId === backup);
    return { sources: { ...sources, bases }, reaches: reachOfBases({ ...sources, bases }) };
  });
  return candidates.filter(({ reaches }) => reaches.length > 0);
}

/** Of backups without an oplog, a standalone's: each is of its own time, and the newest of the latest. */
async function chooseOwnTime(
  { backup, storage, at, beforeDrop }: RestoreRequest,
  deps: CatalogDeps,
): Promise<ChosenRestore> {
  const { entry, manifest } = await resolveBackup(backup, storage, deps);
  const { backupId, restoreTime, parts } = manifest;
  if (at === 'latest' && beforeDrop === undefined) return { entry, manifest, restoreTime, slices: [] };
  const [base] = parts.map((part) => part.base);
  const own = base?.method === 'snapshot' ? base.snapshot.takenAt : manifest.createdAt;
  throw new HoldfastError(
    'TimeNotRestorable',
    `${backup} has no oplog: a standalone's backup restores to its own time only; ${backupId} is of ${own}.`,
    { next: 'Name the backup that is wanted, from `holdfast list`, and leave --at out.' },
  );
}

const isBefore = (a: Timestamp, b: Timestamp): boolean => compareTimestamps(a, b) < 0;

/** @throws CorruptObject where slices that can't be read go on from there: an older state would pass for the latest */
function latestOf(candidates: readonly Candidate[], backup: string): Timestamp {
  const [latest] = candidates
    .flatMap(({ reaches, sources }) => reaches.map(({ to }) => ({ to, sources })))
    .sort((a, b) => compareTimestamps(b.to, a.to));
  if (!latest) throw new HoldfastError('TimeNotRestorable', `Nothing of ${backup} can be restored to any time.`);
  const { to, sources } = latest;
  const beyond = sources.unreadable.find(({ from }) => compareTimestamps(from, to) >= 0);
  if (!beyond) return to;
  const next = `The latest time before it is ${showTime(to)}: give it with --at.`;
  throw unreadableError(beyond, `The latest state of ${backup} needs an oplog slice that is damaged: `, next);
}

function inStore(slices: readonly ArchivedSlice[], { settings, openStorage }: CatalogDeps): SliceInStore[] {
  return slices.map((slice) => ({ slice, store: openStorage(storageOf(settings, slice.storage)) }));
}

function ownSlices({ entry, oplog }: FoundBase): SliceInStore[] {
  return oplog.slices.map((slice) => ({ slice, store: entry.storage }));
}

/** Of several sets of one name, the one with the last drop. */
async function timeBeforeDrop(
  candidates: readonly Candidate[],
  ns: string,
  until: Timestamp | undefined,
  deps: CatalogDeps,
): Promise<Timestamp> {
  const found: { drop: Timestamp; before: Timestamp | undefined }[] = [];
  for (const { sources } of candidates) {
    const slices = [...inStore(sources.slices, deps), ...sources.bases.flatMap(ownSlices)];
    const drop = await findBeforeDrop(slices, ns, until);
    requireNoLaterDrop(sources, ns, { found: drop?.drop, until });
    if (drop) found.push(drop);
  }
  const [last] = found.sort((a, b) => compareTimestamps(b.drop, a.drop));
  if (last?.before) return last.before;
  const upTo = until ? ` up to ${formatTimestamp(until)}` : '';
  throw new HoldfastError(
    'TimeNotRestorable',
    last
      ? `${ns} was dropped at ${formatTimestamp(last.drop)}, with the first entry that was archived.`
      : `No captured oplog${upTo} holds a drop of ${ns}.`,
    { next: 'Check the name; or give the time yourself, with --at, from the ranges that `holdfast window` shows.' },
  );
}

/** @throws CorruptObject where a slice that can't be read may hold a later drop than the one that was found */
function requireNoLaterDrop(
  { unreadable, slices }: RecoverySources,
  ns: string,
  { found, until }: { readonly found: Timestamp | undefined; readonly until: Timestamp | undefined },
): void {
  const hiding = unreadable.find(({ from }) => {
    if (until && compareTimestamps(until, from) < 0) return false;
    const isBehind = (slice: ArchivedSlice) => compareTimestamps(slice.from.ts, from) > 0;
    return !found || !slices.some((slice) => isBehind(slice) && compareTimestamps(slice.from.ts, found) < 0);
  });
  if (!hiding) return;
  const next = 'Give the time yourself, with --at, from the ranges that `holdfast window` shows.';
  throw unreadableError(hiding, `The last drop of ${ns} may be in an oplog slice that is damaged: `, next);
}

async function chooseBase(
  candidates: readonly Candidate[],
  time: Timestamp,
  { backup, methods }: { readonly backup: string; readonly methods: ReadonlySet<Method> },
  deps: CatalogDeps,
): Promise<ChosenRestore> {
  for (const usable of [(method: Method) => methods.has(method), () => true])
    for (const { sources, reaches } of candidates) {
      const served = serveTime(
        reaches.filter(({ base }) => usable(base.method)),
        time,
      );
      const base = sources.bases.find((one) => one === served?.base);
      if (!served || !base) continue;
      await proveJoints(base, served.slices, deps);
      const restoreTime = lastEntryServed(served, time);
      return { entry: base.entry, manifest: base.manifest, restoreTime, slices: served.slices };
    }
  throw notRestorable(candidates, time, backup);
}

/** Where a slice does not begin with the entry before it ends with, that entry must be in it: so it is read. */
async function proveJoints(base: FoundBase, slices: readonly ArchivedSlice[], deps: CatalogDeps): Promise<void> {
  let end = base.capturedTo;
  for (const next of inStore(slices, deps)) {
    if (!sameOpTime(end, next.slice.from)) await requireContinuation(end, next);
    end = next.slice.to;
  }
}

const showTime = (time: Timestamp): string =>
  `${formatTimestamp(time)} (${timestampToDate(time).toISOString().slice(0, 19)}Z)`;

/** As many ranges as a person reads in one message: the nearest. */
const shownRanges = 3;

/** Why a time that lies beyond what a set's ranges hold can't be restored to. */
function whyNot(candidates: readonly Candidate[], time: Timestamp): string {
  for (const { sources, reaches } of candidates) {
    const { ranges, holes } = recoveryWindow(reaches, sources.gaps);
    const hole = holes.find(({ from, to }) => isBefore(from, time) && isBefore(time, to));
    if (hole) return `${describeGaps(hole.gaps)}; the next base is of ${formatTimestamp(hole.to)}`;
    const [first, last] = [ranges[0]?.from, ranges.at(-1)?.to];
    if (first && isBefore(time, first)) return 'it is before the oldest base';
    const after = last && sources.gaps.filter(({ before }) => isBefore(last, before.ts));
    if (after?.length) return `${describeGaps(after)}; there is no base since`;
  }
  return 'no captured oplog leads that far';
}

function notRestorable(candidates: readonly Candidate[], time: Timestamp, backup: string): HoldfastError {
  const { ranges } = recoveryWindow(
    candidates.flatMap(({ reaches }) => reaches),
    [],
  );
  const distance = ({ from, to }: TimeRange) => Math.min(Math.abs(from.t - time.t), Math.abs(to.t - time.t));
  const nearest = ranges
    .toSorted((a, b) => distance(a) - distance(b))
    .slice(0, shownRanges)
    .map(({ from, to }) => `${showTime(from)} to ${showTime(to)}`);
  // Between the time and the range before it.
  const [before] = ranges.filter(({ to }) => isBefore(to, time)).slice(-1);
  const damaged = candidates
    .flatMap(({ sources }) => sources.unreadable)
    .find(({ from }) => before && !isBefore(from, before.to) && !isBefore(time, from));
  const refuse = (why: string) =>
    `${backup} can't be restored to ${showTime(time)}: ${why}; nearest to it: ${nearest.join(', ')}.`;
  if (damaged) return unreadableError(damaged, `${refuse('a slice is damaged')} `);
  return new HoldfastError('TimeNotRestorable', refuse(whyNot(candidates, time)));
}
