import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, crc32, createZstdCompress } from 'node:zlib';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { type FileIndexLine, type IndexLine, maxIndexBytes, type StoredObject } from '../../domain/backup-index.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { ByteChannel } from './byte-channel.ts';
import { crc32Hex, requireWritten } from './written-object.ts';

const textChunk = 64 * 1024;
const queuedBytes = 4 * 1024 * 1024;

/** Without the name of the file. */
const leastPieceLine = 200;

function tooManyFrames(maxBytes: number): HoldfastError {
  return new HoldfastError(
    'MethodNotAvailable',
    `The base has too many frames for one index, which is ${maxBytes} bytes at most.`,
    { next: 'Split the data over several replica sets: a base holds about 16 TB.' },
  );
}

/** Before anything is copied: days later {@link writeIndex} would refuse so many pieces. @throws MethodNotAvailable */
export function requireIndexable(pieces: number): void {
  if (pieces * leastPieceLine > maxIndexBytes) throw tooManyFrames(maxIndexBytes);
}

function* inChunks(lines: Iterable<IndexLine | FileIndexLine>, maxBytes: number): Generator<Buffer> {
  let text = '';
  let left = maxBytes;
  const chunk = (): Buffer => {
    const bytes = Buffer.from(text);
    left -= bytes.length;
    if (left < 0) throw tooManyFrames(maxBytes);
    text = '';
    return bytes;
  };
  for (const line of lines) {
    text += `${JSON.stringify(line)}\n`;
    if (text.length >= textChunk) yield chunk();
  }
  if (text !== '') yield chunk();
}

/**
 * Writes `index.ndjson.zst`: one JSON document per line, one zstd frame, however many lines there are.
 * @param maxBytes of the lines; more could not be read again
 * @throws MethodNotAvailable when there are more, ObjectExists, VerificationFailed, the storage's errors
 */
export async function writeIndex(
  store: ObjectStore,
  key: string,
  lines: Iterable<IndexLine | FileIndexLine>,
  signal: AbortSignal,
  maxBytes = maxIndexBytes,
): Promise<StoredObject & { readonly sha256: string }> {
  const sha256 = createHash('sha256');
  const channel = new ByteChannel(queuedBytes);
  let size = 0;
  let sum = 0;
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };
  const compressed = pipeline(
    Readable.from(inChunks(lines, maxBytes)),
    createZstdCompress({ params }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        size += chunk.length;
        sum = crc32(chunk, sum);
        sha256.update(chunk);
        await channel.push(chunk);
      }
      channel.end();
    },
    { signal },
  ).catch((error: unknown) => {
    channel.fail(error as Error);
  });
  try {
    const written = await store.putStream(key, channel, { signal });
    requireWritten(written, size, crc32Hex(sum));
    return { key, size, crc32: crc32Hex(sum), sha256: sha256.digest('hex') };
  } catch (error) {
    channel.fail(error as Error);
    throw error;
  } finally {
    await compressed;
  }
}
