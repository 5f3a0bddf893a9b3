import { HoldfastError } from '../../domain/errors.ts';
import {
  compareTimestamps,
  describeOpTime,
  formatTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from '../../domain/timestamp.ts';
import { type EntryHead, readEntryHead } from '../oplog/entry-head.ts';
import { readAhead } from '../oplog/read-ahead.ts';
import { readSliceFrames, type SliceInStore } from '../oplog/read-slices.ts';
import { CountedCollections, EntriesToAppend } from './entries-to-append.ts';

/** What was found on the way; complete once the last piece was read. */
export class OplogFacts {
  /** The greatest captured entry that is not after the restore time. */
  end: OpTime | undefined;
  /** Entries handed out. */
  count = 0;
  /** Collections that those added documents to or removed some from. */
  readonly counted = new CountedCollections();
}

export interface MissingInput {
  readonly slices: readonly SliceInStore[];
  readonly restoreTime: Timestamp;
  /** The last entry of the files' own oplog that nothing is missing before. */
  readonly safe: OpTime;
}

/**
 * The entries after `safe`, up to and including the restore time, as {@link EntriesToAppend}. Proves what recovery does not
 * look at: that slices follow each other, and that they hold the entry that the files end with, by time and term: then
 * everything before it is the same history, and nothing lies between.
 * @throws OplogGap, RecoveryFailed (the files have another history), and what the slices throw
 */
export async function* missingEntries(input: MissingInput, facts: OplogFacts): AsyncGenerator<EntriesToAppend> {
  const { safe, restoreTime } = input;
  const before = compareTimestamps(safe.ts, restoreTime) < 0 ? safe.ts : restoreTime;
  const slices = input.slices.filter(({ slice }) => compareTimestamps(slice.to.ts, before) >= 0);
  const chain = new CapturedChain(input, facts);
  for await (const frames of readAhead(readSliceFrames(slices)))
    for (const frame of frames) {
      const missing = chain.missingOf(frame);
      if (missing.count > 0) yield missing;
      if (chain.isAtEnd) return;
    }
  chain.requireEnd();
}

/** Entries in their order, as far as they were looked at. */
class CapturedChain {
  readonly #input: MissingInput;
  readonly #facts: OplogFacts;
  #anchored: boolean;
  /** An entry after the restore time was seen. */
  isAtEnd = false;

  constructor(input: MissingInput, facts: OplogFacts) {
    this.#input = input;
    this.#facts = facts;
    // Files that reach further than the restore time hold all of it: what is compared is the end, after recovery.
    this.#anchored = compareTimestamps(input.safe.ts, input.restoreTime) > 0;
  }

  /** Of the next entries, those that the files lack. */
  missingOf(frame: Buffer): EntriesToAppend {
    const missing = new EntriesToAppend(frame);
    for (let at = 0; at < frame.length && !this.isAtEnd;) {
      const head = readEntryHead(frame, at);
      if (this.#isMissing(head)) {
        this.#facts.count++;
        this.#facts.counted.add(frame, head);
        missing.add(at, head);
      }
      at = head.end;
    }
    return missing;
  }

  #isMissing({ opTime }: EntryHead): boolean {
    const facts = this.#facts;
    const { safe, restoreTime } = this.#input;
    if (facts.end && compareTimestamps(facts.end.ts, opTime.ts) >= 0) throw outOfOrder(facts.end, opTime);
    if (compareTimestamps(opTime.ts, restoreTime) > 0) {
      requireEnd(this.#input, facts, this.#anchored);
      this.isAtEnd = true;
      return false;
    }
    facts.end = opTime;
    this.#anchored ||= sameOpTime(opTime, safe);
    if (compareTimestamps(opTime.ts, safe.ts) <= 0) return false;
    if (!this.#anchored) throw notAnchored(safe, opTime);
    return true;
  }

  /** Of a chain that has no entry after the restore time. */
  requireEnd(): void {
    const { end } = this.#facts;
    const { restoreTime } = this.#input;
    requireEnd(this.#input, this.#facts, this.#anchored);
    if (end && compareTimestamps(end.ts, restoreTime) < 0) throw endsBefore(end, restoreTime);
  }
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
