import { bsonType } from './raw-document.ts';

/** Putting documents together from raw values: what the driver decodes and encodes again may come back in another order. */
export interface RawField {
  readonly name: string;
  /** Of {@link bsonType}. */
  readonly type: number;
  /** The value's bytes, as BSON lays them down. */
  readonly value: Buffer;
}

const zero = Buffer.alloc(1);

export function rawDocument(fields: readonly RawField[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, type, value } of fields) parts.push(Buffer.from([type]), Buffer.from(name, 'utf8'), zero, value);
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeInt32LE(body.length + 5);
  return Buffer.concat([size, body, zero]);
}

/** The value of an array of documents. */
export function rawArray(documents: readonly Buffer[]): Buffer {
  return rawDocument(documents.map((value, n) => ({ name: String(n), type: bsonType.document, value })));
}
