import { constants, copyFile, type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScannedDirectory } from './scan-data-directory.ts';

const chunkBytes = 4 * 1024 * 1024;

export interface CopyTreeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of files that are copied, so far. */
  readonly onCopied?: (bytes: number) => void;
}

/**
 * Copies a scanned directory into one that holds nothing of it: shared with the original where the file system can
 * (reflink), byte by byte else. Nothing of it is durable yet: {@link syncTree}.
 * @throws the file system's errors (EEXIST for what is there already), the signal's reason
 */
export async function copyTree(
  { directories, files }: ScannedDirectory,
  from: string,
  to: string,
  { signal, onCopied }: CopyTreeOptions,
): Promise<void> {
  for (const { path, mode } of directories) await mkdir(join(to, path), { mode: mode | 0o700 });
  let canClone = true;
  let bytes = 0;
  for (const { path, size } of files) {
    signal?.throwIfAborted();
    canClone &&= await cloneFile(join(from, path), join(to, path));
    if (!canClone) await copyBytes(join(from, path), join(to, path), signal);
    onCopied?.((bytes += size));
  }
}

/** Makes a copied tree survive a power failure. @throws the file system's errors */
export async function syncTree({ directories, files }: ScannedDirectory, root: string): Promise<void> {
  for (const { path } of [...files, ...directories, { path: '' }]) await sync(join(root, path));
}

/**
 * A file that shares its blocks with another (FICLONE): it takes neither time nor room.
 * @returns false where the file system cannot share blocks, or not between these two places: then there is no file
 */
export async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (
      ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'].includes(
        String((error as NodeJS.ErrnoException).code),
      )
    ) {
      await rm(to, { force: true });
      return false;
    }
    throw error;
  }
}

const zeros = Buffer.alloc(chunkBytes);

/**
 * In pieces, so that a lock that lasts too long can be given up in the middle of a large file; without writing zeros, of
 * which most of a journal consists.
 */
async function copyBytes(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'wx', (await source.stat()).mode & 0o7777);
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let at = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, at);
    if (bytesRead === 0) break;
    if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0)
      await writeWhole(target, buffer.subarray(0, bytesRead), at);
    at += bytesRead;
  }
  await target.truncate(at);
}

async function writeWhole(target: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
