import { crc32 } from 'node:zlib';
import type {
  ListedObject,
  ObjectInfo,
  ObjectStore,
  StreamOptions,
  WriteCondition,
  WrittenObject,
} from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { assertObjectKey, assertObjectPrefix, assertObjectRange, compareObjectKeys } from '../../domain/object-key.ts';
import { abortableSource } from '../abortable-source.ts';

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly writtenAt: number;
}

/** Objects in this process's memory, for tests: the same conditions, orders and errors as a real storage. */
export class MemoryObjectStore implements ObjectStore {
  readonly description: string;
  readonly #objects = new Map<string, StoredObject>();
  readonly #now: () => number;
  #writes = 0;

  /** @param now the storage's own clock, in milliseconds */
  constructor(description = 'memory', now: () => number = Date.now) {
    this.description = description;
    this.#now = now;
  }

  async put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<WrittenObject> {
    assertObjectKey(key);
    const copy = Buffer.from(body);
    await nextTurn();
    const there = this.#objects.get(key);
    if (condition && 'ifNoneMatch' in condition && there) throw this.#error('ObjectExists', key, 'exists already');
    if (condition && 'ifMatch' in condition && there?.etag !== condition.ifMatch) {
      throw this.#error('PreconditionFailed', key, 'is not what was read before');
    }
    const etag = `m-${++this.#writes}`;
    this.#objects.set(key, { body: copy, etag, writtenAt: this.#now() });
    return { key, size: copy.length, etag, crc32: checksumOf(copy) };
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: StreamOptions = {}): Promise<WrittenObject> {
    assertObjectKey(key);
    if (this.#objects.has(key)) throw this.#error('ObjectExists', key, 'exists already');
    options.signal?.throwIfAborted();
    const chunks: Uint8Array[] = [];
    for await (const chunk of abortableSource(source, options.signal)) chunks.push(Uint8Array.from(chunk));
    options.signal?.throwIfAborted();
    return this.put(key, Buffer.concat(chunks), { ifNoneMatch: '*' });
  }

  async get(key: string): Promise<ObjectInfo & { readonly body: Buffer }> {
    const { body, etag } = await this.#find(key);
    return { key, size: body.length, etag, body: Buffer.from(body) };
  }

  async getRange(key: string, offset: number, length: number, options: StreamOptions = {}): Promise<Buffer> {
    assertObjectKey(key);
    assertObjectRange(key, offset, length);
    options.signal?.throwIfAborted();
    const { body } = await this.#find(key);
    if (offset + length > body.length) {
      throw this.#error('CorruptObject', key, `has ${body.length} bytes, too few for ${length} at ${offset}`);
    }
    return Buffer.from(body.subarray(offset, offset + length));
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    assertObjectKey(key);
    await nextTurn();
    const found = this.#objects.get(key);
    return found && { key, size: found.body.length, etag: found.etag };
  }

  async age(key: string): Promise<number | undefined> {
    assertObjectKey(key);
    await nextTurn();
    const found = this.#objects.get(key);
    return found && this.#now() - found.writtenAt;
  }

  async checksum(key: string): Promise<string> {
    return checksumOf((await this.#find(key)).body);
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    assertObjectPrefix(prefix);
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareObjectKeys);
    for (const key of keys) {
      const found = await this.head(key);
      if (found) yield { key, size: found.size, version: found.etag };
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    keys.forEach(assertObjectKey);
    await nextTurn();
    for (const key of keys) this.#objects.delete(key);
  }

  /** Nothing is unfinished here: a stream becomes an object at its end. */
  discardUnfinished(prefix: string): Promise<number> {
    assertObjectPrefix(prefix);
    return Promise.resolve(0);
  }

  requireSuitable(): Promise<void> {
    return Promise.resolve();
  }

  async #find(key: string): Promise<StoredObject> {
    assertObjectKey(key);
    await nextTurn();
    const found = this.#objects.get(key);
    if (!found) throw this.#error('ObjectNotFound', key, 'is not there');
    return found;
  }

  #error(name: 'ObjectExists' | 'PreconditionFailed' | 'ObjectNotFound' | 'CorruptObject', key: string, what: string) {
    return new HoldfastError(name, `Storage ${this.description}: "${key}" ${what}.`, { details: { key } });
  }
}

function checksumOf(body: Uint8Array): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/** A real storage answers later: callers must not rely on anything else. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
