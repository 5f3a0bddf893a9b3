import { type Document, type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import type { ReplicaSetServers } from '../../../local/servers/replica-set.ts';
import type { HoldfastClient } from '../../../src/application/ports/holdfast-client.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../../src/domain/timestamp.ts';
import type { StoredSlice } from '../../../src/engine/oplog/read-chain.ts';
import { lastEntry } from '../archive-oplog.ts';
import { archiveToEnd } from '../physical-set.ts';

/** A time that is restored to. */
export interface Moment {
  readonly name: string;
  readonly time: Timestamp;
  /** The entry at which the source is the same, as far as its own recovery can tell; `time` when left out. */
  readonly frozenAt?: Timestamp;
  /** From a base by files too. */
  readonly byFiles: boolean;
}

const plain = ({ ts }: Document): Timestamp => ({ t: (ts as BsonTimestamp).t, i: (ts as BsonTimestamp).i });

/** Notes the times around what is done to a source, and ends slices of its archive where that is wanted. */
export class Moments {
  readonly all: Moment[] = [];
  /** What must be in several slices: its first entry and its last one. */
  readonly spans: { readonly name: string; readonly first: Timestamp; readonly last: Timestamp }[] = [];
  readonly #source: ReplicaSetServers;
  readonly #client: HoldfastClient;
  #cuts = 0;

  constructor(source: ReplicaSetServers, client: HoldfastClient) {
    this.#source = source;
    this.#client = client;
  }

  async top(): Promise<Timestamp> {
    return (await lastEntry(this.#source)).ts;
  }

  /** A slice ends here. */
  async cut(): Promise<void> {
    const cuts = this.#mongo().db('shop').collection<{ _id: number }>('cuts');
    await cuts.insertOne({ _id: ++this.#cuts }, { writeConcern: { w: 'majority' } });
    await archiveToEnd(this.#client, this.#source);
  }

  /** Right before, and at the first, the middle and the last entry of what is done. @returns the times of its entries */
  async around(name: string, work: () => Promise<unknown>, byFiles = false): Promise<Timestamp[]> {
    const before = await this.top();
    await work();
    const ts = { $gt: new BsonTimestamp(before), $lte: new BsonTimestamp(await this.top()) };
    const oplog = this.#mongo().db('local').collection('oplog.rs');
    const times = (await oplog.find({ ts, op: { $ne: 'n' } }, { projection: { ts: 1 } }).toArray()).map(plain);
    const picked = [0, Math.floor(times.length / 2), times.length - 1].flatMap((n) => times[n] ?? []);
    this.add({ name: `before ${name}`, time: before, byFiles });
    for (const [n, time] of picked.entries()) this.add({ name: `${name}, ${n + 1} of 3`, time, byFiles });
    return times;
  }

  add(moment: Moment): void {
    if (!this.all.some(({ time }) => compareTimestamps(time, moment.time) === 0)) this.all.push(moment);
  }

  mustSpan(name: string, times: readonly Timestamp[]): void {
    const [first, last] = [times[0], times.at(-1)];
    if (!first || !last) throw new TypeError(`${name}: no entries`);
    this.spans.push({ name, first, last });
  }

  #mongo(): MongoClient {
    return this.#source.client();
  }
}

/** Which slice an entry came with. */
export function holderOf(slices: readonly StoredSlice[], time: Timestamp): number {
  const found = slices.findIndex(
    ({ header: { from, to } }) => compareTimestamps(from.ts, time) < 0 && compareTimestamps(time, to.ts) <= 0,
  );
  if (found < 0) throw new TypeError(`no slice holds ${formatTimestamp(time)}`);
  return found;
}
