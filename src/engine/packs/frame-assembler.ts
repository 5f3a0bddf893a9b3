import { HoldfastError } from '../../domain/errors.ts';
import { maxBsonSize } from '../bson/raw-document.ts';

/** Raw bytes of a frame, about: one document alone may be larger. */
export const targetFrameBytes = 4 * 1024 * 1024;
/** A batch up to this size is kept in one frame, so that the frame ends where the scan can be resumed. */
export const roomyFrameBytes = 6 * 1024 * 1024;

const documentType = 3;

export interface AssembledFrame {
  /** Whole documents; belongs to the one who gets it. */
  readonly raw: Buffer;
  readonly documents: number;
  /** Where a scan goes on behind the frame's last document; undefined for a frame that ends within a batch. */
  readonly position: Buffer | undefined;
}

function copyOf(batch: Buffer, start: number, length: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(length);
  batch.copy(copy, 0, start, start + length);
  return copy;
}

/** Copies documents out of the replies, once, into frames; checks the length of each. */
export class FrameAssembler {
  readonly #ns: string;
  readonly #write: (frame: AssembledFrame) => Promise<void>;
  #frame: Buffer | undefined;
  #used = 0;
  #inFrame = 0;
  /** Behind the last document taken over; undefined within a batch. */
  #position: Buffer | undefined;
  #documents = 0;
  #rawBytes = 0;
  #frames = 0;

  /** @param write takes a frame, which is then its own, and resolves when there is room for the next */
  constructor(ns: string, write: (frame: AssembledFrame) => Promise<void>) {
    this.#ns = ns;
    this.#write = write;
  }

  get documents(): number {
    return this.#documents;
  }

  get rawBytes(): number {
    return this.#rawBytes;
  }

  /**
   * Takes over the documents of a batch, by copies: the batch is of no use any more when this resolves.
   * @param batch a BSON array, as {@link RawCursor} hands it out
   * @param position where a scan goes on behind the batch
   * @throws CorruptSource when an element is no document or a length does not fit
   */
  async add(batch: Buffer, position?: Buffer): Promise<void> {
    const end = batch.length - 1;
    if (end <= 4) return;
    if (this.#frame && this.#used + batch.length > this.#frame.length) await this.flush();
    this.#position = undefined;
    let at = 4;
    while (at < end) {
      const start = this.#documentStart(batch, at, end);
      const length = this.#documentLength(batch, start, end);
      if (length > targetFrameBytes) {
        await this.flush();
        at = start + length;
        if (at >= end) this.#position = position;
        await this.#hand(copyOf(batch, start, length), 1);
        continue;
      }
      at = this.#copyWhile(batch, at, end);
      if (at < end) await this.flush();
    }
    this.#position = position;
  }

  /** Copies documents from `at` until the frame is full or a document needs a frame of its own; returns where it stopped. */
  #copyWhile(batch: Buffer, at: number, end: number): number {
    const frame = (this.#frame ??= Buffer.allocUnsafeSlow(this.#frameSize(batch.length)));
    let used = this.#used;
    let documents = 0;
    while (at < end) {
      const start = this.#documentStart(batch, at, end);
      const length = this.#documentLength(batch, start, end);
      if (used + length > frame.length) break;
      batch.copy(frame, used, start, start + length);
      used += length;
      documents += 1;
      at = start + length;
    }
    this.#used = used;
    this.#inFrame += documents;
    return at;
  }

  /** The first batch is small: a collection that ends with it gets a frame of its size. */
  #frameSize(batchLength: number): number {
    if (this.#frames === 0 && batchLength < targetFrameBytes) return batchLength;
    return batchLength > targetFrameBytes && batchLength <= roomyFrameBytes ? batchLength : targetFrameBytes;
  }

  #documentStart(batch: Buffer, at: number, end: number): number {
    if (batch[at] !== documentType) throw this.#corrupt('an element of a batch is no document');
    // The name is the index in decimal digits.
    let start = at + 2;
    while (start < end && batch[start] !== 0) start += 1;
    return start + 1;
  }

  #documentLength(batch: Buffer, start: number, end: number): number {
    if (start + 5 > end) throw this.#corrupt('a batch ends within a document');
    const length = batch.readInt32LE(start);
    if (length < 5 || length > maxBsonSize || start + length > end || batch[start + length - 1] !== 0)
      throw this.#corrupt(`a document has an impossible length of ${length} bytes`);
    return length;
  }

  #corrupt(what: string): HoldfastError {
    return new HoldfastError('CorruptSource', `Reading ${this.#ns}: ${what}.`);
  }

  /** Hands over the frame that is being filled, if it holds anything. */
  async flush(): Promise<void> {
    const [frame, used, documents] = [this.#frame, this.#used, this.#inFrame];
    this.#frame = undefined;
    this.#used = 0;
    this.#inFrame = 0;
    if (frame && documents > 0) await this.#hand(frame.subarray(0, used), documents);
  }

  async #hand(raw: Buffer, documents: number): Promise<void> {
    this.#frames += 1;
    this.#documents += documents;
    this.#rawBytes += raw.length;
    await this.#write({ raw, documents, position: this.#position });
  }
}
