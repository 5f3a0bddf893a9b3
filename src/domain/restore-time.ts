import { HoldfastError } from './errors.ts';
import { laterTimestamp, type OpTime, type Timestamp } from './timestamp.ts';

/** Consistency rule 3: the restore time of a backup is the greatest point over its parts. @throws Internal without points. */
export function chooseRestoreTime(points: readonly OpTime[]): Timestamp {
  const [first, ...others] = points.map(({ ts }) => ts);
  if (first === undefined) throw new HoldfastError('Internal', 'A restore time was asked for without any point.');
  return others.reduce(laterTimestamp, first);
}
