import { type FileHandle, link, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
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
import { assertObjectKey, assertObjectPrefix, assertObjectRange } from '../../domain/object-key.ts';
import { DurableFolders, notADirectory } from './durable-folders.ts';
import { errorCode, toStorageError } from './file-errors.ts';
import { FileLock } from './file-lock.ts';
import { formatCrc32, type WrittenFile, writeNewFile } from './file-writer.ts';
import { listKeys } from './key-listing.ts';
import { PartialFiles } from './partial-files.ts';
import { etagOf, inspectObject, lstatOrUndefined, millisecondsBetween, openObject, readFully } from './stored-file.ts';

/** Directly below the root; no key may start with it. */
const reservedFolder = '.holdfast-store';
const pieceBytes = 1024 * 1024;

/**
 * Objects as plain files below a directory, one file system, any number of processes (see docs/adr/0017).
 *
 * Writing: the bytes go to `.holdfast-store/partial/<owner>/<n>`, are synced, and get their key in one step: link(2) for
 * create-only (the kernel lets one win), rename(2) else; then the folders are synced. Replacing and deleting happen under
 * `.holdfast-store/lock`, a lock that dies with its holder, so that if-match is: take the lock, compare, rename, release.
 * Nothing has to be repaired after kill -9 at any instant: the key has the old file or the new one.
 */
export class DirectoryObjectStore implements ObjectStore {
  readonly description: string;
  readonly #root: string;
  readonly #lock: FileLock;
  readonly #folders: DurableFolders;
  readonly #partial: PartialFiles;

  /** @param options root: made at the first write; description: for messages, default the root */
  constructor(options: { readonly root: string; readonly description?: string }) {
    this.#root = resolve(options.root);
    this.description = options.description ?? `directory ${this.#root}`;
    this.#lock = new FileLock(join(this.#root, reservedFolder, 'lock'));
    this.#folders = new DurableFolders(this.#root);
    this.#partial = new PartialFiles(join(this.#root, reservedFolder, 'partial'), this.#lock);
  }

  async put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<WrittenObject> {
    return this.#at(key, 'write', async () => {
      const file = await this.#writePartial(key, oneChunk(body));
      await this.#publish(key, file, condition);
      return { key, size: file.size, etag: file.etag, crc32: file.crc32 };
    });
  }

  async putStream(key: string, source: AsyncIterable<Uint8Array>, options: StreamOptions = {}): Promise<WrittenObject> {
    await this.#at(key, 'write', async () => {
      // Better told before gigabytes are read; the link at the end decides.
      if (await lstatOrUndefined(this.#path(key))) throw await this.#whyTaken(key);
    });
    const file = await this.#writePartial(key, source, options.signal);
    return this.#at(key, 'write', async () => {
      await this.#publish(key, file, { ifNoneMatch: '*' });
      return { key, size: file.size, etag: file.etag, crc32: file.crc32 };
    });
  }

  async get(key: string): Promise<ObjectInfo & { readonly body: Buffer }> {
    return this.#read(key, async (handle) => {
      const { size, etag } = await etagOf(handle);
      const body = Buffer.allocUnsafe(size);
      return { key, size, etag, body: body.subarray(0, await readFully(handle, body, 0)) };
    });
  }

  async getRange(key: string, offset: number, length: number, options: StreamOptions = {}): Promise<Buffer> {
    assertObjectRange(key, offset, length);
    options.signal?.throwIfAborted();
    return this.#read(key, async (handle) => {
      const { size } = await handle.stat();
      const buffer = offset + length <= size ? Buffer.allocUnsafe(length) : undefined;
      if (!buffer || (await readFully(handle, buffer, offset)) < length) {
        const message = `Storage ${this.description}: "${key}" has ${size} bytes, too few for ${length} at ${offset}.`;
        throw new HoldfastError('CorruptObject', message, { details: { key, size, offset, length } });
      }
      options.signal?.throwIfAborted();
      return buffer;
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return this.#at(key, 'look at', async () => {
      const found = await inspectObject(this.#path(key));
      if (!found) await this.#assertRoot();
      return found && { key, ...found };
    });
  }

  /** By the clock of the file system, which on a mounted one is the server's: that of a file made for it. */
  async age(key: string): Promise<number | undefined> {
    if (!(await this.head(key))) return undefined;
    const { path } = await this.#writePartial(key, oneChunk(new Uint8Array()));
    const age = this.#at(key, 'look at', () => millisecondsBetween(this.#path(key), path));
    return age.finally(() => rm(path, { force: true }));
  }

  /** Reads the file again, 1 MiB at a time. */
  async checksum(key: string): Promise<string> {
    return this.#read(key, async (handle) => {
      const piece = Buffer.allocUnsafe(pieceBytes);
      let checksum = 0;
      for (let position = 0; ;) {
        const bytes = await readFully(handle, piece, position);
        checksum = crc32(piece.subarray(0, bytes), checksum);
        position += bytes;
        if (bytes < piece.length) return formatCrc32(checksum);
      }
    });
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    assertObjectPrefix(prefix);
    try {
      await this.#assertRoot();
      for await (const key of listKeys(this.#root, prefix, reservedFolder)) {
        const stats = await lstatOrUndefined(join(this.#root, key));
        if (stats?.isFile()) yield { key, size: stats.size, version: `m-${stats.mtimeMs}` };
      }
    } catch (error) {
      throw toStorageError(error, { storage: this.description, key: prefix, action: 'list' });
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    const paths = keys.map((key) => this.#path(key));
    const folders = new Map<string, string>();
    for (const [i, key] of keys.entries()) if (await this.#deleteOne(key)) folders.set(dirname(paths[i] ?? ''), key);
    for (const [folder, key] of folders) await this.#at(key, 'delete', () => this.#folders.prune(folder));
  }

  /**
   * Removes what processes that were killed while writing have left, whatever they wrote: here the kernel tells who is
   * gone. @returns the number of those processes
   */
  async discardUnfinished(prefix: string): Promise<number> {
    assertObjectPrefix(prefix);
    return this.#at(reservedFolder, 'sweep', async () =>
      (await lstatOrUndefined(join(this.#root, reservedFolder))) ? this.#partial.sweep() : 0,
    );
  }

  /** Nothing to try: the kernel's link(2), rename(2) and fcntl(2) decide, and a write says when they can't. */
  requireSuitable(): Promise<void> {
    return Promise.resolve();
  }

  /** Gives back the locks and removes this store's own folder for temporary files. The store must be idle. */
  async close(): Promise<void> {
    await this.#partial.close();
    this.#lock.close();
  }

  async #writePartial(key: string, source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<WrittenFile> {
    const path = await this.#at(key, 'write', async () => {
      this.#path(key);
      await this.#folders.makeRoot();
      return this.#partial.newPath();
    });
    return writeNewFile(path, source, { storage: this.description, key, signal });
  }

  async #publish(key: string, file: WrittenFile, condition: WriteCondition | undefined): Promise<void> {
    try {
      if (condition && 'ifNoneMatch' in condition) {
        await this.#create(key, file);
        return;
      }
      await this.#lock.run(() => this.#replace(key, file, condition?.ifMatch));
      await this.#folders.sync(dirname(this.#path(key)));
    } finally {
      await rm(file.path, { force: true });
    }
  }

  async #create(key: string, file: WrittenFile): Promise<void> {
    const path = this.#path(key);
    await this.#folders.publishInto(dirname(path), async () => {
      try {
        await link(file.path, path);
      } catch (error) {
        throw await this.#linkError(key, error);
      }
    });
    try {
      await this.#folders.sync(dirname(path));
    } catch (error) {
      // Perhaps not durable, so not written; the caller gets the error and may write it again.
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Under the lock. */
  async #replace(key: string, file: WrittenFile, expected: string | undefined): Promise<void> {
    const path = this.#path(key);
    if (expected !== undefined && (await inspectObject(path))?.etag !== expected) {
      const message = `Storage ${this.description}: "${key}" is not what was read before.`;
      throw new HoldfastError('PreconditionFailed', message, { details: { key } });
    }
    await this.#folders.publishInto(dirname(path), () => rename(file.path, path));
  }

  async #linkError(key: string, error: unknown): Promise<unknown> {
    const code = errorCode(error);
    if (code === 'EEXIST') return this.#whyTaken(key);
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') return error;
    const message = `Storage ${this.description}: could not write "${key}": no hard links here (${code}).`;
    return new HoldfastError('StorageAccessDenied', message, {
      next: 'Use a file system with hard links (ext4, xfs, btrfs, tmpfs, NFS): create-only writes rest on them.',
      cause: error,
    });
  }

  async #whyTaken(key: string): Promise<unknown> {
    const stats = await lstatOrUndefined(this.#path(key));
    if (stats && !stats.isFile()) return Object.assign(new TypeError('not a file'), { code: 'EISDIR' });
    return new HoldfastError('ObjectExists', `Storage ${this.description}: "${key}" exists already.`, {
      details: { key },
    });
  }

  async #deleteOne(key: string): Promise<boolean> {
    return this.#at(key, 'delete', async () => {
      const path = this.#path(key);
      if (!(await lstatOrUndefined(path))?.isFile()) {
        await this.#assertRoot();
        return false;
      }
      // One key a lock: to unlink gigabytes takes a while, and leases are renewed meanwhile.
      await this.#lock.run(() => rm(path, { force: true }));
      return true;
    });
  }

  #path(key: string): string {
    assertObjectKey(key);
    if (key === reservedFolder || key.startsWith(`${reservedFolder}/`)) {
      throw new HoldfastError('InvalidInput', `Keys can't begin with "${reservedFolder}": "${key}".`, {
        next: `Use another key: ${reservedFolder} holds the lock and the temporary files of the storage.`,
      });
    }
    return join(this.#root, key);
  }

  async #read<T>(key: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    return this.#at(key, 'read', async () => {
      const path = this.#path(key);
      let handle;
      try {
        await this.#folders.refuseLinks(dirname(path));
        handle = await openObject(path);
      } catch (error) {
        await this.#assertRoot();
        if (errorCode(error) === 'ENOTDIR') throw Object.assign(new TypeError('no folder'), { code: 'ENOENT' });
        throw error;
      }
      try {
        return await work(handle);
      } finally {
        await handle.close();
      }
    });
  }

  /** An absent root is an empty storage; a file in its place is a mistake that must not look like one. */
  async #assertRoot(): Promise<void> {
    const stats = await stat(this.#root).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      if (errorCode(error) === 'ENOTDIR') throw notADirectory(this.#root, error);
      throw error;
    });
    if (stats && !stats.isDirectory()) throw notADirectory(this.#root);
  }

  async #at<T>(key: string, action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toStorageError(error, { storage: this.description, key, action });
    }
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- a stream of one
async function* oneChunk(body: Uint8Array): AsyncIterable<Uint8Array> {
  yield body;
}
