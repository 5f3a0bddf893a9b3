import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../domain/errors.ts';
import { makeFoldersNow } from '../make-folders.ts';
import { ownerOnly } from './owner-only.ts';

const sqliteBusy = 5;
const sqliteReadOnly = 8;
const sqliteCannotOpen = 14;
const giveUpAfterMilliseconds = 60_000;

/**
 * A lock between processes that the kernel releases when its holder dies, however it dies: no stale lock, no clock, no
 * process ids (which mean nothing across containers). Node has no flock(2); SQLite, which is part of Node, takes
 * fcntl(2) locks on its file at BEGIN IMMEDIATE. Nothing is ever written into the file. See docs/adr/0017.
 */
export class FileLock {
  readonly #path: string;
  #database: DatabaseSync | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** @param path absolute; made, with its folder, when not there */
  constructor(path: string) {
    this.#path = path;
  }

  /** Runs `work` while no other holder of this path runs, in any process. @throws StorageUnavailable after 60 s of waiting */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      await this.#acquire();
      try {
        return await work();
      } finally {
        this.#release();
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** Takes the lock for as long as this process lives or until {@link close}. @returns false when another holds it */
  tryHold(): boolean {
    createEmpty(this.#path);
    return this.#tryBegin();
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  async #acquire(): Promise<void> {
    if (!this.#database) createEmpty(this.#path);
    const start = performance.now();
    while (!this.#tryBegin()) {
      if (performance.now() - start > giveUpAfterMilliseconds) {
        throw new HoldfastError('StorageUnavailable', `Another process has held the lock ${this.#path} for a minute.`, {
          next: 'Look for a stopped (Ctrl-Z) Holdfast process that uses this directory, and continue or end it.',
        });
      }
      // Random, so that waiting processes do not keep step with each other.
      await delay(1 + Math.random() * 9);
    }
  }

  #tryBegin(): boolean {
    try {
      this.#database ??= openForLocking(this.#path);
      this.#database.exec('BEGIN IMMEDIATE');
      return true;
    } catch (error) {
      const code = sqliteCode(error);
      if (code === sqliteBusy) return false;
      this.close();
      throw lockError(this.#path, code, error);
    }
  }

  #release(): void {
    this.#database?.exec('ROLLBACK');
  }
}

function openForLocking(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  // No journal file: there is nothing to roll back in a file that stays empty.
  database.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF');
  return database;
}

/**
 * Makes the lock file, so that the file system's own errors come out (SQLite would hide them). Synchronous, because closing
 * any descriptor of a file drops this process's fcntl locks on it: nobody here can have taken one between open and close.
 */
function createEmpty(path: string): void {
  if (existsSync(path)) return;
  makeFoldersNow(dirname(path), ownerOnly.folder);
  try {
    closeSync(openSync(path, 'wx', ownerOnly.file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function sqliteCode(error: unknown): number | undefined {
  // The low byte is the primary code; the rest tells the variant.
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

function lockError(path: string, code: number | undefined, cause: unknown): HoldfastError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (code === sqliteReadOnly || code === sqliteCannotOpen) {
    return new HoldfastError('StorageAccessDenied', `The lock file ${path} can't be opened for writing: ${reason}.`, {
      next: 'Give this user write access to the directory and everything in it.',
      cause,
    });
  }
  return new HoldfastError('StorageUnavailable', `The file ${path} can't be locked: ${reason}.`, {
    next: 'Use a file system with POSIX locks (ext4, xfs, btrfs, tmpfs; NFS with its lock service).',
    cause,
  });
}
