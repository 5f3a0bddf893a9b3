import { HoldfastError } from '../../domain/errors.ts';
import { maxBsonSize } from '../bson/raw-document.ts';

const documentType = 3;

export interface AssembledFrame {
  /** Whole documents, in the memory of the batch. */
  readonly raw: Buffer;
  readonly documents: number;
  /** Where a scan goes on behind the frame's last document. */
  readonly position: Buffer | undefined;
  /** To be called when `raw` is of no use any more. */
  readonly release: () => void;
}

/**
 * Makes frames of batches, each of one: the documents are moved together where they lie, over the names that an array
 * gives its elements; checks the length of each. So nothing of what is read is copied to other memory, and every frame
 * ends where the scan can be resumed.
 */
export class FrameAssembler {
  readonly #ns: string;
  readonly #write: (frame: AssembledFrame) => Promise<void>;
  #documents = 0;
  #rawBytes = 0;

  /** @param write takes a frame, and resolves when there is room for the next */
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
   * Takes over the documents of a batch, which is overwritten.
   * @param batch a BSON array, as {@link RawCursor} hands it out
   * @param position where a scan goes on behind the batch
   * @param release gives the memory of the batch back
   * @throws CorruptSource when an element is no document or a length does not fit
   */
  async add(batch: Buffer, position: Buffer | undefined, release: () => void): Promise<void> {
    const { raw, documents } = this.#moveTogether(batch);
    if (documents === 0) {
      release();
      return;
    }
    this.#documents += documents;
    this.#rawBytes += raw.length;
    await this.#write({ raw, documents, position, release });
  }

  #moveTogether(batch: Buffer): { readonly raw: Buffer; readonly documents: number } {
    const end = batch.length - 1;
    let documents = 0;
    let first = 0;
    let used = 0;
    for (let at = 4; at < end;) {
      const start = this.#documentStart(batch, at, end);
      const length = this.#documentLength(batch, start, end);
      at = start + length;
      if (documents === 0) used = first = start;
      else batch.copyWithin(used, start, at);
      used += length;
      documents += 1;
    }
    return { raw: batch.subarray(first, used), documents };
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
}
