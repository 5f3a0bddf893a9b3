import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FileLock } from './file-lock.ts';

/**
 * Files being written, before they get their key: `<place>/<owner>/<n>`, on the same file system as the objects.
 * The owner's folder holds a lock that lives as long as the process, so what a killed process left is told from what a
 * live one is writing. Folders are made and swept under the store's lock only, so a folder whose owner lock is not
 * held has no owner.
 */
export class PartialFiles {
  readonly #place: string;
  readonly #storeLock: FileLock;
  readonly #owner: string;
  readonly #ownerLock: FileLock;
  #ready: Promise<void> | undefined;
  #count = 0;

  constructor(place: string, storeLock: FileLock) {
    this.#place = place;
    this.#storeLock = storeLock;
    this.#owner = randomUUID();
    this.#ownerLock = new FileLock(this.#lockPath(this.#owner));
  }

  /** A path for a new file; the first call also removes what dead processes left. */
  async newPath(): Promise<string> {
    this.#ready ??= this.#enlist().catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    await this.#ready;
    return join(this.#place, this.#owner, String(this.#count++));
  }

  /** Removes the folders of owners that are gone. @returns how many */
  async sweep(): Promise<number> {
    return this.#storeLock.run(() => this.#sweepLocked());
  }

  /** Removes this owner's own folder; under the store's lock, so that nobody sweeps it at the same time. */
  async close(): Promise<void> {
    const enlisted = this.#ready;
    this.#ready = undefined;
    if (!enlisted) return;
    await this.#storeLock.run(async () => {
      this.#ownerLock.close();
      await rm(join(this.#place, this.#owner), { recursive: true, force: true });
    });
  }

  async #enlist(): Promise<void> {
    await this.#storeLock.run(async () => {
      await this.#sweepLocked();
      this.#ownerLock.tryHold();
    });
  }

  async #sweepLocked(): Promise<number> {
    let swept = 0;
    for (const owner of await readdir(this.#place).catch(() => [])) {
      if (owner === this.#owner) continue;
      const lock = new FileLock(this.#lockPath(owner));
      try {
        if (!lock.tryHold()) continue;
        await rm(join(this.#place, owner), { recursive: true, force: true });
        swept++;
      } finally {
        lock.close();
      }
    }
    return swept;
  }

  #lockPath(owner: string): string {
    return join(this.#place, owner, 'owner.lock');
  }
}
