import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareObjectKeys } from '../../domain/object-key.ts';
import { errorCode } from './file-errors.ts';

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
  /** A folder sorts by what its keys begin with: "a.b" < "a/x" because "." < "/". */
  readonly sortKey: string;
}

/**
 * Keys below `root` that start with `prefix`, in the order of their bytes; one folder is held in memory at a time for each
 * level. What is deleted meanwhile may be missing; links and other non-files are passed over.
 * @param skipped the name, directly below the root, that holds no objects
 */
export async function* listKeys(root: string, prefix: string, skipped: string): AsyncIterable<string> {
  const border = prefix.lastIndexOf('/') + 1;
  yield* walk(root, prefix.slice(0, border), prefix.slice(border), skipped);
}

async function* walk(root: string, folder: string, start: string, skipped: string): AsyncIterable<string> {
  for (const entry of await entriesOf(join(root, folder), start)) {
    if (folder === '' && entry.name === skipped) continue;
    if (entry.isFolder) yield* walk(root, `${folder}${entry.name}/`, '', skipped);
    else yield `${folder}${entry.name}`;
  }
}

async function entriesOf(path: string, start: string): Promise<Entry[]> {
  try {
    const entries: Entry[] = [];
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const isFolder = entry.isDirectory();
      if (!entry.name.startsWith(start) || !(isFolder || entry.isFile())) continue;
      entries.push({ name: entry.name, isFolder, sortKey: isFolder ? `${entry.name}/` : entry.name });
    }
    return entries.sort((a, b) => compareObjectKeys(a.sortKey, b.sortKey));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}
