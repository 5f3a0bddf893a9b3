import { crc32 } from 'node:zlib';
import type { ObjectInfo } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { asReadable, readBody } from './s3-body.ts';
import { crc32ToHex } from './s3-checksums.ts';
import { AnswerError } from './s3-failures.ts';
import { isAbsent, lookAt, requireEtag, type S3Object } from './s3-look.ts';
import type { S3Requests } from './s3-requests.ts';

/** What a checksum is computed from where the storage keeps none. */
const pieceBytes = 8 * 1024 * 1024;

export function notFound(key: string, { description }: S3Requests): HoldfastError {
  return new HoldfastError('ObjectNotFound', `Storage ${description}: "${key}" is not there.`, { details: { key } });
}

/** Reads an object whole; where the storage keeps a CRC-32 of the whole, the SDK compares it. @throws ObjectNotFound */
export async function readWhole(requests: S3Requests, key: string): Promise<ObjectInfo & { readonly body: Buffer }> {
  const action = { operation: 'GetObject', key } as const;
  const outcome = await requests.outcome({
    ...action,
    run: async ({ sdk, client, options }) => {
      const command = new sdk.GetObjectCommand({ ...requests.target(key), ChecksumMode: 'ENABLED' });
      const { ETag, Body, ContentLength: size } = await client.send(command, options);
      const stream = asReadable(Body);
      if (size === undefined) {
        stream.destroy();
        throw new AnswerError('MalformedAnswer', 'the answer has no length');
      }
      return { key, size, etag: requireEtag(ETag), body: await readBody(stream, size, requests.patience) };
    },
  });
  if ('value' in outcome) return outcome.value;
  throw isAbsent(outcome.failure) ? notFound(key, requests) : requests.error(outcome.failure, action);
}

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly etag?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Reads exactly the range, or not at all. @throws ObjectNotFound; CorruptObject when the object ends before */
export async function readRange(requests: S3Requests, key: string, range: Range): Promise<Buffer> {
  const { offset, length, signal } = range;
  if (length === 0) {
    const there = await requireObject(requests, key);
    if (there.size < offset) throw tooShort(requests, key, range, there.size);
    return Buffer.alloc(0);
  }
  const action = { operation: 'GetObject', key } as const;
  const outcome = await requests.outcome({
    ...action,
    signal,
    run: async ({ sdk, client, options }) => {
      const command = new sdk.GetObjectCommand({
        ...requests.target(key),
        Range: `bytes=${offset}-${offset + length - 1}`,
        ...(range.etag !== undefined && { IfMatch: range.etag }),
      });
      const { Body, ContentRange } = await client.send(command, options);
      const stream = asReadable(Body);
      const size = rangedSize(ContentRange, range);
      if (typeof size === 'number' && offset + length <= size) return readBody(stream, length, requests.patience);
      stream.destroy();
      if (typeof size === 'number') throw tooShort(requests, key, range, size);
      throw new AnswerError('MalformedAnswer', `asked for ${length} bytes from ${offset}, it answered ${size}`);
    },
  });
  if ('value' in outcome) return outcome.value;
  const { failure } = outcome;
  if (isAbsent(failure)) throw notFound(key, requests);
  if (failure.status === 416) throw tooShort(requests, key, range, (await requireObject(requests, key)).size);
  if (failure.status === 412) {
    const message = `Storage ${requests.description}: "${key}" changed while it was read.`;
    throw new HoldfastError('PreconditionFailed', message, { details: { key } });
  }
  throw requests.error(failure, action);
}

/** The object's size, when the answer is about the range that was asked for; else what it says instead. */
function rangedSize(contentRange: string | undefined, { offset, length }: Range): number | string {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange ?? '') ?? [];
  if (Number(first) !== offset || size === undefined) return contentRange ?? 'without a range';
  return Number(last) === Math.min(offset + length, Number(size)) - 1 ? Number(size) : (contentRange ?? '');
}

function tooShort(requests: S3Requests, key: string, { offset, length }: Range, size: number): HoldfastError {
  const message = `Storage ${requests.description}: "${key}" has ${size} bytes, too few for ${length} at ${offset}.`;
  return new HoldfastError('CorruptObject', message, { details: { key, size, offset, length } });
}

/** @throws ObjectNotFound */
export async function requireObject(requests: S3Requests, key: string): Promise<S3Object> {
  const there = await lookAt(requests, key);
  if (!there) throw notFound(key, requests);
  return there;
}

/** The storage's own CRC-32 of the whole object; read and computed where it keeps none (copied objects, old servers). */
export async function storedCrc32(requests: S3Requests, key: string): Promise<string> {
  const { crc32: stored, size, etag } = await requireObject(requests, key);
  if (stored !== undefined) return stored;
  let checksum = 0;
  for (let offset = 0; offset < size; offset += pieceBytes) {
    const length = Math.min(pieceBytes, size - offset);
    checksum = crc32(await readRange(requests, key, { offset, length, etag }), checksum);
  }
  return crc32ToHex(checksum);
}
