import { asHoldfastError } from '../domain/failure.ts';
import { stateKeys } from '../domain/names.ts';
import type { ArchiveProgress, Stalled } from '../domain/oplog-archive.ts';
import type { StoredSlice } from '../engine/oplog/read-chain.ts';
import { atMost } from './archive-limit.ts';
import {
  changeProgress,
  changeStallToBegin,
  endStallToBegin,
  type ProgressPlace,
  readProgress,
} from './archive-progress.ts';
import { archivedSets } from './known-archives.ts';
import type { Clock } from './ports/clock.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { publishEvent, type RecordGapDeps } from './record-gap.ts';

/** A set that does nothing writes an empty entry every ten seconds: an archive that stands for so long does not keep up. */
const standsMs = 15 * 60_000;
/** How often it is told again. */
const againMs = 60 * 60_000;

export interface StallDeps extends RecordGapDeps {
  readonly clock: Clock;
  readonly state: ObjectStore;
}

/** An archive that may have stopped: a turn of it is one. */
interface WatchedArchive {
  /** `replicaSet` null: nothing is archived, and nobody could look at the set. */
  readonly place: { readonly deployment: string; readonly replicaSet: string | null };
  /** Undefined where nothing is archived. */
  readonly progress: ProgressPlace | undefined;
  readonly deps: StallDeps;
}

interface Judged {
  /** What to note; undefined for what stands. */
  readonly noted: Stalled | undefined;
  readonly tells: boolean;
  /** Milliseconds by the archiver's clock. */
  readonly lasted: number;
  /** Milliseconds, see {@link noteStall}. */
  readonly lostFor: number;
}

function judge(stalled: Stalled | undefined, now: Date, losingAt: number | undefined): Judged {
  const at = now.toISOString();
  const since = (time: string): number => Math.abs(now.getTime() - Date.parse(time));
  const begun: Stalled = stalled ?? { since: at };
  const losing = begun.losing ?? (losingAt === undefined ? undefined : { since: at, at: losingAt });
  const lasted = since(begun.since);
  const isTold = begun.warnedAt !== undefined && since(begun.warnedAt) < againMs;
  const isNews = losing !== begun.losing;
  const tells = isNews || (!isTold && (losing !== undefined || lasted >= standsMs));
  const noted = tells ? { ...begun, ...(losing && { losing }), warnedAt: at } : begun;
  return { noted: noted === stalled ? undefined : noted, tells, lasted, lostFor: lostFor(losing, since, losingAt) };
}

function lostFor(losing: Stalled['losing'], since: (time: string) => number, at: number | undefined): number {
  return losing ? Math.min(since(losing.since), ((at ?? losing.at) - losing.at) * 1000) : 0;
}

/** By the last slice alone: who wrote it, and nothing of that member's data. */
function progressOf({ key, size, header: { from, to, member } }: StoredSlice, now: Date): ArchiveProgress {
  const last = { key, size, from, to };
  return { schemaVersion: 1, last, checkedTo: to, checkedAt: now.toISOString(), member, memberData: '' };
}

/**
 * Notes that a turn came no further than the one before, and tells it when that has lasted.
 * @param why for people
 * @param tail the last slice, for an archive whose progress can't be read
 * @param losingAt what the archive needs is being lost, seen at this time of the source, in seconds: that is told at once
 * @returns for how long it has been lost, in milliseconds: the shorter of what the archiver's clock and the source's say,
 * because either may be wrong or be set
 */
export async function noteStall(
  turn: WatchedArchive,
  why: string,
  tail?: StoredSlice,
  losingAt?: number,
): Promise<number> {
  const { deployment } = turn.place;
  const now = turn.deps.clock.now();
  // By what stands.
  const judged: { last: Judged | undefined } = { last: undefined };
  const judgeNow = (stalled: Stalled | undefined): Stalled | undefined => {
    judged.last = judge(stalled, now, losingAt);
    return judged.last.noted && { ...judged.last.noted, why };
  };
  if (turn.progress)
    await changeProgress(turn.progress, (current) => {
      // Where it is lost, the slices tell how far the archive is: without a place to note it, nobody would be waited for.
      const known = current ?? (tail && progressOf(tail, now));
      const stalled = known && judgeNow(known.stalled);
      return stalled && { ...known, stalled };
    });
  // Nothing is archived yet: nothing can be lost, and nobody but this says that nothing begins.
  if (!judged.last) await changeStallToBegin(deployment, turn.deps, judgeNow);
  forgetUnnoted(turn.place, turn.deps);
  if (!judged.last) return 0;
  if (judged.last.tells) await tell(turn, judged.last, why);
  return judged.last.lostFor;
}

