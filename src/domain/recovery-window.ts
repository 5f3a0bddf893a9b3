import type { Method } from './manifest.ts';
import { archiveSegments, type ArchiveSegment, insurmountable } from './archive-segments.ts';
import { firstPlace } from './first-place.ts';
import type { OplogGap, SliceSpan } from './oplog-archive.ts';
import { compareTimestamps, laterTimestamp, type OpTime, sameOpTime, type Timestamp } from './timestamp.ts';

/** A slice of the archive as far as its header tells. */
export interface WindowSlice extends SliceSpan {
  readonly storage: string;
  /** When the transactions were prepared that are neither committed nor aborted at its end. */
  readonly undecided: readonly Timestamp[];
}

/** One part of a backup: what a restore of its replica set can begin with. */
export interface WindowBase {
  readonly backupId: string;
  readonly storage: string;
  readonly method: Method;
  /** The moment the base stands for: the earliest time that it can be restored to. */
  readonly point: OpTime;
  /** The backup alone restores to every time from its point to this one. */
  readonly restoreTime: Timestamp;
  /** The last entry of the backup's own slices: the archive takes over there. */
  readonly capturedTo: OpTime;
}

/**
 * The source did nothing but empty entries after the last slice, up to an entry that the archiver has looked at: the state at
 * every time between is that at the slice's end.
 */
export interface QuietEnd {
  /** The last entry of the last slice. */
  readonly since: OpTime;
  /** The majority commit point that the archiver saw last. */
  readonly until: OpTime;
}

export interface WindowInput<Slice extends WindowSlice = WindowSlice> {
  readonly bases: readonly WindowBase[];
  /** Of the archive, from any storages, in any order. */
  readonly slices: readonly Slice[];
  readonly gaps: readonly OplogGap[];
  /** What the archiver knows beyond the slices; left out for nothing. */
  readonly quiet?: QuietEnd | undefined;
}

/** Times, both ends included. */
export interface TimeRange {
  readonly from: Timestamp;
  readonly to: Timestamp;
}

/** Times that can't be restored to, between two ranges, both ends excluded. */
export interface WindowHole extends TimeRange {
  /** What was recorded of it; without a record no slices and no base cover it. */
  readonly gaps: readonly OplogGap[];
}

export interface RecoveryWindow {
  /** In order; no two touch. */
  readonly ranges: readonly TimeRange[];
  readonly holes: readonly WindowHole[];
}

/** How far a base can be rolled forward, and by which slices of the archive. */
export interface BaseReach<Slice extends WindowSlice = WindowSlice> extends TimeRange {
  readonly base: WindowBase;
  /** In order; each begins within the one before, or where that ends. Times after the last one are those of a quiet end. */
  readonly slices: readonly Slice[];
}

const earliest: Timestamp = { t: 0, i: 0 };
const lastOrdinal = 0xffff_ffff;

function previousTimestamp({ t, i }: Timestamp): Timestamp {
  if (i > 0) return { t, i: i - 1 };
  return t > 0 ? { t: t - 1, i: lastOrdinal } : earliest;
}

function nextTimestamp({ t, i }: Timestamp): Timestamp {
  return i < lastOrdinal ? { t, i: i + 1 } : { t: t + 1, i: 0 };
}

const earlier = (a: Timestamp, b: Timestamp): Timestamp => (compareTimestamps(a, b) <= 0 ? a : b);
const isBefore = (a: Timestamp, b: Timestamp): boolean => compareTimestamps(a, b) < 0;

/**
 * Whether a chain that ends with that entry goes on in the segment: the entry is the first of one of its slices, or lies
 * within one, as far as times and terms tell. Whoever reads the slice proves it (engine/oplog/read-slices.ts).
 */
function goesOn(at: OpTime, { from, to, slices }: ArchiveSegment<WindowSlice>): boolean {
  if (isBefore(at.ts, from.ts) || !isBefore(at.ts, to.ts)) return false;
  const holder = slices[firstPlace(slices, (slice) => isBefore(at.ts, slice.to.ts))];
  if (!holder || isBefore(at.ts, holder.from.ts)) return false;
  return compareTimestamps(at.ts, holder.from.ts) === 0
    ? sameOpTime(at, holder.from)
    : holder.from.t <= at.t && at.t <= holder.to.t;
}

/**
 * The first place from the base's point on, in its own slices, over which no replay goes. A gap may be of several entries,
 * and the base's point or the end of its slices be between them: nothing leads on from there either.
 */
function ownBarrier({ point, capturedTo }: WindowBase, gaps: readonly OplogGap[]): Timestamp | undefined {
  return gaps
    .filter(
      ({ reason, after, before }) =>
        insurmountable.has(reason) && isBefore(point.ts, before.ts) && isBefore(after.ts, capturedTo.ts),
    )
    .map(({ after }) => laterTimestamp(after.ts, point.ts))
    .reduce<Timestamp | undefined>((first, ts) => (first ? earlier(first, ts) : ts), undefined);
}

/**
 * Whether a chain that ends with that entry, or a base's own slices do, leads into a quiet end: it is the entry since when
 * nothing happened, or one of those empty ones. Of the latter nothing is stored that could prove it: an entry of the same
 * term as the one that was looked at, and before it, is of the same history, because a term has one primary.
 */
function isQuietAfter(at: OpTime, { since, until }: QuietEnd): boolean {
  if (sameOpTime(at, since)) return true;
  return at.t === until.t && isBefore(since.ts, at.ts) && isBefore(at.ts, until.ts);
}

