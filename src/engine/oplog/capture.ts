import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys } from '../../domain/names.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime, type Timestamp } from '../../domain/timestamp.ts';
import { crc32Hex, requireWritten } from '../packs/written-object.ts';
import type { Source } from '../source/member-state.ts';
import { changesFeatureCompatibilityVersion, type OplogEntry, transactionRole } from './oplog-entry.ts';
import { firstOfChain, readOplog } from './oplog-source.ts';
import { type CapturedSlice, capturedSlice } from './read-chain.ts';
import { readSlice } from './read-slices.ts';
import { SliceBuilder, type SliceOrigin } from './slice-builder.ts';
import type { PreparedTransaction, SliceHeader } from './slice-format.ts';

export interface CaptureTarget {
  readonly store: ObjectStore;
  readonly oplogPrefix: string;
  readonly origin: SliceOrigin;
  /** Called before each slice is written. @throws LeaseLost */
  readonly checkFence: () => Promise<void>;
}

export interface CaptureStart {
  /** The chain as it is in the storage; empty for a new one. */
  readonly chain: readonly CapturedSlice[];
  /** The first entry of the chain. */
  readonly from: OpTime;
  /** Of the last slice's header. */
  readonly prepared: readonly PreparedTransaction[];
  /** Every entry up to it is in the base. */
  readonly applyFrom: OpTime;
  /** A change of the feature compatibility version up to it fails the base; undefined while it is not known. */
  readonly until: Timestamp | undefined;
}

/** Takes a member's oplog into slices, each continuing the one before. One step at a time; not to be called twice at once. */
export class OplogCapture {
  #source: Source;
  readonly #target: CaptureTarget;
  readonly #start: CaptureStart;
  readonly #slices: CapturedSlice[];
  #builder: SliceBuilder;
  #from: OpTime;
  /** The last entry read: in a slice or in the builder. */
  #last: OpTime;

  constructor(source: Source, target: CaptureTarget, start: CaptureStart) {
    this.#source = source;
    this.#target = target;
    this.#start = start;
    this.#slices = [...start.chain];
    this.#from = start.chain[0]?.from ?? start.from;
    this.#last = start.chain.at(-1)?.to ?? start.from;
    this.#builder = new SliceBuilder(target.origin, start.prepared);
  }

  /** The first entry of the chain: moves back when a transaction turns out to have begun earlier. */
  get from(): OpTime {
    return this.#from;
  }

  /** The last entry that is in a slice in the storage; the start while there is none. */
  get capturedTo(): OpTime {
    return this.#slices.at(-1)?.to ?? this.#start.from;
  }

  get slices(): readonly CapturedSlice[] {
    return this.#slices;
  }

  /** Transactions that are prepared and not decided at the last entry read. */
  get prepared(): readonly PreparedTransaction[] {
    return this.#builder.prepared;
  }

