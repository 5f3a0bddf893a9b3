import { Timestamp as BsonTimestamp } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime, type Timestamp } from '../../domain/timestamp.ts';
import { elements } from '../bson/raw-document.ts';
import { readSmallCollection, type Source } from '../source/member-state.ts';
import { openRawCursor } from '../source/raw-cursor.ts';
import { sourceError } from '../source/source-errors.ts';
import { type OplogEntry, readOplogEntry } from './oplog-entry.ts';

const oplog = 'oplog.rs';

/** As much as is compressed at once (slice-builder.ts); a batch of large entries is larger, of up to 16 MiB. */
const batchBytes = 1024 * 1024;

/** @returns undefined for an oplog without entries */
export async function oldestEntry(source: Source): Promise<OpTime | undefined> {
  const find = { find: oplog, sort: { $natural: 1 }, limit: 1, projection: { ts: 1, t: 1, op: 1 } };
  const [first] = await readSmallCollection(source, 'local', find);
  return first && readOplogEntry(first).opTime;
}

/** Says why the entry that must be there is not: the oplog forgot it, or the member now has another history. */
async function missingEntry(source: Source, wanted: OpTime, found: OpTime | undefined): Promise<HoldfastError> {
  const oldest = await oldestEntry(source);
  if (oldest && compareTimestamps(oldest.ts, wanted.ts) > 0)
    return new HoldfastError(
      'OplogRolledOver',
      `The oplog of ${source.member} begins at ${describeOpTime(oldest)}; ${describeOpTime(wanted)} is needed next.`,
    );
  const instead = found ? `holds ${describeOpTime(found)}` : 'ends before it';
  return new HoldfastError(
    'OplogGap',
    `The oplog of ${source.member} does not hold ${describeOpTime(wanted)}: it ${instead}. It was rolled back or resynced.`,
  );
}

/**
 * The entries from `from` to `to`, both included, in order, as views of the replies, whose memory is used again: an entry is
 * good until the next one is asked for. The first one is proved to be `from` itself, same timestamp and term (consistency
 * rule 8).
 * @throws OplogRolledOver, OplogGap (both times named), SourceUnreachable, MemberStateChanged, CorruptSource
 */
export async function* readOplog(source: Source, from: OpTime, to: Timestamp): AsyncGenerator<OplogEntry> {
  const filter = { ts: { $gte: new BsonTimestamp(from.ts), $lte: new BsonTimestamp(to) } };
  let first = true;
  try {
    const options = { signal: source.signal, batchBytes };
    const cursor = await openRawCursor(source.client, 'local', { find: oplog, filter }, options);
    try {
      for (let batch = await cursor.next(); batch; batch = await cursor.next()) {
        for (const element of elements(batch)) {
          const entry = readOplogEntry(batch.subarray(element.value, element.end));
          if (first && !sameOpTime(entry.opTime, from)) throw await missingEntry(source, from, entry.opTime);
          first = false;
          yield entry;
        }
        cursor.release();
      }
    } finally {
      await cursor.close();
    }
  } catch (error) {
    throw sourceError(error, source.member, 'reading the oplog');
  }
  if (first) throw await missingEntry(source, from, undefined);
}

/** The entry of that time that the member's oplog holds; undefined for none. */
export async function entryOf(source: Source, ts: Timestamp): Promise<OpTime | undefined> {
  const filter = { ts: new BsonTimestamp(ts) };
  const [found] = await readSmallCollection(source, 'local', {
    find: oplog,
    filter,
    projection: { ts: 1, t: 1, op: 1 },
  });
  return found && readOplogEntry(found).opTime;
}

/** Whether the member's oplog holds exactly that entry. */
export async function hasOplogEntry(source: Source, opTime: OpTime): Promise<boolean> {
  const found = await entryOf(source, opTime.ts);
  return found !== undefined && sameOpTime(found, opTime);
}

/** The entry before one that the oplog holds; undefined when that is its first. */
export async function entryBefore(source: Source, opTime: OpTime): Promise<OpTime | undefined> {
  const filter = { ts: { $lt: new BsonTimestamp(opTime.ts) } };
  const projection = { ts: 1, t: 1, op: 1 };
  const [found] = await readSmallCollection(source, 'local', {
    ...{ find: oplog, filter, projection, sort: { $natural: -1 }, limit: 1 },
  });
  return found && readOplogEntry(found).opTime;
}

/**
 * Follows `prevOpTime` from an entry of a transaction to the first entry of that transaction (consistency rule 6).
 * @throws OplogRolledOver, OplogGap when an entry of the chain is not there
 */
export async function firstOfChain(source: Source, opTime: OpTime): Promise<OpTime> {
  let at = opTime;
  for (;;) {
    const find = {
      find: oplog,
      filter: { ts: new BsonTimestamp(at.ts) },
      projection: { ts: 1, t: 1, op: 1, prevOpTime: 1 },
    };
    const [found] = await readSmallCollection(source, 'local', find);
    const entry = found && readOplogEntry(found);
    if (!entry || !sameOpTime(entry.opTime, at)) throw await missingEntry(source, at, entry?.opTime);
    if (!entry.prevOpTime) return at;
    at = entry.prevOpTime;
  }
}
