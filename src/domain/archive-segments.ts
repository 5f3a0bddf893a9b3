import { firstPlace } from './first-place.ts';
import type { GapReason, OplogGap, SliceSpan } from './oplog-archive.ts';
import { compareTimestamps, type OpTime, sameOpTime, type Timestamp } from './timestamp.ts';

/** Consistency rule 8: by timestamp and term, never by name. */
export function mayFollow(before: Pick<SliceSpan, 'to'>, after: Pick<SliceSpan, 'from'>): boolean {
  return sameOpTime(before.to, after.from);
}

/** Slices that lead on, one from the other, with no gap between: what can be replayed in one go. */
export interface ArchiveSegment<Slice extends SliceSpan = SliceSpan> {
  /** The first entry: a base joins when the last entry of its own oplog range is here or later, up to `to`. */
  readonly from: OpTime;
  readonly to: OpTime;
  /** In order. The first may begin before `from`, and the last end after `to`: a gap cuts within them. */
  readonly slices: readonly Slice[];
}

/**
 * The segments of an archive, in the order of their first entries. Two may overlap: after a loss of majority-committed
 * writes, when two histories have entries of the same times, or when two archivers began a chain at once. A segment that
 * lies within another's slices is left out.
 * @param slices in any order
 */
export function archiveSegments<Slice extends SliceSpan>(
  slices: readonly Slice[],
  gaps: readonly OplogGap[],
): ArchiveSegment<Slice>[] {
  const damaged = new Set(gaps.flatMap((gap) => gap.damaged ?? []));
  const usable = slices.filter(({ key }) => !damaged.has(key));
  const segments = chains(inOrder(usable))
    .flatMap((chain) => cutAtGaps(chain, gaps))
    .sort((a, b) => compareTimestamps(a.from.ts, b.from.ts));
  return segments.filter((one, index) => !segments.slice(0, index).some((earlier) => sameOpTime(earlier.to, one.to)));
}

/** Whether a base's own oplog range, which ends with the entry `rangeEnd`, can be continued from the segment. */
export function joinsSegment(rangeEnd: OpTime, { from, to }: Pick<ArchiveSegment, 'from' | 'to'>): boolean {
  return compareTimestamps(from.ts, rangeEnd.ts) <= 0 && compareTimestamps(rangeEnd.ts, to.ts) <= 0;
}

/** Of slices that lead on, one from the other, those that hold the entries after `from`, up to and with `to`. */
export function slicesBetween<Slice extends SliceSpan>(
  slices: readonly Slice[],
  from: Timestamp,
  to: Timestamp,
): readonly Slice[] {
  const first = firstPlace(slices, (slice) => compareTimestamps(slice.to.ts, from) > 0);
  const end = firstPlace(slices, (slice) => compareTimestamps(slice.from.ts, to) >= 0);
  return slices.slice(first, end);
}

/** By their first entries. Copies in several storages are the same slice, and the longer of two leads further. */
function inOrder<Slice extends SliceSpan>(slices: readonly Slice[]): Slice[] {
  const sorted = slices
    .filter(({ from, to }) => compareTimestamps(from.ts, to.ts) < 0)
    .sort((a, b) => compareTimestamps(a.from.ts, b.from.ts) || a.from.t - b.from.t);
  let kept = 0;
  for (const slice of sorted) {
    const before = sorted[kept - 1];
    if (!before || !sameOpTime(before.from, slice.from)) sorted[kept++] = slice;
    else if (compareTimestamps(before.to.ts, slice.to.ts) < 0) sorted[kept - 1] = slice;
  }
  sorted.length = kept;
  return sorted;
}

/** The place of the slice that begins with the entry; -1 for none. @param hint where it probably is */
function placeOf(slices: readonly SliceSpan[], { ts, t }: OpTime, hint: number): number {
  const isAt = (n: number) => {
    const from = slices[n]?.from;
    return from !== undefined && sameOpTime(from, { ts, t });
  };
  if (isAt(hint)) return hint;
  const place = firstPlace(slices, ({ from }) => (compareTimestamps(from.ts, ts) || from.t - t) >= 0);
  return isAt(place) ? place : -1;
}

