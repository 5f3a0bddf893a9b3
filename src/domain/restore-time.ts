import { HoldfastError } from './errors.ts';
import {
  compareTimestamps,
  formatTimestamp,
  laterTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from './timestamp.ts';

/** Consistency rule 3: the restore time of a backup is the greatest point over its parts. @throws Internal without points. */
export function chooseRestoreTime(points: readonly OpTime[]): Timestamp {
  const [first, ...others] = points.map(({ ts }) => ts);
  if (first === undefined) throw new HoldfastError('Internal', 'A restore time was asked for without any point.');
  return others.reduce(laterTimestamp, first);
}

/** How far one part has got; an optime is always time and term. */
export interface CaptureState {
  /** The part's majority commit point; null while unknown. */
  readonly majority: OpTime | null;
  /** The last entry captured; what lies before it, from the start of capture on, is captured without a hole. */
  readonly capturedTo: OpTime | null;
  /** The captured entry whose time is exactly the restore time; null when there is none (yet). */
  readonly entryAtRestoreTime: OpTime | null;
  /** The part's own point. */
  readonly point: OpTime;
}

/**
 * Consistency rule 4: a part has reached the restore time when its majority commit point has, and the entry of that
 * time and term is captured, or, where the time is no entry of the part, an entry after it is.
 * @throws OplogGap when the part's own point is the restore time and another entry stands in its place: it was rolled back.
 */
export function isRestoreTimeReached(restoreTime: Timestamp, state: CaptureState): boolean {
  const { majority, capturedTo, entryAtRestoreTime, point } = state;
  const pointIsRestoreTime = compareTimestamps(point.ts, restoreTime) === 0;
  const capturedPast = capturedTo !== null && compareTimestamps(capturedTo.ts, restoreTime) > 0;
  const replaced = entryAtRestoreTime === null ? capturedPast : !sameOpTime(entryAtRestoreTime, point);
  if (pointIsRestoreTime && replaced) {
    throw new HoldfastError(
      'OplogGap',
      `The entry of the restore time ${formatTimestamp(restoreTime)} (term ${point.t}) is not in the captured oplog: it was rolled back.`,
    );
  }
  const committed = majority !== null && compareTimestamps(majority.ts, restoreTime) >= 0;
  return committed && (entryAtRestoreTime !== null || capturedPast);
}
