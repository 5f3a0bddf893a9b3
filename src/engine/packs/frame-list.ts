import { HoldfastError } from '../../domain/errors.ts';
import type { WrittenFrame } from './frame-writer.ts';
import type { NumberedNames } from './numbered-names.ts';

/** pack, offset, length, raw length, documents, SHA-256 */
const rowBytes = 5 * 4 + 32;
const [offsetAt, lengthAt, rawLengthAt, documentsAt, sha256At] = [4, 8, 12, 16, 20];
const rowsPerChunk = 16 * 1024;
/** Of a list that begins: most collections are one frame, most files a few pieces. */
const leastRows = 4;
const largest = 0xffff_ffff;

/** Whether a list can hold it: none that this product writes has so many bytes, or none at all. */
export function fitsFrameList({ offset, length, rawLength, documents }: WrittenFrame): boolean {
  return length > 0 && Math.max(offset, length, rawLength, documents) <= largest;
}

/**
 * The frames of one collection, or the pieces of one file, each at its place, while they are written: outside of V8's
 * heap, 52 bytes each, where an object takes four hundred. They come in any order; a place that none has come to is empty.
 */
export class FrameList implements Iterable<WrittenFrame> {
  readonly #packs: NumberedNames;
  /** All whole but the last, which grows. */
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #count = 0;

  /** @param packs names of packs, shared by all lists of a base */
  constructor(packs: NumberedNames) {
    this.#packs = packs;
  }

  /** One more than the last place that is taken. */
  get length(): number {
    return this.#length;
  }

  /** Frames that are there: as many as `length` when no place is empty. */
  get count(): number {
    return this.#count;
  }

  /** @param frame that {@link fitsFrameList} */
  set(ordinal: number, frame: WrittenFrame): void {
    const [chunk, at] = this.#room(ordinal);
    if (chunk.readUInt32LE(at + lengthAt) === 0) this.#count += 1;
    chunk.writeUInt32LE(this.#packs.add(frame.pack), at);
    chunk.writeUInt32LE(frame.offset, at + offsetAt);
    chunk.writeUInt32LE(frame.length, at + lengthAt);
    chunk.writeUInt32LE(frame.rawLength, at + rawLengthAt);
    chunk.writeUInt32LE(frame.documents, at + documentsAt);
    chunk.write(frame.sha256, at + sha256At, 'hex');
    this.#length = Math.max(this.#length, ordinal + 1);
  }

  /** @returns undefined for a place that is empty, or behind the end */
  get(ordinal: number): WrittenFrame | undefined {
    if (!this.#isTaken(ordinal)) return undefined;
    const [chunk, at] = this.#place(ordinal);
    return {
      pack: this.#packs.all[chunk.readUInt32LE(at)] ?? '',
      offset: chunk.readUInt32LE(at + offsetAt),
      length: chunk.readUInt32LE(at + lengthAt),
      rawLength: chunk.readUInt32LE(at + rawLengthAt),
      documents: chunk.readUInt32LE(at + documentsAt),
      sha256: chunk.toString('hex', at + sha256At, at + rowBytes),
    };
  }

  /** In their order. @throws Internal at an empty place: what is written down of a base is all of it */
  *[Symbol.iterator](): Generator<WrittenFrame> {
    for (let ordinal = 0; ordinal < this.#length; ordinal++) {
      const frame = this.get(ordinal);
      if (!frame) throw new HoldfastError('Internal', `The frame ${ordinal} of ${this.#length} was never stored.`);
      yield frame;
    }
  }

  /** Forgets what comes behind the first `length`. */
  truncate(length: number): void {
    for (let ordinal = length; ordinal < this.#length; ordinal++) {
      const [chunk, at] = this.#place(ordinal);
      if (chunk.readUInt32LE(at + lengthAt) === 0) continue;
      chunk.writeUInt32LE(0, at + lengthAt);
      this.#count -= 1;
    }
    this.#length = Math.min(this.#length, length);
    this.#chunks.length = Math.min(this.#chunks.length, Math.ceil(length / rowsPerChunk));
  }

  /** The first place that is empty. */
  firstGap(): number {
    if (this.#count === this.#length) return this.#length;
    let ordinal = 0;
    while (this.#isTaken(ordinal)) ordinal += 1;
    return ordinal;
  }

  /** Of the frames from the place `from` on. */
  totals(from = 0): { documents: number; rawBytes: number } {
    const totals = { documents: 0, rawBytes: 0 };
    for (let ordinal = from; ordinal < this.#length; ordinal++) {
      if (!this.#isTaken(ordinal)) continue;
      const [chunk, at] = this.#place(ordinal);
      totals.documents += chunk.readUInt32LE(at + documentsAt);
      totals.rawBytes += chunk.readUInt32LE(at + rawLengthAt);
    }
    return totals;
  }

  /** Adds the names of the packs that hold its frames. */
  addPacksTo(names: Set<string>): void {
    let last = -1;
    for (let ordinal = 0; ordinal < this.#length; ordinal++) {
      const [chunk, at] = this.#place(ordinal);
      const pack = chunk.readUInt32LE(at);
      if (pack === last || !this.#isTaken(ordinal)) continue;
      names.add(this.#packs.all[pack] ?? '');
      last = pack;
    }
  }

  #isTaken(ordinal: number): boolean {
    if (ordinal >= this.#length) return false;
    const [chunk, at] = this.#place(ordinal);
    return chunk.readUInt32LE(at + lengthAt) > 0;
  }

  #place(ordinal: number): readonly [Buffer, number] {
    return [this.#chunks[Math.floor(ordinal / rowsPerChunk)] as Buffer, (ordinal % rowsPerChunk) * rowBytes];
  }

  /** The place of a frame that is to be written, made where there is none yet. */
  #room(ordinal: number): readonly [Buffer, number] {
    const index = Math.floor(ordinal / rowsPerChunk);
    const chunks = this.#chunks;
    for (let at = Math.max(0, chunks.length - 1); at <= index; at++) {
      const needed = at < index ? rowsPerChunk : (ordinal % rowsPerChunk) + 1;
      const had = chunks[at];
      const rows = (had?.length ?? 0) / rowBytes;
      if (rows >= needed) continue;
      const grown = Buffer.alloc(Math.min(rowsPerChunk, Math.max(leastRows, needed, 2 * rows)) * rowBytes);
      had?.copy(grown);
      chunks[at] = grown;
    }
    return this.#place(ordinal);
  }
}