  /**
   * Reads on to `upTo`, which must be majority-committed, and writes the slices that are full.
   * @param flush writes the last one too, however small
   * @param signal ends this step; by default the source's
   * @throws OplogRolledOver, OplogGap, FeatureCompatibilityVersionChanged, SourceUnreachable, the storage's errors
   */
  async advance(upTo: OpTime, flush: boolean, signal = this.#source.signal): Promise<void> {
    this.#source = { ...this.#source, signal };
    while (compareTimestamps(this.#last.ts, upTo.ts) < 0) await this.#readTo(upTo);
    if (flush && this.#builder.entries > 1) await this.#close();
  }

  /** For a set that is idle: a slice of the one entry that the chain begins with, so that the captured oplog is not empty. */
  async captureStartOnly(): Promise<void> {
    if (this.#slices.length > 0) return;
    for await (const entry of readOplog(this.#source, this.#last, this.#last.ts)) {
      await this.#inspect(entry);
      await this.#builder.append(entry);
    }
    // A transaction that ends with this entry has put slices in front, the last of which holds it.
    if (this.#slices.length === 0) await this.#close();
  }

  /** Puts slices in front, when the chain begins after `from`. */
  async ensureFrom(from: OpTime): Promise<void> {
    if (compareTimestamps(from.ts, this.#from.ts) >= 0) return;
    const start = { chain: [], from, prepared: [], applyFrom: this.#from, until: undefined };
    const front = new OplogCapture(this.#source, this.#target, start);
    await front.advance(this.#from, true);
    if (!sameOpTime(front.capturedTo, this.#from))
      throw new HoldfastError(
        'OplogGap',
        `Slices from ${describeOpTime(from)} lead to ${describeOpTime(front.capturedTo)}, not to ${describeOpTime(this.#from)}.`,
      );
    this.#slices.unshift(...front.slices);
    this.#from = front.from;
  }

  async #readTo(upTo: OpTime): Promise<void> {
    // When entries wait to be written, the first one read is the last of them: it only proves that none is missing.
    let known = this.#builder.entries > 0;
    for await (const entry of readOplog(this.#source, this.#last, upTo.ts)) {
      if (known) {
        known = false;
        continue;
      }
      await this.#inspect(entry);
      if (!this.#builder.hasRoomFor(entry.raw.length) && (await this.#close()) === 'adopted') return;
      await this.#builder.append(entry);
      this.#last = entry.opTime;
    }
    if (!sameOpTime(this.#last, upTo)) throw this.#unreached(upTo);
  }

  /** The member said that it has `upTo`, and all before it, but does not show it. */
  #unreached(upTo: OpTime): HoldfastError {
    return new HoldfastError(
      'OplogGap',
      `The oplog of ${this.#source.member} does not hold ${describeOpTime(upTo)}: it shows ${describeOpTime(this.#last)} instead.`,
    );
  }

  async #inspect(entry: OplogEntry): Promise<void> {
    const { applyFrom, until } = this.#start;
    const { ts } = entry.opTime;
    const inWindow =
      compareTimestamps(ts, applyFrom.ts) > 0 && (until === undefined || compareTimestamps(ts, until) <= 0);
    if (inWindow && changesFeatureCompatibilityVersion(entry))
      throw new HoldfastError(
        'FeatureCompatibilityVersionChanged',
        `The feature compatibility version was changed at ${describeOpTime(entry.opTime)}, while the base was taken.`,
      );
    await this.#includeWholeTransaction(entry);
  }

  /**
   * Consistency rule 6: a transaction that ends in the captured oplog is in it from its first entry on. An abort needs
   * nothing of what it undoes.
   */
  async #includeWholeTransaction(entry: OplogEntry): Promise<void> {
    const role = transactionRole(entry);
    if (!role || role === 'abort' || !entry.prevOpTime) return;
    if (compareTimestamps(entry.prevOpTime.ts, this.#from.ts) < 0)
      await this.ensureFrom(await firstOfChain(this.#source, entry.prevOpTime));
  }

  /** Writes what the builder holds, and begins the next slice with its last entry; or takes over what another wrote there. */
  async #close(): Promise<'written' | 'adopted'> {
    const made = await this.#builder.finish();
    if (!made) return 'written';
    await this.#target.checkFence();
    const key = artifactKeys.slice(this.#target.oplogPrefix, made.header.from.ts);
    try {
      const written = await this.#target.store.put(key, made.body, { ifNoneMatch: '*' });
      requireWritten(written, made.body.length, crc32Hex(crc32(made.body)));
      this.#slices.push(capturedSlice({ key, size: written.size, header: made.header }));
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectExists')) throw error;
      return this.#adopt(key, made.header);
    }
    this.#builder = this.#builder.next(made.body);
    return 'written';
  }

  /** An earlier attempt wrote a slice from there: what it holds is majority-committed, so it is ours as well. */
  async #adopt(key: string, ours: SliceHeader): Promise<'adopted'> {
    const { header } = await readSlice(this.#target.store, key);
    const leadsOn = !sameOpTime(header.from, header.to);
    if (!sameOpTime(header.from, ours.from) || !leadsOn)
      throw new HoldfastError(
        'OplogGap',
        `${key} holds ${describeOpTime(header.from)} to ${describeOpTime(header.to)}; ${describeOpTime(ours.from)} to ${describeOpTime(ours.to)} cannot follow it.`,
      );
    const { size } = (await this.#target.store.head(key)) ?? { size: 0 };
    this.#slices.push(capturedSlice({ key, size, header }));
    this.#last = header.to;
    this.#builder = new SliceBuilder(this.#target.origin, header.prepared);
    return 'adopted';
  }
}
