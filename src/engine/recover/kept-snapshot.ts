import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { HoldfastError } from '../../domain/errors.ts';
import type { SnapshotPart } from '../../domain/manifest-parts.ts';
import { copyTree, type CopyTreeOptions, syncTree } from '../copy/copy-tree.ts';
import { type ScannedDirectory, scanDataDirectory } from '../copy/scan-data-directory.ts';

/** The files of a snapshot that is kept on this machine: read, and never changed. */

/** @throws ObjectNotFound, CorruptObject (another size than when it was taken), naming the snapshot */
async function scanKept({ name, base }: SnapshotPart, root: string): Promise<ScannedDirectory> {
  const found = await scanDataDirectory({ root, member: name, followLinks: false }).catch((cause: unknown) => {
    throw new HoldfastError('ObjectNotFound', `The snapshot ${root} can't be read: ${(cause as Error).message}`, {
      next: 'Restore on the machine that keeps the snapshot, or from another backup.',
      details: { key: root },
      cause,
    });
  });
  if (found.bytes === base.rawBytes) return found;
  throw new HoldfastError(
    'CorruptObject',
    `The snapshot ${root} has ${found.bytes} bytes instead of ${base.rawBytes}: files of it were lost, cut or changed.`,
    { details: { key: root } },
  );
}

/** One path lies in the other, or is it. */
const overlap = (a: string, b: string): boolean =>
  `${a}${sep}`.startsWith(`${b}${sep}`) || `${b}${sep}`.startsWith(`${a}${sep}`);

/**
 * Everything that can be known of a kept snapshot beforehand.
 * @param directory the target: it is emptied, and must have nothing to do with the snapshot
 * @throws ObjectNotFound, CorruptObject, TargetNotSuitable
 */
export async function checkKeptSnapshot(part: SnapshotPart, root: string, directory?: string): Promise<void> {
  await scanKept(part, root);
  const target = directory === undefined ? undefined : await realpath(directory).catch(() => directory);
  if (target === undefined || !overlap(await realpath(root), target)) return;
  throw new HoldfastError('TargetNotSuitable', `The target ${target} is the snapshot that is to be restored from.`);
}

/**
 * Copies the snapshot's files, shared where the file system can (reflink), into a directory that holds nothing but a
 * mark. All of it is durable when this resolves.
 * @throws ObjectNotFound, CorruptObject, the file system's errors, the signal's reason
 */
export async function laySnapshot(
  part: SnapshotPart,
  { root, directory }: { readonly root: string; readonly directory: string },
  options: CopyTreeOptions,
): Promise<void> {
  const scanned = await scanKept(part, root);
  await copyTree(scanned, root, directory, options);
  await syncTree(scanned, directory);
}
