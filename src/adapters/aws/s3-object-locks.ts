import type { ObjectLock } from '../../domain/object-lock.ts';
import type { S3Requests } from './s3-requests.ts';

/** What the storage keeps an object from being deleted by. */
export interface ObjectProtection {
  readonly lock: ObjectLock | undefined;
  readonly legalHold: boolean;
}

/** Locks one object. A lock can be prolonged; the storage refuses to shorten it. @throws StorageNotSuitable when the bucket has no Object Lock */
export async function lockObject(requests: S3Requests, key: string, { mode, until }: ObjectLock): Promise<void> {
  await requests.send({
    operation: 'PutObjectRetention',
    key,
    run: ({ sdk, client, options }) => {
      const Mode = mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
      const command = new sdk.PutObjectRetentionCommand({
        ...requests.target(key),
        Retention: { Mode, RetainUntilDate: new Date(until) },
        ChecksumAlgorithm: 'CRC32',
      });
      return client.send(command, options);
    },
  });
}

/** Sets or lifts the legal hold of one object: it has no end of its own. */
export async function holdObject(requests: S3Requests, key: string, hold: boolean): Promise<void> {
  await requests.send({
    operation: 'PutObjectLegalHold',
    key,
    run: ({ sdk, client, options }) => {
      const command = new sdk.PutObjectLegalHoldCommand({
        ...requests.target(key),
        LegalHold: { Status: hold ? 'ON' : 'OFF' },
        ChecksumAlgorithm: 'CRC32',
      });
      return client.send(command, options);
    },
  });
}

/** Reads back what protects an object. */
export async function readProtection(requests: S3Requests, key: string): Promise<ObjectProtection> {
  return requests.send({
    operation: 'HeadObject',
    key,
    run: async ({ sdk, client, options }) => {
      const answer = await client.send(new sdk.HeadObjectCommand(requests.target(key)), options);
      const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: hold } = answer;
      const lock: ObjectLock | undefined = mode &&
        until && { mode: mode === 'COMPLIANCE' ? 'compliance' : 'governance', until: until.toISOString() };
      return { lock, legalHold: hold === 'ON' };
    },
  });
}
