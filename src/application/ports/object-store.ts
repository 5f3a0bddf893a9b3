import type { ObjectLock } from '../../domain/object-lock.ts';

/** What a listing says of an object: no more than costs nothing for each of a million. */
export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Changes when the object is written again, as a listing tells it without reading anything: to be compared with what another
   * listing said, never with an etag. Left out where the storage tells nothing of the kind.
   */
  readonly version?: string | undefined;
}

/** What {@link ObjectStore} knows of an object without reading it. */
export interface ObjectInfo extends ListedObject {
  /** Changes whenever the object does; opaque. */
  readonly etag: string;
}

/** When a write may happen: always, only when nothing is there, or only when what is there is still what was read. */
export type WriteCondition = { readonly ifNoneMatch: '*' } | { readonly ifMatch: string };

export interface WrittenObject extends ObjectInfo {
  /** CRC-32 (zlib's polynomial) of the bytes written, 8 lower hex digits. */
  readonly crc32: string;
}

export interface ListOptions {
  /**
   * Keys between which there may be thousands of others: a storage that lists a page at a time may list what lies between them
   * at once. What is listed, and its order, is the same with any keys here.
   */
  readonly dividedAt?: readonly string[];
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
}

/**
 * A named place for objects: a bucket with a prefix, a directory, memory. Keys are `/`-separated, without empty, `.` or
 * `..` segments; anything else is refused with InvalidInput.
 *
 * Every write is atomic and durable when its promise resolves: a reader sees the whole object or none, also after a
 * power failure. Errors are HoldfastErrors: ObjectNotFound, ObjectExists (if-none-match lost), PreconditionFailed
 * (if-match lost), StorageAccessDenied, StorageFull, StorageUnavailable.
 */
export interface ObjectStore {
  /** For messages: the storage's configured name and place, without secrets. */
  readonly description: string;
  /** Writes a small object whole. */
  put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<WrittenObject>;
  /**
   * Writes a large object as its bytes come, create-only. Back-pressure reaches the source: a chunk's memory may be used
   * for something else as soon as the next chunk is asked for. On any error nothing is left.
   */
  putStream(key: string, source: AsyncIterable<Uint8Array>, options?: StreamOptions): Promise<WrittenObject>;
  /** Reads a small object whole. @throws ObjectNotFound */
  get(key: string): Promise<ObjectInfo & { readonly body: Buffer }>;
  /** Reads exactly `length` bytes from `offset`. @throws ObjectNotFound; CorruptObject when the object ends before. */
  getRange(key: string, offset: number, length: number, options?: StreamOptions): Promise<Buffer>;
  /** @returns undefined when there is no such object. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /**
   * How long ago the object was written, in milliseconds, by the storage's own clock alone: the clocks of who wrote it and of
   * who asks may be hours apart. Exact to the second; negative where that clock was set back since. @returns undefined when
   * there is no such object.
   */
  age(key: string): Promise<number | undefined>;
  /** CRC-32 of what is stored, from the storage (S3: its stored checksum; directory: the file read again). @throws ObjectNotFound */
  checksum(key: string): Promise<string>;
  /** Objects whose keys start with `prefix`, in the order of their keys. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>;
  /** Deletes; a key that is not there counts as deleted. */
  delete(keys: readonly string[]): Promise<void>;
  /**
   * Removes what writers that are gone have left below `prefix` without ever finishing it: it is in no listing and takes
   * room. Only for a prefix to which nobody writes now. @returns how many there were
   */
  discardUnfinished(prefix: string): Promise<number>;
  /**
   * Keeps an object from being deleted until then; absent where the kind of storage knows no locks. A lock can be
   * prolonged, not shortened; the same one again changes nothing. @throws StorageNotSuitable for a bucket without Object Lock
   */
  lock?(key: string, lock: ObjectLock): Promise<void>;
  /**
   * Tries what this kind of storage may promise and not keep, on objects whose keys begin with `key` and that it deletes.
   * @throws StorageNotSuitable
   */
  requireSuitable(key: string): Promise<void>;
}
