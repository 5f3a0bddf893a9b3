import { HoldfastError } from '../../domain/errors.ts';
import type { OpTime, Timestamp } from '../../domain/timestamp.ts';
import { bsonType, documentLength, elements, findElement, type RawElement } from './raw-document.ts';

/** Reading single values out of raw BSON. Every function takes the buffer that the element was found in. */

function expectType(element: RawElement, ...types: readonly number[]): void {
  if (!types.includes(element.type))
    throw new HoldfastError('CorruptSource', `The field ${element.name} has BSON type 0x${element.type.toString(16)}.`);
}

/** A view, not a copy, of an embedded document or array. @throws CorruptSource */
export function subDocument(buffer: Buffer, element: RawElement): Buffer {
  expectType(element, bsonType.document, bsonType.array);
  return buffer.subarray(element.value, element.value + documentLength(buffer, element.value));
}

export function readTimestamp(buffer: Buffer, element: RawElement): Timestamp {
  expectType(element, bsonType.timestamp);
  return { t: buffer.readUInt32LE(element.value + 4), i: buffer.readUInt32LE(element.value) };
}

export function readInt64(buffer: Buffer, element: RawElement): bigint {
  expectType(element, bsonType.int64, bsonType.int32);
  return element.type === bsonType.int32
    ? BigInt(buffer.readInt32LE(element.value))
    : buffer.readBigInt64LE(element.value);
}

/** int32, int64 or double as a number. */
export function readNumber(buffer: Buffer, element: RawElement): number {
  expectType(element, bsonType.int32, bsonType.int64, bsonType.double);
  if (element.type === bsonType.double) return buffer.readDoubleLE(element.value);
  return Number(readInt64(buffer, element));
}

export function readString(buffer: Buffer, element: RawElement): string {
  expectType(element, bsonType.string);
  const length = buffer.readInt32LE(element.value);
  if (length < 1) throw new HoldfastError('CorruptSource', `The string ${element.name} has length ${length}.`);
  return buffer.toString('utf8', element.value + 4, element.value + 3 + length);
}

/** Truth as the server sees it in a command's flags: a boolean, or a number that is not zero. */
export function readFlag(buffer: Buffer, element: RawElement | undefined): boolean {
  if (element === undefined) return false;
  return element.type === bsonType.boolean ? buffer[element.value] === 1 : readNumber(buffer, element) !== 0;
}

/** The bytes of a binary value: a view. */
export function readBinary(buffer: Buffer, element: RawElement): Buffer {
  expectType(element, bsonType.binary);
  return buffer.subarray(element.value + 5, element.end);
}

/** `{ts, t}` as in `prevOpTime`, `startOpTime`, `lastWrite.opTime`; undefined for the null optime (ts 0:0). */
export function readOpTime(buffer: Buffer, element: RawElement): OpTime | undefined {
  const document = subDocument(buffer, element);
  const ts = findElement(document, 'ts');
  const term = findElement(document, 't');
  if (!ts || !term) throw new HoldfastError('CorruptSource', `The field ${element.name} is not an optime.`);
  const timestamp = readTimestamp(document, ts);
  if (timestamp.t === 0 && timestamp.i === 0) return undefined;
  return { ts: timestamp, t: Number(readInt64(document, term)) };
}

/** The documents of a buffer that holds one after the other, as views. @throws CorruptSource */
export function* splitDocuments(buffer: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < buffer.length) {
    const end = at + documentLength(buffer, at);
    yield buffer.subarray(at, end);
    at = end;
  }
}

/** The documents of a BSON array, as views. @throws CorruptSource, also for an element that is not a document */
export function* arrayDocuments(buffer: Buffer, element: RawElement): Generator<Buffer> {
  expectType(element, bsonType.array);
  for (const item of elements(buffer, element.value)) yield subDocument(buffer, item);
}
