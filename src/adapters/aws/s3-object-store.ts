import type {
  ListedObject,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  StreamOptions,
  WriteCondition,
  WrittenObject,
} from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { assertObjectKey, assertObjectPrefix, assertObjectRange } from '../../domain/object-key.ts';
import { S3Connection } from './s3-connection.ts';
import { deleteObjects } from './s3-deletion.ts';
import { listObjects } from './s3-listing.ts';
import { ageOf, lookAt } from './s3-look.ts';
import type { ObjectLock } from '../../domain/object-lock.ts';
import { holdObject, lockObject, type ObjectProtection, readProtection } from './s3-object-locks.ts';
import { type AccessKey, type S3Patience, type S3Place, usualPatience } from './s3-place.ts';
import { readRange, readWhole, storedCrc32 } from './s3-reads.ts';
import { S3Requests } from './s3-requests.ts';
import { S3StreamWrites } from './s3-stream-writes.ts';
import { requireExactConditions } from './s3-suitability.ts';
import { abortUnfinished } from './s3-unfinished-uploads.ts';
import { writeWhole } from './s3-whole-writes.ts';

/** S3's limit for a key, the storage's prefix included. */
const maxKeyBytes = 1024;

export interface S3ObjectStoreOptions extends S3Place {
  /** For messages; default the bucket's address. */
  readonly description?: string;
  /** Asked again every five minutes. The SDK's own chain when left out: environment, profile, the role of the machine. */
  readonly readKey?: () => Promise<AccessKey>;
  readonly patience?: Partial<S3Patience>;
}

/**
 * Objects in an S3 bucket, or in a server that speaks S3's API (see docs/adr/0024). Conditional writes decide who writes
 * first, an own token in each tells who did when an answer is lost; every object carries a CRC-32 of its whole content
 * that the storage has compared. Loads the SDK and connects at the first call.
 */
export class S3ObjectStore implements ObjectStore {
  readonly description: string;
  readonly #connection: S3Connection;
  readonly #requests: S3Requests;
  readonly #streams: S3StreamWrites;

  constructor({ description, readKey, patience: given, ...place }: S3ObjectStoreOptions) {
    const patience = { ...usualPatience, ...given };
    this.description = description ?? `s3://${place.bucket}/${place.prefix}`;
    this.#connection = new S3Connection(place, patience, readKey);
    this.#requests = new S3Requests({ place, description: this.description, patience, connection: this.#connection });
    this.#streams = new S3StreamWrites(this.#requests);
  }

  async put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<WrittenObject> {
    this.#assertKey(key);
    return writeWhole(this.#requests, key, body, condition);
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: StreamOptions = {}): Promise<WrittenObject> {
    this.#assertKey(key);
    return this.#streams.write(key, source, options.signal);
  }

  async get(key: string): Promise<ObjectInfo & { readonly body: Buffer }> {
    this.#assertKey(key);
    return readWhole(this.#requests, key);
  }

  async getRange(key: string, offset: number, length: number, options: StreamOptions = {}): Promise<Buffer> {
    this.#assertKey(key);
    assertObjectRange(key, offset, length);
    options.signal?.throwIfAborted();
    return readRange(this.#requests, key, { offset, length, signal: options.signal });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    this.#assertKey(key);
    const there = await lookAt(this.#requests, key);
    return there && { key, size: there.size, etag: there.etag };
  }

  async age(key: string): Promise<number | undefined> {
    this.#assertKey(key);
    return ageOf(this.#requests, key);
  }

  /** What the storage keeps; computed from the bytes only where it keeps none of the whole object. */
  async checksum(key: string): Promise<string> {
    this.#assertKey(key);
    return storedCrc32(this.#requests, key);
  }

  async *list(prefix: string, { dividedAt = [] }: ListOptions = {}): AsyncIterable<ListedObject> {
    assertObjectPrefix(prefix);
    yield* listObjects(this.#requests, prefix, dividedAt);
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#assertKey(key);
    await deleteObjects(this.#requests, keys);
  }

  async discardUnfinished(prefix: string): Promise<number> {
    assertObjectPrefix(prefix);
    return abortUnfinished(this.#requests, prefix);
  }

  async requireSuitable(key: string): Promise<void> {
    this.#assertKey(key);
    await requireExactConditions(this.#requests, key);
  }

  /** Keeps an object from being deleted; needs a bucket with Object Lock. A lock can be prolonged, not shortened. */
  async lock(key: string, lock: ObjectLock): Promise<void> {
    this.#assertKey(key);
    await lockObject(this.#requests, key, lock);
  }

  /** Sets or lifts a legal hold, which lasts until it is lifted. */
  async setLegalHold(key: string, hold: boolean): Promise<void> {
    this.#assertKey(key);
    await holdObject(this.#requests, key, hold);
  }

  /** What keeps an object from being deleted. @throws ObjectNotFound */
  async protection(key: string): Promise<ObjectProtection> {
    this.#assertKey(key);
    return readProtection(this.#requests, key);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #assertKey(key: string): void {
    assertObjectKey(key);
    const { prefix } = this.#requests.place;
    if (Buffer.byteLength(prefix + key) <= maxKeyBytes) return;
    throw new HoldfastError('InvalidInput', `The object key "${key}" is too long for ${this.description}.`, {
      next: `Use a shorter prefix: with the key it may have ${maxKeyBytes} bytes.`,
    });
  }
}
