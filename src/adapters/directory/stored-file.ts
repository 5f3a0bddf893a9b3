import { hash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { errorCode } from './file-errors.ts';

/** What is compared and replaced (leases, counters) is far smaller; what is larger is written once. */
const hashedBytes = 64 * 1024;

/** Opens an object for reading, or not at all: a link or a folder is no object. */
export async function openObject(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const isFile = await handle.stat().then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (isFile) return handle;
  await handle.close();
  throw Object.assign(new TypeError('not a file'), { code: 'ENOENT' });
}

/** Fills `buffer` from `position`; shorter only at the end of the file. */
export async function readFully(handle: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/**
 * The etag of an open file. Small: of its content, because inode numbers and timestamps (4 ms apart on many kernels) are
 * reused together when a small file is replaced quickly. Large: inode, size and time of modification.
 */
export async function etagOf(handle: FileHandle): Promise<{ size: number; etag: string }> {
  const stats = await handle.stat({ bigint: true });
  const size = Number(stats.size);
  if (size > hashedBytes) return { size, etag: `f-${stats.ino.toString(36)}-${size}-${stats.mtimeNs.toString(36)}` };
  const body = Buffer.allocUnsafe(size);
  return { size, etag: contentEtag(body.subarray(0, await readFully(handle, body, 0))) };
}

function contentEtag(body: Uint8Array): string {
  return `c-${body.length}-${hash('sha256', body, 'hex').slice(0, 40)}`;
}

/** Size and etag of the object at a path; undefined when there is none. */
export async function inspectObject(path: string): Promise<{ size: number; etag: string } | undefined> {
  try {
    const handle = await openObject(path);
    try {
      return await etagOf(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Of a folder in the way of the key there is no object at the key either.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

export async function lstatOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** How much later the second file was written than the first, by the file system's clock; undefined when the first is gone. */
export async function millisecondsBetween(first: string, second: string): Promise<number | undefined> {
  const [before, after] = [await lstatOrUndefined(first), await lstat(second)];
  return before && after.mtimeMs - before.mtimeMs;
}
