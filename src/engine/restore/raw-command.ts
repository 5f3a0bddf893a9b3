import { ObjectId } from 'mongodb';
import { bsonType } from '../bson/raw-document.ts';

/**
 * How raw BSON gets into a command of the pinned driver (7.9.0), which has no public way: the only file that leans on
 * the driver's inside, pinned by test/contract/raw-command.test.ts.
 */

/**
 * A value of a command that is BSON already. The serialiser lets an ObjectId write itself: this one writes other bytes
 * and corrects the type that was written before its name (0x07 occurs in no name that we send).
 */
class RawValue extends ObjectId {
  readonly #type: number;
  readonly #parts: readonly Buffer[];

  constructor(type: number, parts: readonly Buffer[]) {
    super('000000000000000000000000');
    this.#type = type;
    this.#parts = parts;
  }

  serializeInto(target: Uint8Array, index: number): number {
    target[target.lastIndexOf(bsonType.objectId, index - 1)] = this.#type;
    let at = index;
    for (const part of this.#parts) {
      target.set(part, at);
      at += part.length;
    }
    return at - index;
  }
}

/** An embedded document, given as its BSON. */
export function rawDocument(bytes: Buffer): object {
  return new RawValue(bsonType.document, [bytes]);
}

/** An array of documents, given as their BSON. */
export function rawArray(documents: readonly Buffer[]): object {
  const elements: Buffer[] = [];
  let length = 5;
  for (const [n, bytes] of documents.entries()) {
    const head = Buffer.from(`\x03${n}\0`, 'latin1');
    elements.push(head, bytes);
    length += head.length + bytes.length;
  }
  return rawArrayBody(length, elements);
}

/** An array given as its elements' bytes (type, name, value), already written; `length` is that of the whole array. */
export function rawArrayBody(length: number, elements: readonly Buffer[]): object {
  const head = Buffer.allocUnsafe(4);
  head.writeInt32LE(length);
  return new RawValue(bsonType.array, [head, ...elements, Buffer.alloc(1)]);
}
