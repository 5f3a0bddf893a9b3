import { realpath, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { HoldfastError } from '../../domain/errors.ts';
import { syncFolder } from '../../engine/recover/durable-files.ts';
import { makeFolders } from '../make-folders.ts';
import { errorCode } from './file-errors.ts';
import { ownerOnly } from './owner-only.ts';

/** The folders between a root and its objects: made with their parents, durable when asked, removed when empty. */
export class DurableFolders {
  readonly #root: string;
  #realRoot: string | undefined;
  /** Folders whose entry in their parent is known to be on disk, by path, inode and birth: a folder made anew is another. */
  readonly #durable = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes the root. @throws StorageAccessDenied when something else is in its place */
  async makeRoot(): Promise<void> {
    if (this.#realRoot !== undefined) return;
    try {
      await makeFolders(this.#root, ownerOnly.folder);
    } catch (error) {
      if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOTDIR') throw notADirectory(this.#root, error);
      if (errorCode(error) === 'ENOENT') throw notMakeable(this.#root, error);
      throw error;
    }
    this.#realRoot = await realpath(this.#root);
  }

  /**
   * Runs `publish`, which puts an entry into `folder`, making the folder first; again when somebody's delete removed the
   * folder, empty as it still was, in between.
   * @throws StorageAccessDenied when a symbolic link leads out of the root
   */
  async publishInto(folder: string, publish: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        // Before mkdir would follow a link, and after it, when the whole folder exists.
        if (!(await this.refuseLinks(folder))) {
          await makeFolders(folder, ownerOnly.folder);
          await this.refuseLinks(folder);
        }
        await publish();
        return;
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
        if (attempt === 100) {
          const message = `The folder ${folder} disappears as often as it is made.`;
          throw new HoldfastError('StorageUnavailable', message, { cause: error });
        }
      }
    }
  }

  /** Makes the entries of `folder`, and the folders up to the root, durable. */
  async sync(folder: string): Promise<void> {
    await syncFolder(folder);
    for (let current = folder; current !== this.#root; current = dirname(current)) {
      const { ino, birthtimeNs } = await stat(current, { bigint: true });
      const identity = `${current}:${ino}:${birthtimeNs}`;
      if (this.#durable.has(identity)) continue;
      await syncFolder(dirname(current));
      this.#durable.add(identity);
    }
    await this.#syncRootEntry();
  }

  /** Removes `folder` and its parents below the root as long as they are empty, and makes that durable. */
  async prune(folder: string): Promise<void> {
    let current = folder;
    while (current !== this.#root) {
      try {
        await rmdir(current);
      } catch (error) {
        const code = errorCode(error);
        if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') break;
        if (code !== 'ENOENT') throw error;
      }
      current = dirname(current);
    }
    await syncFolder(current).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
    });
  }

  async #syncRootEntry(): Promise<void> {
    if (this.#durable.has(this.#root)) return;
    await syncFolder(this.#root);
    // A root below a folder that this user may not even read was there before us.
    await syncFolder(dirname(this.#root)).catch(() => undefined);
    this.#durable.add(this.#root);
  }

  /**
   * Refuses a folder that a symbolic link leads to, as far as the folder exists.
   * @returns whether all of it exists
   * @throws StorageAccessDenied
   */
  async refuseLinks(folder: string): Promise<boolean> {
    this.#realRoot ??= await realpath(this.#root);
    for (let current = folder; current !== this.#root; current = dirname(current)) {
      const actual = await realpath(current).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      });
      if (actual === undefined) continue;
      if (actual === join(this.#realRoot, relative(this.#root, current))) return current === folder;
      throw new HoldfastError('StorageAccessDenied', `${current} is reached through a symbolic link, to ${actual}.`, {
        next: 'Replace the link by a directory or a bind mount: keys never leave the storage.',
      });
    }
    return folder === this.#root;
  }
}

function notMakeable(root: string, cause: unknown): HoldfastError {
  return new HoldfastError('StorageAccessDenied', `The directory ${root} can't be made: its file system refuses.`, {
    next: 'Correct the path of the storage in the config file: it lies in a file system that holds no files of yours.',
    cause,
  });
}

/** What to say when the root is a file. */
export function notADirectory(root: string, cause?: unknown): HoldfastError {
  return new HoldfastError('StorageAccessDenied', `${root} is not a directory, so it can't be a storage.`, {
    next: 'Correct the path of the storage in the config file, or move what is there away.',
    cause,
  });
}
