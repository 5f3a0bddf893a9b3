import { type Document, type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, type OpTime, type Timestamp } from '../../domain/timestamp.ts';

/** The oplog in a data directory, by a mongod that has it open as a standalone. */

const truncateId = 'oplogTruncateAfterPoint';

interface TruncatePoint {
  readonly _id: string;
  readonly oplogTruncateAfterPoint?: BsonTimestamp;
}

const truncatePoints = (client: MongoClient) =>
  client.db('local').collection<TruncatePoint>('replset.oplogTruncateAfterPoint');

/** Backwards always: a forward find on an oplog that was just extended hangs (ran on 6.0.5). */
async function lastEntry(client: MongoClient, filter: Document): Promise<OpTime | undefined> {
  const options = { sort: { $natural: -1 }, projection: { ts: 1, t: 1 } } as const;
  const found = await client.db('local').collection('oplog.rs').findOne(filter, options);
  if (!found) return undefined;
  const { ts, t } = found as unknown as { ts: BsonTimestamp; t?: unknown };
  return { ts: { t: ts.t, i: ts.i }, t: Number(t ?? -1) };
}

/** @throws RecoveryFailed when there is no oplog: the files are no replica set member's */
export async function readTop(client: MongoClient): Promise<OpTime> {
  const top = await lastEntry(client, {});
  if (top) return top;
  throw new HoldfastError('RecoveryFailed', "The files hold no oplog: they are not a replica set member's.");
}

/**
 * The last entry that no entry is missing before. Entries are written side by side: after a crash those behind the
 * member's own truncation point may have holes between them, which the member would have cut off.
 */
export async function readSafeTop(client: MongoClient): Promise<OpTime> {
  const top = await readTop(client);
  const point = (await truncatePoints(client).findOne({ _id: truncateId }))?.oplogTruncateAfterPoint;
  if (!point || (point.t === 0 && point.i === 0) || compareTimestamps(point, top.ts) >= 0) return top;
  const safe = await lastEntry(client, { ts: { $lte: point } });
  if (safe) return safe;
  throw new HoldfastError('RecoveryFailed', 'The oplog of the files begins after the point that it is whole to.');
}

/** What recovery cuts the oplog at: `time` itself stays. */
export async function truncateOplogAfter(client: MongoClient, time: Timestamp): Promise<void> {
  await truncatePoints(client).updateOne(
    { _id: truncateId },
    { $set: { oplogTruncateAfterPoint: new BsonTimestamp(time) } },
    { upsert: true },
  );
}

/** After recovery, when a forward read is safe again. */
export async function countEntries(client: MongoClient, after: Timestamp, upTo: Timestamp): Promise<number> {
  const range = { $gt: new BsonTimestamp(after), $lte: new BsonTimestamp(upTo) };
  return client.db('local').collection('oplog.rs').countDocuments({ ts: range });
}

/** The least that replSetResizeOplog takes. */
const leastMegabytes = 990;
const megabyte = 1024 * 1024;

/** Makes room for `bytes` more: an oplog that is full forgets its oldest entries, which recovery may begin with. */
export async function makeRoom(client: MongoClient, bytes: number): Promise<void> {
  const { maxSize } = (await client.db('local').command({ collStats: 'oplog.rs' })) as { maxSize: number };
  const size = Math.max(leastMegabytes, Math.ceil((maxSize + bytes) / megabyte) + 64);
  await client.db('admin').command({ replSetResizeOplog: 1, size });
}
