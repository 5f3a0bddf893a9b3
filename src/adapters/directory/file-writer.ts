import { type FileHandle, open, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { abortableSource } from '../abortable-source.ts';
import { errorCode, toStorageError } from './file-errors.ts';
import { ownerOnly } from './owner-only.ts';
import { etagOf } from './stored-file.ts';

export interface WrittenFile {
  readonly path: string;
  readonly size: number;
  readonly etag: string;
  readonly crc32: string;
}

export function formatCrc32(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/**
 * Writes a new file chunk by chunk, each awaited before the next is asked for, and makes its content durable. Removed
 * again when source, signal or disk fails; the source's and the signal's own errors come out unchanged.
 */
export async function writeNewFile(
  path: string,
  source: AsyncIterable<Uint8Array>,
  at: { readonly storage: string; readonly key: string; readonly signal?: AbortSignal | undefined },
): Promise<WrittenFile> {
  const mapped = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw toStorageError(missingTemporaryFolder(error), { storage: at.storage, key: at.key, action: 'write' });
    }
  };
  at.signal?.throwIfAborted();
  const handle = await mapped(open(path, 'wx+', ownerOnly.file));
  try {
    let checksum = 0;
    for await (const chunk of abortableSource(source, at.signal)) {
      checksum = crc32(chunk, checksum);
      await mapped(writeFully(handle, chunk));
    }
    await mapped(handle.sync());
    const { size, etag } = await mapped(etagOf(handle));
    at.signal?.throwIfAborted();
    return { path, size, etag, crc32: formatCrc32(checksum) };
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  } finally {
    await mapped(handle.close());
  }
}

/** A disk that is nearly full, and a file size limit, first write less than asked, then fail. */
async function writeFully(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    written += (await handle.write(chunk, written, chunk.length - written)).bytesWritten;
  }
}

/** The temporary folder exists for as long as its process: its absence is no missing object. */
function missingTemporaryFolder(error: unknown): unknown {
  return errorCode(error) === 'ENOENT' ? new TypeError('the folder for temporary files was removed') : error;
}
