import { createHash } from 'node:crypto';
import type { OpTime } from '../../domain/timestamp.ts';
import { freeBytes } from '../packs/free-bytes.ts';
import { compressZstdFrame } from '../packs/zstd-frames.ts';
import { type OplogEntry, readOplogEntry, transactionKey, transactionRole } from './oplog-entry.ts';
import { encodeSliceHeader, type PreparedTransaction, type SliceHeader, targetSliceRawBytes } from './slice-format.ts';

/** Who writes a slice: part of every header. */
export interface SliceOrigin {
  readonly member: string;
  readonly serverVersion: string;
  readonly run: string;
  readonly fence: number;
}

const frameRawBytes = 1024 * 1024;
/** Each that is being compressed takes some MiB beside the frame itself. */
const framesAtOnce = 2;

/**
 * Collects entries into one slice; compresses while it collects, so that it holds little more than the result. Entries are
 * copied: the memory of the reply that they came in is free when {@link SliceBuilder.add} returns.
 */
export class SliceBuilder {
  readonly #origin: SliceOrigin;
  readonly #prepared: Map<string, OpTime>;
  readonly #hash = createHash('sha256');
  readonly #frames: Promise<Buffer>[] = [];
  #compressing = 0;
  #frame = Buffer.alloc(0);
  #frameBytes = 0;
  #first: OpTime | undefined;
  #last: { readonly opTime: OpTime; readonly raw: Buffer } | undefined;
  #entries = 0;
  #rawBytes = 0;

  /** @param prepared the transactions that are prepared and not decided where this slice begins */
  constructor(origin: SliceOrigin, prepared: readonly PreparedTransaction[]) {
    this.#origin = origin;
    this.#prepared = new Map(prepared.map(({ transaction, opTime }) => [transaction, opTime]));
  }

  get entries(): number {
    return this.#entries;
  }

  /** A copy: the slice after this one begins with it. Undefined while empty; to be asked for before {@link finish}. */
  get lastEntry(): OplogEntry | undefined {
    return this.#last && readOplogEntry(Buffer.from(this.#last.raw));
  }

  get prepared(): PreparedTransaction[] {
    return [...this.#prepared].map(([transaction, opTime]) => ({ transaction, opTime }));
  }

  /** Whether an entry of that size still belongs into this slice. A slice has at least two entries: else it leads nowhere. */
  hasRoomFor(size: number): boolean {
    return this.#entries < 2 || this.#rawBytes + size <= targetSliceRawBytes;
  }

  add(entry: OplogEntry): void {
    const { raw, opTime } = entry;
    if (this.#frameBytes > 0 && this.#frameBytes + raw.length > this.#frame.length) this.#closeFrame();
    if (this.#frameBytes === 0) this.#frame = Buffer.allocUnsafeSlow(Math.max(frameRawBytes, raw.length));
    raw.copy(this.#frame, this.#frameBytes);
    this.#last = { opTime, raw: this.#frame.subarray(this.#frameBytes, this.#frameBytes + raw.length) };
    this.#frameBytes += raw.length;
    this.#first ??= opTime;
    this.#entries += 1;
    this.#rawBytes += raw.length;
    this.#follow(entry);
  }

  /** More is being compressed than memory is meant for: {@link settled} is to be awaited before the next entry. */
  get isFull(): boolean {
    return this.#compressing > framesAtOnce;
  }

  /** Until what is being compressed is. @throws Internal, what zlib does */
  async settled(): Promise<void> {
    await Promise.all(this.#frames);
  }

  /** Following the shared first entry twice changes nothing. */
  #follow(entry: OplogEntry): void {
    const role = transactionRole(entry);
    if (role === 'prepare') this.#prepared.set(transactionKey(entry), entry.opTime);
    if (role === 'commit' || role === 'abort') this.#prepared.delete(transactionKey(entry));
  }

  #closeFrame(): void {
    const raw = this.#frame.subarray(0, this.#frameBytes);
    this.#hash.update(raw);
    this.#compressing += 1;
    const frame = compressZstdFrame(raw, 1).finally(() => {
      this.#compressing -= 1;
      freeBytes(raw);
    });
    // Awaited by finish; a slice that is given up must not leave a rejection behind.
    frame.catch(() => undefined);
    this.#frames.push(frame);
    this.#frameBytes = 0;
  }

  /** Bytes of the entries so far. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /**
   * The object's bytes; undefined while empty. The builder is of no use afterwards.
   * @param fence where it was not known when the slice was begun
   */
  async finish(fence = this.#origin.fence): Promise<{ header: SliceHeader; body: Buffer } | undefined> {
    if (!this.#first || !this.#last) return undefined;
    if (this.#frameBytes > 0) this.#closeFrame();
    const header: SliceHeader = {
      schemaVersion: 1,
      from: this.#first,
      to: this.#last.opTime,
      entries: this.#entries,
      rawBytes: this.#rawBytes,
      sha256: this.#hash.digest('hex'),
      ...this.#origin,
      fence,
      prepared: this.prepared,
    };
    const body = Buffer.concat([await encodeSliceHeader(header), ...(await Promise.all(this.#frames))]);
    return { header, body };
  }
}
