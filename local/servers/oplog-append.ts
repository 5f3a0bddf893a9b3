import { BSON, type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import { HoldfastError } from '../../src/domain/errors.ts';
import {
  compareTimestamps,
  formatTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from '../../src/domain/timestamp.ts';
import { connectRaw } from './raw-command.ts';

const batchBytes = 32_000_000;
const batchEntries = 50_000;

function optimeOf(entry: BSON.Document): OpTime {
  const { ts, t } = entry as { ts: BsonTimestamp; t?: BSON.Long | number };
  return { ts: { t: ts.t, i: ts.i }, t: Number(t ?? -1) };
}

/** The last entry of a server's oplog; a forward find may hang on an oplog that has just been extended. */
export async function readTop(client: MongoClient): Promise<OpTime> {
  const oplog = client.db('local').collection('oplog.rs');
  const [top] = await oplog.find().sort({ $natural: -1 }).limit(1).toArray();
  if (top === undefined) throw new HoldfastError('Internal', 'The oplog is empty.');
  return optimeOf(top);
}

export interface Appended {
  /** The target's last entry before. */
  readonly after: Timestamp;
  readonly count: number;
}

interface Append {
  readonly source: MongoClient;
  readonly target: MongoClient;
  /** Of the target, which wants no authentication. */
  readonly port: number;
  readonly until: Timestamp;
}

/**
 * Copies the entries after the target's last one, to `until` inclusive, byte for byte.
 * @throws HoldfastError Internal when the source no longer has the target's last entry (a gap, which
 * recovery would accept without a word) or has no entry at `until`.
 */
export async function appendOplog({ source, target, port, until }: Append): Promise<Appended> {
  const from = await readTop(target);
  // The copy is younger than `until`: nothing to add, and the truncation takes away what is too much.
  if (compareTimestamps(from.ts, until) >= 0) return { after: until, count: 0 };
  const range = { $gte: new BsonTimestamp(from.ts), $lte: new BsonTimestamp(until) };
  const cursor = source.db('local').collection('oplog.rs').find({ ts: range }, { raw: true, batchSize: 10_000 });
  await using connection = await connectRaw(port);
  let batch: Uint8Array[] = [];
  let bytes = 0;
  let appended = 0;
  let last: OpTime | undefined;
  const flush = async () => {
    if (batch.length > 0) await connection.insert('local', 'oplog.rs', batch);
    appended += batch.length;
    batch = [];
    bytes = 0;
  };
  for await (const entry of cursor as unknown as AsyncIterable<Buffer>) {
    const optime = optimeOf(BSON.deserialize(entry));
    const first = last === undefined;
    last = optime;
    if (first && sameOpTime(optime, from)) continue;
    if (first)
      throw new HoldfastError('Internal', `The source's oplog no longer reaches back to ${formatTimestamp(from.ts)}.`);
    // The driver reuses the memory of a reply for the next one.
    batch.push(Buffer.from(entry));
    bytes += entry.length;
    if (bytes > batchBytes || batch.length >= batchEntries) await flush();
  }
  await flush();
  if (last === undefined || compareTimestamps(last.ts, until) !== 0) {
    throw new HoldfastError('Internal', `The source's oplog has no entry at ${formatTimestamp(until)}.`);
  }
  return { after: from.ts, count: appended };
}
