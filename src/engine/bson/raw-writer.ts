import { bsonType, elements, type RawElement } from './raw-document.ts';

/** Builds BSON from values and from pieces of other documents, which are copied as they are. */
export class RawWriter {
  readonly #parts: Buffer[] = [];
  #length = 5;

  #add(type: number, name: string, ...value: readonly Buffer[]): this {
    const head = Buffer.allocUnsafe(Buffer.byteLength(name) + 2);
    head[0] = type;
    head.write(name, 1);
    head[head.length - 1] = 0;
    for (const part of [head, ...value]) {
      this.#parts.push(part);
      this.#length += part.length;
    }
    return this;
  }

  string(name: string, value: string): this {
    const bytes = Buffer.allocUnsafe(Buffer.byteLength(value) + 5);
    bytes.writeInt32LE(bytes.length - 4);
    bytes.write(value, 4);
    bytes[bytes.length - 1] = 0;
    return this.#add(bsonType.string, name, bytes);
  }

  boolean(name: string, value: boolean): this {
    return this.#add(bsonType.boolean, name, Buffer.from([value ? 1 : 0]));
  }

  int32(name: string, value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeInt32LE(value);
    return this.#add(bsonType.int32, name, bytes);
  }

  int64(name: string, value: bigint): this {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64LE(value);
    return this.#add(bsonType.int64, name, bytes);
  }

  /** @param uuid 32 hex digits */
  uuid(name: string, uuid: string): this {
    return this.#add(bsonType.binary, name, Buffer.from([16, 0, 0, 0, 4]), Buffer.from(uuid, 'hex'));
  }

  document(name: string, bytes: Buffer): this {
    return this.#add(bsonType.document, name, bytes);
  }

  /** Copies an element of another document, name and value, byte by byte. */
  element(source: Buffer, element: RawElement): this {
    const bytes = source.subarray(element.start, element.end);
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }

  /** Copies every element that `keep` does not refuse. */
  elements(source: Buffer, keep: (name: string) => boolean = () => true): this {
    for (const element of elements(source)) if (keep(element.name)) this.element(source, element);
    return this;
  }

  toBuffer(): Buffer {
    const result = Buffer.allocUnsafe(this.#length);
    let at = result.writeInt32LE(this.#length);
    for (const part of this.#parts) at += part.copy(result, at);
    result[at] = 0;
    return result;
  }
}

/** `{_id}` of a document, byte by byte; empty when it has none. */
export function idOf(document: Buffer): Buffer {
  return new RawWriter().elements(document, (name) => name === '_id').toBuffer();
}
