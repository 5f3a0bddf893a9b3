import { HoldfastError } from '../../domain/errors.ts';

/** Reading BSON where it lies: documents go through the engine as bytes, and only the fields that decide are looked at. */

/** BSON element types, of the specification at bsonspec.org. */
export const bsonType = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  maxKey: 0x7f,
  minKey: 0xff,
} as const;

/** MongoDB's limit for a stored document is 16 MiB; internal ones (oplog entries, replies) may be 16 KiB larger. */
export const maxBsonSize = 16 * 1024 * 1024 + 16 * 1024;

const fixedSizes: Readonly<Record<number, number>> = {
  [bsonType.double]: 8,
  [bsonType.undefined]: 0,
  [bsonType.objectId]: 12,
  [bsonType.boolean]: 1,
  [bsonType.date]: 8,
  [bsonType.null]: 0,
  [bsonType.int32]: 4,
  [bsonType.timestamp]: 8,
  [bsonType.int64]: 8,
  [bsonType.decimal128]: 16,
  [bsonType.maxKey]: 0,
  [bsonType.minKey]: 0,
};

export interface RawElement {
  readonly type: number;
  readonly name: string;
  /** Offset of the type byte. */
  readonly start: number;
  /** Offset of the first byte of the value. */
  readonly value: number;
  /** Offset after the value. */
  readonly end: number;
}

function corrupt(what: string, offset: number): HoldfastError {
  return new HoldfastError('CorruptSource', `Invalid BSON at byte ${offset}: ${what}.`);
}

/** Length of the document at `offset`, checked to fit into the buffer and to end in its terminator. @throws CorruptSource */
export function documentLength(buffer: Buffer, offset: number): number {
  if (offset + 5 > buffer.length) throw corrupt('less than a document is left', offset);
  const length = buffer.readInt32LE(offset);
  if (length < 5 || offset + length > buffer.length)
    throw corrupt(`a document of ${length} bytes does not fit`, offset);
  if (buffer[offset + length - 1] !== 0) throw corrupt('the document has no terminator', offset + length - 1);
  return length;
}

function endOfCString(buffer: Buffer, offset: number, limit: number): number {
  // Names are short: a loop is over before a call of indexOf has begun.
  let end = offset;
  while (end < limit && buffer[end] !== 0) end++;
  if (end >= limit) throw corrupt('a name has no end', offset);
  return end;
}

function valueEnd(buffer: Buffer, type: number, at: number, limit: number): number {
  const fixed = fixedSizes[type];
  if (fixed !== undefined) return at + fixed;
  if (type === bsonType.regex) return endOfCString(buffer, endOfCString(buffer, at, limit) + 1, limit) + 1;
  if (at + 4 > limit) throw corrupt('a length is cut off', at);
  const length = buffer.readInt32LE(at);
  if (length < 0) throw corrupt(`a length is negative (${length})`, at);
  switch (type) {
    case bsonType.string:
    case bsonType.code:
    case bsonType.symbol:
      return at + 4 + length;
    case bsonType.binary:
      return at + 5 + length;
    case bsonType.dbPointer:
      return at + 4 + length + 12;
    case bsonType.document:
    case bsonType.array:
    case bsonType.codeWithScope:
      return at + length;
    default:
      throw corrupt(`element type 0x${type.toString(16)} is unknown`, at);
  }
}

/** Names, by a hash of their bytes: the same few come again and again, and a look is cheaper than decoding. */
const knownNames: ({ readonly bytes: Buffer; readonly name: string } | undefined)[] = [];
const knownSlots = 1024;
const longestKnown = 24;

function readName(buffer: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > longestKnown) return buffer.toString('utf8', start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (buffer[at] ?? 0)) | 0;
  const slot = hash & (knownSlots - 1);
  const known = knownNames[slot];
  if (known?.bytes.length === length) {
    let same = 0;
    while (same < length && known.bytes[same] === buffer[start + same]) same++;
    if (same === length) return known.name;
  }
  const bytes = Buffer.from(buffer.subarray(start, end));
  const name = bytes.toString('utf8');
  knownNames[slot] = { bytes, name };
  return name;
}

/** The elements of the document at `offset`, in order, values not decoded. @throws CorruptSource */
export function* elements(buffer: Buffer, offset = 0): Generator<RawElement> {
  const last = offset + documentLength(buffer, offset) - 1;
  let at = offset + 4;
  while (at < last) {
    const type = buffer[at] ?? 0;
    const nameEnd = endOfCString(buffer, at + 1, last);
    const end = valueEnd(buffer, type, nameEnd + 1, last);
    if (end > last) throw corrupt('a value does not fit into its document', at);
    yield { type, name: readName(buffer, at + 1, nameEnd), start: at, value: nameEnd + 1, end };
    at = end;
  }
}

/**
 * Goes from element to element of one document and makes nothing of them: a third of what {@link elements} costs, where a
 * million documents are gone through. Its fields are offsets, of the element that {@link next} has come to.
 */
export class ElementCursor {
  readonly #buffer: Buffer;
  readonly #last: number;
  type = 0;
  /** Of the type byte. */
  start = 0;
  /** Of the first byte of the name, and after its last. */
  name = 0;
  nameEnd = 0;
  /** Of the first byte of the value. */
  value = 0;
  /** After the value. */
  end: number;

  /** @throws CorruptSource */
  constructor(buffer: Buffer, offset = 0) {
    this.#buffer = buffer;
    this.#last = offset + documentLength(buffer, offset) - 1;
    this.end = offset + 4;
  }

  /** @returns false behind the last one @throws CorruptSource */
  next(): boolean {
    const buffer = this.#buffer;
    const last = this.#last;
    const at = this.end;
    if (at >= last) return false;
    this.start = at;
    this.type = buffer[at] ?? 0;
    this.name = at + 1;
    this.nameEnd = endOfCString(buffer, at + 1, last);
    this.value = this.nameEnd + 1;
    this.end = valueEnd(buffer, this.type, this.value, last);
    if (this.end > last) throw corrupt('a value does not fit into its document', at);
    return true;
  }

  /** @param name of ASCII characters */
  isNamed(name: string): boolean {
    if (this.nameEnd - this.name !== name.length) return false;
    for (let at = 0; at < name.length; at++) if (this.#buffer[this.name + at] !== name.charCodeAt(at)) return false;
    return true;
  }

  element(name: string): RawElement {
    const { type, start, value, end } = this;
    return { type, name, start, value, end };
  }
}

/**
 * The first element of each name, and undefined for a name that there is none of. Looks no further than it has to.
 * @param names of ASCII characters
 * @throws CorruptSource
 */
export function findElements(buffer: Buffer, names: readonly string[]): (RawElement | undefined)[] {
  const found: (RawElement | undefined)[] = names.map(() => undefined);
  let missing = names.length;
  for (const cursor = new ElementCursor(buffer); missing > 0 && cursor.next();)
    for (let index = 0; index < names.length; index++) {
      const name = names[index] ?? '';
      if (found[index] || !cursor.isNamed(name)) continue;
      found[index] = cursor.element(name);
      missing -= 1;
    }
  return found;
}

/** The first element of that name, or undefined. */
export function findElement(buffer: Buffer, name: string, offset = 0): RawElement | undefined {
  for (const element of elements(buffer, offset)) if (element.name === name) return element;
  return undefined;
}
