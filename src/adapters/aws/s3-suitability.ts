import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { crc32 } from 'node:zlib';
import { newClaim } from './s3-claims.ts';
import { S3MultipartUpload } from './s3-multipart-upload.ts';
import type { S3Requests } from './s3-requests.ts';
import { writeWhole } from './s3-whole-writes.ts';

/**
 * Tries, on a key of its own, what a store must refuse and a small write doesn't show: that a multipart upload does not
 * replace what is there. The caller deletes the key. @throws StorageNotSuitable
 */
export async function requireConditionalCompletion(requests: S3Requests, key: string): Promise<void> {
  const body = Buffer.from('one of two\n');
  await writeWhole(requests, key, body);
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
