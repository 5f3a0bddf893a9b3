import { type BaseReach, reachAt, type WindowSlice } from './recovery-window.ts';
import { compareTimestamps, type Timestamp } from './timestamp.ts';

export interface ArchiveRetention<Slice extends WindowSlice> {
  /** Of every base of the set, by all of its slices. */
  readonly reaches: readonly BaseReach<Slice>[];
  readonly slices: readonly Slice[];
  /** The window is promised from this time on: every later time that can be restored to now can be so afterwards. */
  readonly promisedFrom: Timestamp;
  /** Somebody reads the slices that end after these times. */
  readonly held: readonly Timestamp[];
}

const isBefore = (a: Timestamp, b: Timestamp): boolean => compareTimestamps(a, b) < 0;

/** Bases that serve a time of the promised window: where one comes in, and where one ends and an older one takes over. */
function servingBases(reaches: readonly BaseReach[], from: Timestamp): BaseReach['base'][] {
  const after = ({ to }: BaseReach) => ({ t: to.t, i: to.i + 1 });
  const times = [from, ...reaches.flatMap((reach) => [reach.from, after(reach)])].filter(
    (time) => !isBefore(time, from),
  );
  const served = times.map((time) => reachAt(reaches, time)?.base);
  return [...new Set(served.filter((base) => base !== undefined))];
}

/**
 * Up to where the archive may be cut off at its beginning: slices that end at or before it are read by no restore to a
 * promised time. Always a beginning, so that no chain is broken; never more than what is older than the promise.
 * @returns undefined when nothing may go: also where no backup serves any promised time while the archive goes on, because
 * it is not the archive that is to blame then
 */
export function archiveCut<Slice extends WindowSlice>(retention: ArchiveRetention<Slice>): Timestamp | undefined {
  const { reaches, slices, promisedFrom, held } = retention;
  const bases = servingBases(reaches, promisedFrom);
  const isOver = slices.every(({ to }) => isBefore(to.ts, promisedFrom));
  if (bases.length === 0 && !isOver) return undefined;
  return [...bases.map(({ capturedTo }) => capturedTo.ts), ...held].reduce(
    (cut, time) => (isBefore(time, cut) ? time : cut),
    promisedFrom,
  );
}

/** The slices that {@link archiveCut} lets go, oldest first; the last slice stays: an archiver goes on from it. */
export function slicesToPrune<Slice extends WindowSlice>(slices: readonly Slice[], cut: Timestamp): Slice[] {
  const ordered = slices.toSorted((a, b) => compareTimestamps(a.to.ts, b.to.ts));
  return ordered.slice(0, -1).filter(({ to }) => !isBefore(cut, to.ts));
}
