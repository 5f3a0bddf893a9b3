import { createHash, type Hash } from 'node:crypto';
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

/** The last entry of a slice, with which the next one begins. */
interface SharedEntry {
  readonly opTime: OpTime;
  readonly bytes: number;
  /** One that is small: the entry itself, in the frame of others. */
  readonly raw?: Buffer;
  /** A large one: compressed, alone in its frame, and its SHA-256, to be gone on with. */
  readonly alone?: { readonly frame: Promise<Buffer>; readonly hash: Hash };
}

/**
 * Collects entries into one slice; compresses while it collects, so that it holds little more than the result. Small entries
 * are copied, a large one, of up to 16 MiB, is compressed where it lies: the memory of the reply that it came in is free when
 * {@link SliceBuilder.append} is done.
 */
export class SliceBuilder {
  readonly #origin: SliceOrigin;
  readonly #prepared: Map<string, OpTime>;
  readonly #hash: Hash;
  readonly #frames: Promise<Buffer>[] = [];
  #compressing = 0;
  #isBorrowing = false;
  #frame = Buffer.alloc(0);
  #frameBytes = 0;
  #first: OpTime | undefined;
  #last: SharedEntry | undefined;
  /** Of the body, once there is one. */
  #lastFrameBytes = 0;
  #entries = 0;
  #rawBytes = 0;

  /** @param prepared the transactions that are prepared and not decided where this slice begins */
  constructor(origin: SliceOrigin, prepared: readonly PreparedTransaction[], shared?: SharedEntry) {
    this.#origin = origin;
    this.#prepared = new Map(prepared.map(({ transaction, opTime }) => [transaction, opTime]));
    this.#hash = shared?.alone?.hash.copy() ?? createHash('sha256');
    if (shared?.raw) this.#add(readOplogEntry(shared.raw));
    if (shared?.alone) this.#take(shared);
  }

  /**
   * One that begins with this one's last entry, as the slice after it does.
   * @param body of {@link finish}: what is large is copied out of it, and is not in memory twice until then
   */
  next(body: Buffer): SliceBuilder {
    const last = this.#last;
    if (!last?.alone) return new SliceBuilder(this.#origin, this.prepared, last);
    const frame = Promise.resolve(Buffer.from(body.subarray(body.length - this.#lastFrameBytes)));
    return new SliceBuilder(this.#origin, this.prepared, { ...last, alone: { ...last.alone, frame } });
  }

  get entries(): number {
    return this.#entries;
  }

  get prepared(): PreparedTransaction[] {
    return [...this.#prepared].map(([transaction, opTime]) => ({ transaction, opTime }));
  }

  /** Whether an entry of that size still belongs into this slice. A slice has at least two entries: else it leads nowhere. */
  hasRoomFor(size: number): boolean {
    return this.#entries < 2 || this.#rawBytes + size <= targetSliceRawBytes;
  }

  /** Waits while more is being compressed than memory is meant for, or in memory of the caller's. @throws Internal, what zlib does */
  async append(entry: OplogEntry): Promise<void> {
    this.#add(entry);
    if (!this.#isBorrowing && this.#compressing <= framesAtOnce) return;
    await Promise.all(this.#frames);
    this.#isBorrowing = false;
  }

  #add(entry: OplogEntry): void {
    const { raw, opTime } = entry;
    this.#follow(entry);
    if (this.#frameBytes > 0 && this.#frameBytes + raw.length > frameRawBytes) this.#closeFrame();
    if (raw.length > frameRawBytes) {
      this.#addAlone(opTime, raw);
      return;
    }
    if (this.#frameBytes === 0) this.#frame = Buffer.allocUnsafeSlow(frameRawBytes);
    raw.copy(this.#frame, this.#frameBytes);
    const copy = this.#frame.subarray(this.#frameBytes, this.#frameBytes + raw.length);
    this.#frameBytes += raw.length;
    this.#take({ opTime, bytes: raw.length, raw: copy });
  }

  #addAlone(opTime: OpTime, raw: Buffer): void {
    // What the next slice's SHA-256 begins with.
    const hash = createHash('sha256').update(raw);
    const frame = this.#compress(raw);
    this.#isBorrowing = true;
    this.#take({ opTime, bytes: raw.length, alone: { frame, hash } });
  }

  #take(last: SharedEntry): void {
    if (last.alone) this.#frames.push(last.alone.frame);
    this.#last = last;
    this.#first ??= last.opTime;
    this.#entries += 1;
    this.#rawBytes += last.bytes;
  }

  /** Following the shared first entry twice changes nothing. */
  #follow(entry: OplogEntry): void {
    const role = transactionRole(entry);
    if (role === 'prepare') this.#prepared.set(transactionKey(entry), entry.opTime);
    if (role === 'commit' || role === 'abort') this.#prepared.delete(transactionKey(entry));
  }

  #closeFrame(): void {
    const raw = this.#frame.subarray(0, this.#frameBytes);
    this.#frames.push(
      this.#compress(raw, () => {
        freeBytes(raw);
      }),
    );
    this.#frameBytes = 0;
  }

  #compress(raw: Buffer, done?: () => void): Promise<Buffer> {
    this.#hash.update(raw);
    this.#compressing += 1;
    const frame = compressZstdFrame(raw, 1)
      .then(withoutSpare)
      .finally(() => {
        this.#compressing -= 1;
        done?.();
      });
    // Awaited by finish; a slice that is given up must not leave a rejection behind.
    frame.catch(() => undefined);
    return frame;
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
    const { opTime, raw } = this.#last;
    // Of memory that is given back with its frame.
    if (raw) this.#last = { ...this.#last, raw: Buffer.from(raw) };
    if (this.#frameBytes > 0) this.#closeFrame();
    const header: SliceHeader = {
      schemaVersion: 1,
      from: this.#first,
      to: opTime,
      entries: this.#entries,
      rawBytes: this.#rawBytes,
      sha256: this.#hash.digest('hex'),
      ...this.#origin,
      fence,
      prepared: this.prepared,
    };
    const frames = [await encodeSliceHeader(header), ...(await Promise.all(this.#frames))];
    const body = Buffer.allocUnsafeSlow(frames.reduce((total, { length }) => total + length, 0));
    let at = 0;
    for (const frame of frames) {
      this.#lastFrameBytes = frame.copy(body, at);
      at += this.#lastFrameBytes;
      freeBytes(frame);
    }
    return { header, body };
  }
}

/** What compresses well leaves nearly all of the memory that it was given: a slice of such frames would hold it. */
function withoutSpare(frame: Buffer): Buffer {
  const memory = frame.buffer.byteLength;
  if (memory < frameRawBytes / 2 || memory < 2 * frame.length) return frame;
  const copy = Buffer.from(frame);
  (frame.buffer as ArrayBuffer).transfer(0);
  return copy;
}
