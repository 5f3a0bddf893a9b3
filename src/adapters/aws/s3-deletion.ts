import type { DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import { readKeyFailure, ReportedFailure, type S3Failure } from './s3-failures.ts';
import type { S3Requests } from './s3-requests.ts';

/** S3's limit for one request. */
const batchKeys = 1000;

/**
 * Deletes in batches. A batch can succeed and some of its keys fail: those that fail for a passing reason are tried again.
 * @throws StorageAccessDenied and others, of the first key that stays, with the number of them
 */
export async function deleteObjects(requests: S3Requests, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += batchKeys) {
    await deleteBatch(requests, keys.slice(from, from + batchKeys));
  }
}

async function deleteBatch(requests: S3Requests, keys: readonly string[]): Promise<void> {
  let left = [...new Set(keys)];
  let worst: KeyFailure | undefined;
  const outcome = await requests.outcome({
    operation: 'DeleteObjects',
    key: left[0] ?? '',
    run: async ({ sdk, client, options }) => {
      worst = undefined;
      const command = new sdk.DeleteObjectsCommand({
        Bucket: requests.place.bucket,
        Delete: { Quiet: true, Objects: left.map((key) => ({ Key: requests.place.prefix + key })) },
      });
      const failures = failuresOf(await client.send(command, options), requests.place.prefix);
      left = failures.map(({ key }) => key);
      // What stays for good decides; what may yet succeed is worth another try only without it.
      worst = failures.find(({ failure }) => !failure.retryable) ?? failures[0];
      if (worst) throw new ReportedFailure(worst.failure);
    },
  });
  if ('value' in outcome) return;
  const { failure } = outcome;
  const said = worst && left.length > 1 ? `${failure.said}; ${left.length} objects are left` : failure.said;
  throw requests.error({ ...failure, said }, { operation: 'DeleteObjects', key: worst?.key ?? left[0] ?? '' });
}

interface KeyFailure {
  readonly key: string;
  readonly failure: S3Failure;
}

function failuresOf({ Errors = [] }: DeleteObjectsCommandOutput, prefix: string): KeyFailure[] {
  return Errors.filter(({ Code }) => Code !== 'NoSuchKey').map(({ Key = '', Code = 'UnknownError', Message = '' }) => ({
    key: Key.slice(prefix.length),
    failure: readKeyFailure(Code, Message),
  }));
}