/** A transaction that nothing has decided yet may turn out to belong to every time since it was prepared. */
function decidedUpTo(end: Timestamp, undecided: readonly Timestamp[]): Timestamp {
  return undecided.reduce((first, ts) => earlier(first, previousTimestamp(ts)), end);
}

function reachOf<Slice extends WindowSlice>(
  base: WindowBase,
  segments: readonly ArchiveSegment<Slice>[],
  { gaps, slices: all, quiet }: WindowInput<Slice>,
): BaseReach<Slice> {
  const from = base.point.ts;
  const barrier = ownBarrier(base, gaps);
  if (barrier) return { base, from, to: earlier(base.restoreTime, barrier), slices: [] };
  const parts: { readonly of: readonly Slice[]; readonly after: Timestamp }[] = [];
  let at = base.capturedTo;
  for (;;) {
    const here = at;
    const next = segments
      .filter((segment) => goesOn(here, segment))
      .reduce<ArchiveSegment<Slice> | undefined>(
        (best, segment) => (best && !isBefore(best.to.ts, segment.to.ts) ? best : segment),
        undefined,
      );
    if (!next) break;
    parts.push({ of: next.slices, after: here.ts });
    at = next.to;
  }
  // Of every base all slices after it: a hundred bases of a year are asked for those of one.
  const chain = {
    get slices() {
      return parts.flatMap(({ of, after }) => of.slice(firstPlace(of, ({ to }) => isBefore(after, to.ts))));
    },
  };
  const isQuiet = quiet !== undefined && isQuietAfter(at, quiet);
  const last = parts.at(-1)?.of.at(-1) ?? (isQuiet ? all.find(({ to }) => sameOpTime(to, quiet.since)) : undefined);
  if (!last) return { base, from, to: base.restoreTime, slices: [] };
  const end = decidedUpTo(isQuiet ? quiet.until.ts : at.ts, last.undecided);
  return Object.assign(chain, { base, from, to: laterTimestamp(base.restoreTime, end) });
}

/** Every base with the times that it can be restored to, the newest point first. */
export function reachOfBases<Slice extends WindowSlice>(input: WindowInput<Slice>): BaseReach<Slice>[] {
  const segments = archiveSegments(input.slices, input.gaps);
  return input.bases
    .map((base) => reachOf(base, segments, input))
    .sort((a, b) => compareTimestamps(b.from, a.from) || (a.base.backupId < b.base.backupId ? 1 : -1));
}

/** The times that a replica set can be restored to, and what is between them. */
export function recoveryWindow(reaches: readonly BaseReach[], gaps: readonly OplogGap[]): RecoveryWindow {
  const ranges: { from: Timestamp; to: Timestamp }[] = [];
  for (const { from, to } of reaches.toSorted((a, b) => compareTimestamps(a.from, b.from))) {
    const last = ranges.at(-1);
    if (last && !isBefore(nextTimestamp(last.to), from)) last.to = laterTimestamp(last.to, to);
    else ranges.push({ from, to });
  }
  const holes = ranges.slice(1).map((range, n) => {
    const hole = { from: ranges[n]?.to ?? range.from, to: range.from };
    const within = gaps.filter(
      ({ after, before }) => isBefore(after.ts, hole.to) && !isBefore(laterTimestamp(before.ts, after.ts), hole.from),
    );
    return { ...hole, gaps: within };
  });
  return { ranges, holes };
}

/** What a restore to a time reads. */
export interface ServedTime<Slice extends WindowSlice = WindowSlice> {
  readonly base: WindowBase;
  /** Of the archive, in order, after the base's own slices; empty when those are enough. */
  readonly slices: readonly Slice[];
}

/** The newest base that leads to a time, without looking for the slices, which may be half a million. @param reaches of {@link reachOfBases} */
export function reachAt<Slice extends WindowSlice>(
  reaches: readonly BaseReach<Slice>[],
  time: Timestamp,
): BaseReach<Slice> | undefined {
  return reaches.find(({ from, to }) => !isBefore(time, from) && !isBefore(to, time));
}

/**
 * The newest base at or before the time whose chain reaches it, and the slices that lead there: to the time, and on until
 * every transaction that was prepared by then is decided (consistency rule 7).
 * @param reaches of {@link reachOfBases}
 * @returns undefined when the time is in no range of the window
 */
export function serveTime<Slice extends WindowSlice>(
  reaches: readonly BaseReach<Slice>[],
  time: Timestamp,
): ServedTime<Slice> | undefined {
  const reach = reachAt(reaches, time);
  if (!reach) return undefined;
  const { base, slices } = reach;
  if (!isBefore(base.restoreTime, time)) return { base, slices: [] };
  const isEnough = ({ to, undecided }: Slice) => !isBefore(to.ts, time) && undecided.every((ts) => isBefore(time, ts));
  const last = slices.findIndex(isEnough);
  // After the last slice nothing happened.
  return { base, slices: last < 0 ? slices : slices.slice(0, last + 1) };
}

/** The last entry that a restore to the time applies, or the time itself where that comes first: the same state. */
export function lastEntryServed({ base, slices }: ServedTime, time: Timestamp): Timestamp {
  const end = slices.at(-1)?.to ?? base.capturedTo;
  return earlier(time, laterTimestamp(end.ts, base.restoreTime));
}
