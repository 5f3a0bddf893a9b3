import { crc32 } from 'node:zlib';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { newClaim } from './s3-claims.ts';
import { deleteObjects } from './s3-deletion.ts';
import { S3MultipartUpload } from './s3-multipart-upload.ts';
import type { S3Requests } from './s3-requests.ts';
import { writeWhole } from './s3-whole-writes.ts';

const racers = 20;
const races = 3;

/**
 * Tries what a storage must refuse and a single small write doesn't show: two of many writers that create at once, and a
 * multipart upload that replaces what is there. There are servers that look first and write afterwards; they often pass
 * one race. Writes keys that begin with `key` and deletes them. @throws StorageNotSuitable
 */
export async function requireExactConditions(requests: S3Requests, key: string): Promise<void> {
  const keys = Array.from({ length: races }, (_, n) => `${key}-${n}`);
  try {
    for (const each of keys) await requireOneWinner(requests, each);
    await requireConditionalCompletion(requests, keys[0] ?? key);
  } finally {
    await deleteObjects(requests, keys);
  }
}

async function requireOneWinner(requests: S3Requests, key: string): Promise<void> {
  const writes = Array.from({ length: racers }, (_, n) =>
    writeWhole(requests, key, Buffer.from(`writer ${n}`), { ifNoneMatch: '*' }),
  );
  let winners = 0;
  for (const result of await Promise.allSettled(writes)) {
    if (result.status === 'fulfilled') winners++;
    else if (!isHoldfastError(result.reason, 'ObjectExists')) throw result.reason as Error;
  }
  if (winners === 1) return;
  throw new HoldfastError(
    'StorageNotSuitable',
    `Storage ${requests.description} let ${winners} of ${racers} writers create the same object: it does not honour If-None-Match.`,
  );
}

async function requireConditionalCompletion(requests: S3Requests, key: string): Promise<void> {
  const body = Buffer.from('one of two\n');
  const upload = await S3MultipartUpload.begin(requests, key, newClaim({ ifNoneMatch: '*' }));
  try {
    await upload.upload(1, body);
    await upload.complete({ size: body.length, checksum: crc32(body) });
  } catch (error) {
    await upload.abort();
    if (isHoldfastError(error, 'ObjectExists')) return;
    throw error;
  }
  throw new HoldfastError(
    'StorageNotSuitable',
    `Storage ${requests.description} ignores If-None-Match when a multipart upload is completed: it replaced an object that was there.`,
  );
}