/** Every slice to which none leads begins a chain. @param slices by their first entries, of which each has one */
function chains<Slice extends SliceSpan>(slices: readonly Slice[]): Slice[][] {
  // Nearly always the next one: half a million of a year are not to be looked for.
  const next = Int32Array.from(slices, ({ to }, n) => placeOf(slices, to, n + 1));
  const isReached = new Uint8Array(slices.length);
  for (const place of next) if (place >= 0) isReached[place] = 1;
  const found: Slice[][] = [];
  for (const start of slices.keys()) {
    if (isReached[start] === 1) continue;
    const chain: Slice[] = [];
    // Two chains may meet: what follows belongs to both, and a chain has no circles, because times only grow.
    for (let n = start, slice = slices[n]; slice; n = next[n] ?? -1, slice = slices[n]) chain.push(slice);
    found.push(chain);
  }
  return found;
}

/** The reasons whose gap lies in the set's history itself: no slices, whoever took them, lead over it. */
export const insurmountable: ReadonlySet<GapReason> = new Set([
  'featureCompatibilityVersionChanged',
  'resharding',
  'restore',
]);
/** Those for which entries were missing, and nothing else: slices that lead on from one to the other are proof that none is. */
const missingEntries: ReadonlySet<GapReason> = new Set(['rolledOver', 'archivePaused', 'objectLost']);

/**
 * Whether a gap's record is void where slices lead on, one from the other, from one entry to another: nothing was missing then but
 * entries, and the slices are there. One that names damaged slices is told again as soon as they count again.
 */
export function isLedOver(gap: OplogGap, { from, to }: Pick<SliceSpan, 'from' | 'to'>): boolean {
  const isAcross = compareTimestamps(from.ts, gap.after.ts) <= 0 && compareTimestamps(gap.before.ts, to.ts) <= 0;
  return isAcross && missingEntries.has(gap.reason) && gap.damaged === undefined;
}

/**
 * Whether slices that lead on from one to the other lead over a gap as well, whatever its record says: of two archivers one found
 * that its members had forgotten entries, and the other one's member had them. Where the gap says that there are two histories,
 * the chain must hold both sides of it, by time and term, where its slices meet.
 */
function leadsOver(chain: readonly SliceSpan[], { reason, after, before }: OplogGap): boolean {
  if (missingEntries.has(reason)) return true;
  const holds = (opTime: OpTime) => chain.some(({ from, to }) => sameOpTime(from, opTime) || sameOpTime(to, opTime));
  return holds(after) && holds(before);
}

/** Whether a gap ends a chain: that of the history itself wherever one of its sides is in it, another where both are. */
function cuts(chain: readonly SliceSpan[], first: OpTime, last: OpTime, gap: OplogGap): boolean {
  const { reason, after, before } = gap;
  if (compareTimestamps(after.ts, before.ts) >= 0) return false;
  if (insurmountable.has(reason))
    return compareTimestamps(after.ts, last.ts) < 0 && compareTimestamps(first.ts, before.ts) < 0;
  const isAcross = compareTimestamps(first.ts, after.ts) <= 0 && compareTimestamps(before.ts, last.ts) <= 0;
  return isAcross && !leadsOver(chain, gap);
}

function cutAtGaps<Slice extends SliceSpan>(
  chain: readonly Slice[],
  gaps: readonly OplogGap[],
): ArchiveSegment<Slice>[] {
  const [first, last] = [chain[0], chain.at(-1)];
  if (!first || !last) return [];
  const pieces: { from: OpTime; to: OpTime }[] = [];
  let { from } = first;
  const cutting = gaps
    .filter((gap) => cuts(chain, first.from, last.to, gap))
    .sort((a, b) => compareTimestamps(a.after.ts, b.after.ts));
  for (const { after, before } of cutting) {
    pieces.push({ from, to: after });
    if (compareTimestamps(from.ts, before.ts) < 0) from = before;
  }
  return [...pieces, { from, to: last.to }]
    .filter((piece) => compareTimestamps(piece.from.ts, piece.to.ts) < 0)
    .map((piece) => ({ ...piece, slices: slicesBetween(chain, piece.from.ts, piece.to.ts) }));
}
