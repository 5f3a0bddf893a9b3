import type { SliceSummary } from './base.ts';
import { HoldfastError } from './errors.ts';
import { compareTimestamps, formatTimestamp, type OpTime, sameOpTime, type Timestamp } from './timestamp.ts';

/** A hole between two slices: the later one does not begin with the entry that the earlier one ended with. */
export interface SliceGap {
  readonly after: string;
  readonly before: string;
  readonly expected: OpTime;
  readonly found: OpTime;
}

const showOpTime = ({ ts, t }: OpTime) => `${formatTimestamp(ts)} (term ${t})`;

/** In the order of their first entries. */
export function sortSlices<Slice extends Pick<SliceSummary, 'from'>>(slices: readonly Slice[]): Slice[] {
  return [...slices].sort((a, b) => compareTimestamps(a.from.ts, b.from.ts));
}

/** Consistency rule 8: the first entry of a slice is the last of the one before, same time and term. */
export function findSliceGaps(slices: readonly SliceSummary[]): SliceGap[] {
  const sorted = sortSlices(slices);
  return sorted.slice(1).flatMap((slice, index) => {
    const before = sorted[index];
    return before === undefined || sameOpTime(before.to, slice.from)
      ? []
      : [{ after: before.key, before: slice.key, expected: before.to, found: slice.from }];
  });
}

/**
 * Proves that the slices are one chain that begins with the entry `from` and reaches the time `to`.
 * @returns them in order.
 * @throws OplogGap naming every hole.
 */
export function requireUnbrokenRange(slices: readonly SliceSummary[], from: OpTime, to: Timestamp): SliceSummary[] {
  const sorted = sortSlices(slices);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) {
    throw new HoldfastError('OplogGap', `No slice holds the oplog from ${showOpTime(from)} on.`);
  }
  const holes = findSliceGaps(sorted).map(
    ({ after, before, expected, found }) =>
      `${before} begins with ${showOpTime(found)}, but ${after} ends with ${showOpTime(expected)}`,
  );
  if (!sameOpTime(first.from, from)) {
    holes.unshift(`${first.key} begins with ${showOpTime(first.from)}, but the range with ${showOpTime(from)}`);
  }
  if (compareTimestamps(last.to.ts, to) < 0) {
    holes.push(`${last.key} ends with ${showOpTime(last.to)}, before ${formatTimestamp(to)}`);
  }
  if (holes.length > 0) {
    throw new HoldfastError('OplogGap', `The captured oplog has a hole: ${holes.join('; ')}.`, { details: { holes } });
  }
  return sorted;
}
