import { mkdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';
const isThere = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/**
 * Makes a folder and its missing parents. Not `mkdir` with `recursive`: where a file system answers ENOENT although the
 * parent exists, as /proc does, Node 24 tries for ever, on one of the threads that everything else needs.
 * @param mode of the folders that are made
 * @throws the system's error; EEXIST also when something else than a folder is in the last one's place
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) {
      requireFolder(path, error);
      return;
    }
    await makeFolders(dirname(path), mode);
    await mkdir(path, { mode }).catch((again: unknown) => {
      requireFolder(path, again);
    });
  }
}

/** {@link makeFolders} for callers that cannot wait. */
export function makeFoldersNow(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) {
      requireFolder(path, error);
      return;
    }
    makeFoldersNow(dirname(path), mode);
    makeOneNow(path, mode);
  }
}

function makeOneNow(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    requireFolder(path, error);
  }
}

function requireFolder(path: string, error: unknown): void {
  if (!isThere(error) || !statSync(path).isDirectory()) throw error;
}
