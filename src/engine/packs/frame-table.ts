import type { IndexFrame, IndexPiece } from '../../domain/backup-index.ts';
import { NumberedNames } from './numbered-names.ts';

/** What an index says of a frame: documents of a namespace, or bytes of a file. */
export type Stored = IndexFrame | IndexPiece;

/** namespace or file, pack, offset, length, raw length, documents or place in the file, SHA-256 */
const rowBytes = 4 + 4 + 8 + 4 + 4 + 8 + 32;
const [packAt, offsetAt, lengthAt, rawLengthAt, valueAt, sha256At] = [4, 8, 16, 20, 24, 32];
const rowsPerChunk = 16 * 1024;

/**
 * The frames of an index in the order that they were added, outside of V8's heap: 64 bytes each, where an object takes
 * four hundred. Ten terabytes are two and a half million of them, and a worker's heap has 192 MiB. Whoever asks for one
 * gets an object of its own.
 */
export class FrameTable<F extends Stored> implements Iterable<F> {
  readonly #chunks: Buffer[] = [];
  readonly #names = new NumberedNames();
  readonly #packs = new NumberedNames();
  /** By the number of the name: its first row and the one behind its last. */
  readonly #ranges: { readonly from: number; to: number }[] = [];
  readonly #kind: F['kind'];
  #length = 0;

  constructor(kind: F['kind']) {
    this.#kind = kind;
  }

  get length(): number {
    return this.#length;
  }

  /** @param frame of less than 4 GiB, stored and raw: whoever reads an index looks at that first */
  add(frame: F): void {
    const name = this.#names.add(nameOf(frame));
    const row = this.#length++;
    const range = (this.#ranges[name] ??= { from: row, to: row });
    range.to = row + 1;
    if (row % rowsPerChunk === 0) this.#chunks.push(Buffer.allocUnsafeSlow(rowsPerChunk * rowBytes));
    const [chunk, at] = this.#place(row);
    chunk.writeUInt32LE(name, at);
    chunk.writeUInt32LE(this.#packs.add(frame.pack), at + packAt);
    chunk.writeDoubleLE(frame.offset, at + offsetAt);
    chunk.writeUInt32LE(frame.length, at + lengthAt);
    chunk.writeUInt32LE(frame.rawLength, at + rawLengthAt);
    chunk.writeDoubleLE(frame.kind === 'frame' ? frame.documents : frame.fileOffset, at + valueAt);
    chunk.write(frame.sha256, at + sha256At, 'hex');
  }

  *[Symbol.iterator](): Generator<F> {
    for (let row = 0; row < this.#length; row++) yield this.#read(row);
  }

  /** Those of one namespace or file, in their order. */
  *of(name: string): Generator<F> {
    const number = this.#names.find(name);
    const range = number === undefined ? undefined : this.#ranges[number];
    for (let row = range?.from ?? 0; row < (range?.to ?? 0); row++)
      if (this.#nameIn(row) === number) yield this.#read(row);
  }

  /** Raw bytes of each namespace or file. */
  rawBytesByName(): Map<string, number> {
    const sums = new Float64Array(this.#names.all.length);
    for (let row = 0; row < this.#length; row++) {
      const [chunk, at] = this.#place(row);
      const name = chunk.readUInt32LE(at);
      sums[name] = (sums[name] ?? 0) + chunk.readUInt32LE(at + rawLengthAt);
    }
    return new Map(this.#names.all.map((name, number) => [name, sums[number] ?? 0]));
  }

  /** As they lie in the packs, pack by pack: each is read once, from its start to its end. */
  *inPackOrder(isWanted: (name: string) => boolean = () => true): Generator<F> {
    const wanted = this.#names.all.map(isWanted);
    const packs = this.#packs.all.map((name, number) => ({ name, number })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const rows = this.#byPack(wanted);
    for (const { number } of packs) {
      const inPack = rows.of(number).sort((a, b) => this.#offsetOf(a) - this.#offsetOf(b) || a - b);
      for (const row of inPack) yield this.#read(row);
    }
  }

  /** Counted first, then written each to its place: without an object for a row or for a pack. */
  #byPack(wanted: readonly boolean[]): { of: (pack: number) => Uint32Array } {
    const starts = new Uint32Array(this.#packs.all.length + 1);
    const each = (visit: (row: number, pack: number) => void): void => {
      for (let row = 0; row < this.#length; row++) if (wanted[this.#nameIn(row)]) visit(row, this.#packIn(row));
    };
    each((_row, pack) => {
      starts[pack + 1] = (starts[pack + 1] ?? 0) + 1;
    });
    for (let pack = 1; pack < starts.length; pack++) starts[pack] = (starts[pack] ?? 0) + (starts[pack - 1] ?? 0);
    const rows = new Uint32Array(starts.at(-1) ?? 0);
    const next = starts.slice();
    each((row, pack) => {
      const at = next[pack] ?? 0;
      rows[at] = row;
      next[pack] = at + 1;
    });
    return { of: (pack) => rows.subarray(starts[pack], starts[pack + 1]) };
  }

  #place(row: number): readonly [Buffer, number] {
    return [this.#chunks[Math.floor(row / rowsPerChunk)] as Buffer, (row % rowsPerChunk) * rowBytes];
  }

  #nameIn(row: number): number {
    const [chunk, at] = this.#place(row);
    return chunk.readUInt32LE(at);
  }

  #packIn(row: number): number {
    const [chunk, at] = this.#place(row);
    return chunk.readUInt32LE(at + packAt);
  }

  #offsetOf(row: number): number {
    const [chunk, at] = this.#place(row);
    return chunk.readDoubleLE(at + offsetAt);
  }

  #read(row: number): F {
    const [chunk, at] = this.#place(row);
    const name = this.#names.all[chunk.readUInt32LE(at)] ?? '';
    const value = chunk.readDoubleLE(at + valueAt);
    const place = {
      pack: this.#packs.all[chunk.readUInt32LE(at + packAt)] ?? '',
      offset: chunk.readDoubleLE(at + offsetAt),
      length: chunk.readUInt32LE(at + lengthAt),
      rawLength: chunk.readUInt32LE(at + rawLengthAt),
      sha256: chunk.toString('hex', at + sha256At, at + rowBytes),
    };
    const frame: Stored =
      this.#kind === 'frame'
        ? { kind: 'frame', ns: name, ...place, documents: value }
        : { kind: 'piece', file: name, ...place, fileOffset: value };
    return frame as F;
  }
}

const nameOf = (frame: Stored): string => (frame.kind === 'frame' ? frame.ns : frame.file);
