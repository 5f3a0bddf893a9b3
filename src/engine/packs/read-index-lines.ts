import { createHash } from 'node:crypto';
import { createZstdDecompress } from 'node:zlib';
import type * as z from 'zod';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { type indexHeaderSchema, maxIndexBytes, type StoredObject } from '../../domain/backup-index.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { zstdFrameLength } from './zstd-frames.ts';

/** An index as the manifest names it. */
export type ExpectedIndex = StoredObject & { readonly sha256: string };
export type IndexHeader = z.infer<typeof indexHeaderSchema>;

const maxReasonLength = 300;
/** Of the text, at once. */
const decodedBytes = 256 * 1024;
/** A collection has 64 indexes at most; what one says is a document. */
const maxLineBytes = 128 * 1024 * 1024;

export function damagedIndex(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The index ${key} is damaged: ${what}.`, { cause });
}

/** The text, piece by piece: whole it would be some hundred MiB. @throws CorruptObject */
async function* decodedPieces(key: string, stored: Buffer): AsyncGenerator<Buffer> {
  let left = maxIndexBytes;
  try {
    for (let at = 0; at < stored.length;) {
      const length = zstdFrameLength(stored, at);
      const decoder = createZstdDecompress({ chunkSize: decodedBytes });
      decoder.end(stored.subarray(at, at + length));
      for await (const piece of decoder as AsyncIterable<Buffer>) {
        left -= piece.length;
        if (left < 0) throw damagedIndex(key, `it holds more than ${maxIndexBytes} bytes`);
        yield piece;
      }
      at += length;
    }
  } catch (cause) {
    const named = isHoldfastError(cause) && cause.message.includes(key);
    throw named ? cause : damagedIndex(key, (cause as Error).message, cause);
  }
}

/** The whole lines of each piece: as one string, the text of a large index would fill the heap. */
async function* linesOf(key: string, pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  let rest: Buffer[] = [];
  for await (const piece of pieces) {
    const end = piece.lastIndexOf(0x0a);
    if (end < 0) {
      rest.push(piece);
      if (rest.length * decodedBytes > maxLineBytes) throw damagedIndex(key, 'a line of it has no end');
      continue;
    }
    const whole = Buffer.concat([...rest, piece.subarray(0, end)]);
    rest = [Buffer.from(piece.subarray(end + 1))];
    yield whole.toString('utf8').split('\n');
  }
  if (rest.some(({ length }) => length > 0)) throw damagedIndex(key, 'its last line is cut off');
}

function parseLine<Line>(key: string, text: string, number: number, schema: z.ZodType<Line>): Line {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damagedIndex(key, `line ${number} is not JSON`, cause);
  }
  const { schemaVersion } = (json ?? {}) as { schemaVersion?: unknown };
  if (typeof schemaVersion === 'number' && schemaVersion > 1)
    throw new HoldfastError('UnsupportedFormat', `The index ${key} was written by a newer release.`);
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw damagedIndex(
      key,
      `line ${number} is not a line of an index (${parsed.error.message.slice(0, maxReasonLength)})`,
    );
  return parsed.data;
}

/**
 * Reads an index whose size and SHA-256 are those of the manifest, and hands out its lines behind the header.
 * @returns the header
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readIndexLines<Line extends { readonly kind: string }>(
  store: ObjectStore,
  { key, size, sha256 }: ExpectedIndex,
  schema: z.ZodType<IndexHeader | Line>,
  onLine: (line: Line) => void,
): Promise<IndexHeader> {
  const { body } = await store.get(key);
  if (body.length !== size || createHash('sha256').update(body).digest('hex') !== sha256)
    throw damagedIndex(key, 'it is not the one that the manifest describes');
  let header: IndexHeader | undefined;
  let number = 0;
  for await (const texts of linesOf(key, decodedPieces(key, body)))
    for (const text of texts) {
      const line = parseLine(key, text, ++number, schema);
      if (line.kind === 'header') {
        if (header) throw damagedIndex(key, `line ${number} is a second header`);
        header = line as IndexHeader;
      } else if (header) onLine(line as Line);
      else throw damagedIndex(key, 'it does not begin with its header');
    }
  if (!header) throw damagedIndex(key, 'it is empty');
  return header;
}
