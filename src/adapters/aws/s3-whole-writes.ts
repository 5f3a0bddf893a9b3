import { crc32 } from 'node:zlib';
import type { WriteCondition, WrittenObject } from '../../application/ports/object-store.ts';
import { claimConditions, claimMetadata, type Claim, newClaim, resolveClaim } from './s3-claims.ts';
import { crc32ToBase64, crc32ToHex } from './s3-checksums.ts';
import { requireEtag } from './s3-look.ts';
import type { S3Place } from './s3-place.ts';
import type { S3Requests } from './s3-requests.ts';

/** The headers that have an object encrypted by the place's KMS key; a bucket key saves nearly all calls to KMS. */
export function encryption({ kmsKey }: S3Place) {
  if (kmsKey === undefined) return {};
  return { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKey, BucketKeyEnabled: true } as const;
}

/**
 * Writes an object by one request, which the storage refuses when its bytes are not those of the CRC-32.
 * @throws ObjectExists, PreconditionFailed, the storage's errors
 */
export async function writeWhole(
  requests: S3Requests,
  key: string,
  body: Uint8Array,
  condition?: WriteCondition,
): Promise<WrittenObject> {
  return writeClaimed(requests, key, body, condition && newClaim(condition));
}

/** The same under a claim made before. @param signal stops trying again; what was sent is waited for */
export async function writeClaimed(
  requests: S3Requests,
  key: string,
  body: Uint8Array,
  claim: Claim | undefined,
  signal?: AbortSignal,
): Promise<WrittenObject> {
  const checksum = crc32(body);
  const action = { operation: 'PutObject', key } as const;
  const written = (etag: string) => ({ key, size: body.length, etag, crc32: crc32ToHex(checksum) });
  const outcome = await requests.outcome({
    ...action,
    patientSignal: signal,
    run: async ({ sdk, client, options }) => {
      const command = new sdk.PutObjectCommand({
        ...requests.target(key),
        ...encryption(requests.place),
        ...(claim && { ...claimMetadata(claim), ...claimConditions(claim) }),
        Body: body,
        ContentLength: body.length,
        ChecksumCRC32: crc32ToBase64(checksum),
      });
      return requireEtag((await client.send(command, options)).ETag);
    },
  });
  if ('value' in outcome) return written(outcome.value);
  if (claim) return written((await resolveClaim(claim, outcome, action, requests)).etag);
  if ('aborted' in outcome) throw outcome.aborted;
  throw requests.error(outcome.failure, action);
}
