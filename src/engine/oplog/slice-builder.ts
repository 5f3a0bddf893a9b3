import { createHash } from 'node:crypto';
import type { OpTime } from '../../domain/timestamp.ts';
import { compressZstdFrame } from '../packs/zstd-frames.ts';
import { type OplogEntry, transactionKey, transactionRole } from './oplog-entry.ts';
import { encodeSliceHeader, type PreparedTransaction, type SliceHeader, targetSliceRawBytes } from './slice-format.ts';

/** Who writes a slice: part of every header. */
export interface SliceOrigin {
  readonly member: string;
  readonly serverVersion: string;
  readonly run: string;
  readonly fence: number;
}

const frameRawBytes = 1024 * 1024;

/** Collects entries into one slice; compresses while it collects, so that it holds little more than the result. */
export class SliceBuilder {
  readonly #origin: SliceOrigin;
  readonly #prepared: Map<string, OpTime>;
  readonly #hash = createHash('sha256');
  readonly #frames: Promise<Buffer>[] = [];
  #frame: Buffer[] = [];
  #frameBytes = 0;
  #first: OpTime | undefined;
  #lastEntry: OplogEntry | undefined;
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

  /** The slice after this one begins with it; undefined while empty. */
  get lastEntry(): OplogEntry | undefined {
    return this.#lastEntry;
  }

  get prepared(): PreparedTransaction[] {
    return [...this.#prepared].map(([transaction, opTime]) => ({ transaction, opTime }));
  }

  /** Whether an entry of that size still belongs into this slice. A slice has at least two entries: else it leads nowhere. */
  hasRoomFor(size: number): boolean {
    return this.#entries < 2 || this.#rawBytes + size <= targetSliceRawBytes;
  }

  add(entry: OplogEntry): void {
    this.#first ??= entry.opTime;
    this.#lastEntry = entry;
    this.#entries += 1;
    this.#rawBytes += entry.raw.length;
    this.#hash.update(entry.raw);
    this.#follow(entry);
    this.#frame.push(entry.raw);
    this.#frameBytes += entry.raw.length;
    if (this.#frameBytes >= frameRawBytes) this.#closeFrame();
  }

  /** Following the shared first entry twice changes nothing. */
  #follow(entry: OplogEntry): void {
    const role = transactionRole(entry);
    if (role === 'prepare') this.#prepared.set(transactionKey(entry), entry.opTime);
    if (role === 'commit' || role === 'abort') this.#prepared.delete(transactionKey(entry));
  }

  #closeFrame(): void {
    const frame = compressZstdFrame(Buffer.concat(this.#frame), 1);
    // Awaited by finish; a slice that is given up must not leave a rejection behind.
    frame.catch(() => undefined);
    this.#frames.push(frame);
    this.#frame = [];
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
    if (!this.#first || !this.#lastEntry) return undefined;
    if (this.#frameBytes > 0) this.#closeFrame();
    const header: SliceHeader = {
      schemaVersion: 1,
      from: this.#first,
      to: this.#lastEntry.opTime,
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
