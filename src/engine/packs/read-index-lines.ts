import { createHash } from 'node:crypto';
import type * as z from 'zod';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { type indexHeaderSchema, maxIndexBytes, type StoredObject } from '../../domain/backup-index.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { decompressZstdFrame, zstdFrameLength } from './zstd-frames.ts';

/** An index as the manifest names it. */
export type ExpectedIndex = StoredObject & { readonly sha256: string };
export type IndexHeader = z.infer<typeof indexHeaderSchema>;

const maxReasonLength = 300;

export function damagedIndex(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The index ${key} is damaged: ${what}.`, { cause });
}

async function decodeFrames(key: string, stored: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let left = maxIndexBytes;
  try {
    for (let at = 0; at < stored.length;) {
      const length = zstdFrameLength(stored, at);
      const raw = await decompressZstdFrame(stored.subarray(at, at + length), left);
      left = Math.max(1, left - raw.length);
      pieces.push(raw);
      at += length;
    }
  } catch (cause) {
    throw damagedIndex(key, (cause as Error).message, cause);
  }
  const [only, ...more] = pieces;
  return only && more.length === 0 ? only : Buffer.concat(pieces);
}

/** Line by line: as one string, the text of a large index would fill the heap. */
function* linesOf(key: string, text: Buffer): Generator<string> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(0x0a, at);
    if (end < 0) throw damagedIndex(key, 'its last line is cut off');
    yield text.toString('utf8', at, end);
    at = end + 1;
  }
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
  for (const text of linesOf(key, await decodeFrames(key, body))) {
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
