import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { ObjectInfo } from '../../application/ports/object-store.ts';
import { reportedCrc32 } from './s3-checksums.ts';
import { AnswerError } from './s3-failures.ts';
import type { S3Requests } from './s3-requests.ts';

/** What a storage knows of an object without its bytes. */
export interface S3Object extends ObjectInfo {
  /** Of the whole object; undefined when the storage keeps none. */
  readonly crc32: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Looks at an object. An answer to HEAD has no body, so that a missing object and a missing bucket look alike, and so do
 * most refusals: what HEAD refuses is asked for once more by GET, which says why.
 * @returns undefined when there is no such object. @throws StorageNotFound when the bucket is gone
 */
export async function lookAt(requests: S3Requests, key: string, attempts?: number): Promise<S3Object | undefined> {
  const outcome = await requests.outcome({
    operation: 'HeadObject',
    key,
    attempts,
    run: ({ sdk, client, options }) =>
      client.send(new sdk.HeadObjectCommand({ ...requests.target(key), ChecksumMode: 'ENABLED' }), options),
  });
  if ('value' in outcome) return describe(key, outcome.value);
  const { status = 500 } = outcome.failure;
  if (status < 500) return lookByReading(requests, key, attempts);
  throw requests.error(outcome.failure, { operation: 'HeadObject', key });
}

/**
 * By the times that the storage itself puts on the object and on its answer.
 * @returns milliseconds; undefined when there is no such object
 */
export async function ageOf(requests: S3Requests, key: string): Promise<number | undefined> {
  const action = { operation: 'HeadObject', key } as const;
  const outcome = await requests.outcome({
    ...action,
    run: async ({ sdk, client, options }) => {
      const command = new sdk.HeadObjectCommand(requests.target(key));
      let answeredAt: string | undefined;
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          answeredAt = (result.response as { headers?: Record<string, string> }).headers?.['date'];
          return result;
        },
        { step: 'deserialize', name: 'readDate' },
      );
      const { LastModified } = await client.send(command, options);
      const age = Date.parse(answeredAt ?? '') - (LastModified?.getTime() ?? Number.NaN);
      if (Number.isNaN(age)) throw new AnswerError('MalformedAnswer', 'the answer has no Date, or no Last-Modified');
      return age;
    },
  });
  if ('value' in outcome) return outcome.value;
  // What HEAD refuses is explained by GET.
  if ((await lookAt(requests, key)) === undefined) return undefined;
  throw requests.error(outcome.failure, action);
}

async function lookByReading(requests: S3Requests, key: string, attempts?: number): Promise<S3Object | undefined> {
  const outcome = await requests.outcome({
    operation: 'GetObject',
    key,
    attempts,
    run: async ({ sdk, client, options }) => {
      const answer = await client.send(new sdk.GetObjectCommand(requests.target(key)), options);
      (answer.Body as { destroy?: () => void } | undefined)?.destroy?.();
      return answer;
    },
  });
  if ('value' in outcome) return describe(key, outcome.value);
  if (isAbsent(outcome.failure)) return undefined;
  throw requests.error(outcome.failure, { operation: 'GetObject', key });
}

/** Of the object, not of its bucket. */
export function isAbsent({ code, status }: { readonly code: string; readonly status: number | undefined }): boolean {
  return status === 404 && code !== 'NoSuchBucket';
}

function describe(
  key: string,
  answer: Pick<HeadObjectCommandOutput, 'ETag' | 'ContentLength' | 'ChecksumCRC32' | 'ChecksumType' | 'Metadata'>,
): S3Object {
  const { ETag: etag, ContentLength: size, Metadata: metadata = {} } = answer;
  return { key, etag: requireEtag(etag), size: size ?? 0, crc32: reportedCrc32(answer), metadata };
}

/** @throws AnswerError: without an ETag nothing can be compared */
export function requireEtag(etag: string | undefined): string {
  if (etag === undefined || etag === '') throw new AnswerError('MalformedAnswer', 'the answer has no ETag');
  return etag;
}
