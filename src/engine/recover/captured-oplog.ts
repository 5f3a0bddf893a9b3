import { HoldfastError } from '../../domain/errors.ts';
import {
  compareTimestamps,
  describeOpTime,
  formatTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from '../../domain/timestamp.ts';
import { readEntryOpTime } from '../oplog/oplog-entry.ts';
import { readSliceStream, type SliceInStore } from '../oplog/read-slices.ts';

/** What was found on the way; complete once the last piece was read. */
export interface OplogFacts {
  /** The greatest captured entry that is not after the restore time. */
  end: OpTime | undefined;
  /** Entries handed out. */
  count: number;
}

export interface MissingInput {
  readonly slices: readonly SliceInStore[];
  readonly restoreTime: Timestamp;
  /** The last entry of the files' own oplog that nothing is missing before. */
  readonly safe: OpTime;
}

/**
 * The entries after `safe`, up to and including the restore time. Proves what recovery does not look at: that slices
 * follow each other, and that they hold the entry that the files end with, by time and term: then everything before it
 * is the same history, and nothing lies between.
 * @throws OplogGap, RecoveryFailed (the files have another history), and what the slices throw
 */
export async function* missingEntries(input: MissingInput, facts: OplogFacts): AsyncGenerator<readonly Buffer[]> {
  const { safe, restoreTime } = input;
  const before = compareTimestamps(safe.ts, restoreTime) < 0 ? safe.ts : restoreTime;
  const slices = input.slices.filter(({ slice }) => compareTimestamps(slice.to.ts, before) >= 0);
  // Files that reach further than the restore time hold all of it: what is compared is the end, after recovery.
  let anchored = compareTimestamps(safe.ts, restoreTime) > 0;
  for await (const piece of readSliceStream(slices)) {
    const missing: Buffer[] = [];
    for (const raw of piece) {
      const opTime = readEntryOpTime(raw);
      if (facts.end && compareTimestamps(facts.end.ts, opTime.ts) >= 0) throw outOfOrder(facts.end, opTime);
      if (compareTimestamps(opTime.ts, restoreTime) > 0) {
        if (missing.length > 0) yield missing;
        requireEnd(input, facts, anchored);
        return;
      }
      facts.end = opTime;
      anchored ||= sameOpTime(opTime, safe);
      if (compareTimestamps(opTime.ts, safe.ts) <= 0) continue;
      if (!anchored) throw notAnchored(safe, opTime);
      missing.push(raw);
      facts.count++;
    }
    if (missing.length > 0) yield missing;
  }
  requireEnd(input, facts, anchored);
  if (facts.end && compareTimestamps(facts.end.ts, restoreTime) < 0) throw endsBefore(facts.end, restoreTime);
}

function requireEnd({ safe, restoreTime }: MissingInput, { end }: OplogFacts, anchored: boolean): void {
  if (!end)
    throw new HoldfastError(
      'OplogGap',
      `The captured oplog holds nothing up to the restore time ${formatTimestamp(restoreTime)}.`,
    );
  if (!anchored) throw notAnchored(safe, end);
}

function outOfOrder(before: OpTime, opTime: OpTime): HoldfastError {
  return new HoldfastError(
    'VerificationFailed',
    `The captured oplog is out of order: ${describeOpTime(opTime)} comes after ${describeOpTime(before)}.`,
  );
}

function endsBefore(end: OpTime, restoreTime: Timestamp): HoldfastError {
  return new HoldfastError(
    'OplogGap',
    `The captured oplog ends with ${describeOpTime(end)}, before the restore time ${formatTimestamp(restoreTime)}.`,
  );
}

function notAnchored(safe: OpTime, found: OpTime): HoldfastError {
  return new HoldfastError(
    'OplogGap',
    `The oplog of the files ends with ${describeOpTime(safe)}, which is not in the captured oplog: it has ${describeOpTime(found)} without it.`,
    { next: 'Restore from another backup: entries are missing between, or the files are of another history.' },
  );
}
