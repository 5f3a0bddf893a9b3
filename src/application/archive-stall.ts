import { asHoldfastError } from '../domain/failure.ts';
import { stateKeys } from '../domain/names.ts';
import type { ArchiveProgress } from '../domain/oplog-archive.ts';
import type { StoredSlice } from '../engine/oplog/read-chain.ts';
import { atMost } from './archive-limit.ts';
import { changeProgress, type ProgressPlace, readProgress } from './archive-progress.ts';
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
}

/** An archive that may have stopped: a turn of it is one. */
interface WatchedArchive {
  readonly place: { readonly deployment: string; readonly replicaSet: string };
  readonly progress: ProgressPlace;
  readonly deps: StallDeps;
}

type Stalled = NonNullable<ArchiveProgress['stalled']>;

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
  const { deployment, replicaSet } = turn.place;
  const now = turn.deps.clock.now();
  // By the progress that stands.
  const judged: { last: Judged | undefined } = { last: undefined };
  await changeProgress(turn.progress, (current) => {
    // Where it is lost, the slices tell how far the archive is: without a place to note it, nobody would be waited for.
    const known = current ?? (tail && progressOf(tail, now));
    judged.last = known && judge(known.stalled, now, losingAt);
    return known && judged.last?.noted && { ...known, stalled: { ...judged.last.noted, why } };
  });
  // Nothing is archived yet, and nothing can be lost.
  if (!judged.last) return 0;
  const { tells, lasted, lostFor: lost } = judged.last;
  if (!tells) return lost;
  const detail = { deployment, replicaSet, stalledSeconds: Math.floor(lasted / 1000), explanation: why };
  turn.deps.logger.warn('the oplog archive does not go on', detail);
  await publishEvent({ detailType: 'Oplog Archive Stalled', detail }, turn.deps);
  return lost;
}

/** A turn that fails, perhaps because the state storage does, is not to wait for that in the time that it has left. */
const noteMs = 2_000;

/** {@link noteStall} for a turn that failed. Never throws. */
export async function noteFailedTurn(turn: WatchedArchive, error: unknown): Promise<void> {
  await noteFailure(noteStall(turn, explain(error)), turn.deps);
}

/**
 * {@link noteStall} for a turn that can't even look at the deployment, and so does not know its set: that of the archive which
 * went on last is meant. Never throws.
 */
export async function noteFailedLook(
  deployment: string,
  error: unknown,
  deps: StallDeps & { readonly state: ObjectStore },
): Promise<void> {
  const noting = newestArchive(deployment, deps).then((archive) => archive && noteStall(archive, explain(error)));
  await noteFailure(noting, deps);
}

function explain(error: unknown): string {
  const { name, message } = asHoldfastError(error);
  return `${name}: ${message}`;
}

function noteFailure(noting: Promise<unknown>, { logger }: StallDeps): Promise<void> {
  const noted = noting.then(
    () => undefined,
    (error: unknown) => {
      logger.warn('that the oplog archive does not go on was not noted', { reason: String(error) });
    },
  );
  return atMost(noteMs, noted);
}

/** @returns undefined where nothing is archived yet */
async function newestArchive(
  deployment: string,
  deps: StallDeps & { readonly state: ObjectStore },
): Promise<WatchedArchive | undefined> {
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