async function tell({ place, deps }: WatchedArchive, { lasted }: Judged, why: string): Promise<void> {
  const { deployment, replicaSet } = place;
  const detail = { deployment, replicaSet, stalledSeconds: Math.floor(lasted / 1000), explanation: why };
  deps.logger.warn('the oplog archive does not go on', detail);
  await publishEvent({ detailType: 'Oplog Archive Stalled', detail }, deps);
}

/**
 * What could be noted in no state storage, while this process lives, which takes turn after turn: by the deployment and, of turns that
 * could look at it, the set.
 */
const unnoted = new WeakMap<ObjectStore, Map<string, Stalled>>();
const unnotedKey = ({ deployment, replicaSet }: WatchedArchive['place']): string => `${deployment} ${replicaSet ?? ''}`;

/** A look at the deployment did not fail. */
export function endFailedLooks(deployment: string, { state }: Pick<StallDeps, 'state'>): void {
  unnoted.get(state)?.delete(unnotedKey({ deployment, replicaSet: null }));
}

function forgetUnnoted(place: WatchedArchive['place'], { state }: Pick<StallDeps, 'state'>): void {
  unnoted.get(state)?.delete(unnotedKey(place));
}

/** A turn went on. @param begins nothing was archived before it @throws the state storage's errors */
export async function endStall({ place, deps }: WatchedArchive, begins: boolean): Promise<void> {
  forgetUnnoted(place, deps);
  if (begins) await endStallToBegin(place.deployment, deps);
}

/** {@link noteStall} where the state storage, too, can be neither read nor written. */
async function rememberStall(turn: WatchedArchive, why: string): Promise<void> {
  const { state, clock } = turn.deps;
  const known = unnoted.get(state) ?? new Map<string, Stalled>();
  unnoted.set(state, known);
  const key = unnotedKey(turn.place);
  const judged = judge(known.get(key), clock.now(), undefined);
  if (judged.noted) known.set(key, judged.noted);
  if (judged.tells)
    await tell(turn, judged, `${why} It can't be noted in the state storage, and the window does not know it.`);
}

/** A turn that fails, perhaps because the state storage does, is not to wait for that in the time that it has left. */
const noteMs = 2_000;

/** {@link noteStall} for a turn that failed. Never throws. */
export async function noteFailedTurn(turn: WatchedArchive, error: unknown): Promise<void> {
  const why = explain(error);
  await noteFailure(turn, why, noteStall(turn, why));
}

/**
 * {@link noteStall} for a turn that can't even look at the deployment, and so does not know its set: that of the archive which
 * went on last is meant. Never throws.
 */
export async function noteFailedLook(deployment: string, error: unknown, deps: StallDeps): Promise<void> {
  const why = explain(error);
  const unknown: WatchedArchive = { place: { deployment, replicaSet: null }, progress: undefined, deps };
  const noting = newestArchive(deployment, deps).then(async (archive) => {
    await noteStall(archive ?? unknown, why);
    endFailedLooks(deployment, deps);
  });
  await noteFailure(unknown, why, noting);
}

function explain(error: unknown): string {
  const { name, message } = asHoldfastError(error);
  return `${name}: ${message}`;
}

async function noteFailure(turn: WatchedArchive, why: string, noting: Promise<unknown>): Promise<void> {
  const outcome = { isNoted: false };
  const noted = noting.then(
    () => {
      outcome.isNoted = true;
    },
    (error: unknown) => {
      turn.deps.logger.warn('that the oplog archive does not go on was not noted', { reason: String(error) });
    },
  );
  await atMost(noteMs, noted);
  if (!outcome.isNoted) await atMost(noteMs, rememberStall(turn, why));
}

/** @returns undefined where nothing is archived yet */
async function newestArchive(deployment: string, deps: StallDeps): Promise<WatchedArchive | undefined> {
  const { state, logger } = deps;
  let newest: { readonly archive: WatchedArchive; readonly checkedAt: string } | undefined;
  for (const { replicaSet, replicaSetId } of await archivedSets(deployment, state)) {
    const key = stateKeys.archiveProgress(deployment, `${replicaSet}-${replicaSetId}`);
    const progress = { state, key, logger };
    const { value } = await readProgress(progress);
    if (!value || (newest && value.checkedAt <= newest.checkedAt)) continue;
    newest = { archive: { place: { deployment, replicaSet }, progress, deps }, checkedAt: value.checkedAt };
  }
  return newest?.archive;
}
