import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3ObjectStore } from '../../src/adapters/aws/s3-object-store.ts';
import { describeObjectStoreContract } from '../contract/object-store-contract.ts';
import { nameOf, rejectsWith } from '../contract/object-store-probes.ts';
import { findVersitygw, startVersitygw, type Versitygw } from '../support/versitygw.ts';

const found = await findVersitygw();

describe.skipIf('reason' in found)(`S3 on versitygw${'reason' in found ? ` (left out: ${found.reason})` : ''}`, () => {
  let server: Versitygw;

  async function makeBucket(Bucket: string, ObjectLockEnabledForBucket = false): Promise<void> {
    const client = new S3Client({
      endpoint: server.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: server.key,
    });
    await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket }));
    client.destroy();
  }

  const storeOn = (bucket: string) =>
    new S3ObjectStore({
      bucket,
      prefix: 'holdfast/',
      region: 'us-east-1',
      endpoint: server.endpoint,
      forcePathStyle: true,
      readKey: () => Promise.resolve(server.key),
    });

  beforeAll(async () => {
    if ('path' in found) server = await startVersitygw(found.path);
  });
  afterAll(() => server.stop());

  describeObjectStoreContract('S3ObjectStore', async () => {
    await makeBucket('artifacts');
    const store = storeOn('artifacts');
    return { store, dispose: () => store.close() };
  });

  test('finds a flipped bit when it reads an object whole', async () => {
    await makeBucket('damage');
    const store = storeOn('damage');
    await store.put('whole', randomBytes(100_000));
    const handle = await open(join(server.folder('damage'), 'holdfast', 'whole'), 'r+');
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, 50_000);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 50_000);
    await handle.close();
    await rejectsWith(store.get('whole'), 'CorruptObject');
    await store.close();
  });

  test('keeps what is locked or held, and says so', async () => {
    await makeBucket('locked', true);
    const store = storeOn('locked');
    await store.put('one', Buffer.from('1'));
    expect(await store.protection('one')).toEqual({ lock: undefined, legalHold: false });
    const until = new Date(Date.UTC(2040, 0, 1));
    await store.lock('one', { mode: 'compliance', until });
    await store.setLegalHold('one', true);
    expect(await store.protection('one')).toEqual({ lock: { mode: 'compliance', until }, legalHold: true });
    await rejectsWith(store.lock('one', { mode: 'compliance', until: new Date() }), 'StorageAccessDenied');
    await store.setLegalHold('one', false);
    expect((await store.protection('one')).legalHold).toBe(false);
    await store.close();
  });

  test('is suitable, refuses a wrong secret, and names a bucket that is not there', async () => {
    const store = storeOn('artifacts');
    await store.requireSuitable('_check/suitable');
    await store.delete(['_check/suitable']);
    await rejectsWith(storeOn('nowhere').head('one'), 'StorageNotFound');
    const stranger = new S3ObjectStore({
      ...{ bucket: 'artifacts', prefix: '', region: 'us-east-1', endpoint: server.endpoint, forcePathStyle: true },
      readKey: () => Promise.resolve({ ...server.key, secretAccessKey: 'CANARY-another-secret' }),
    });
    const error: unknown = await stranger.get('one').catch((reason: unknown) => reason);
    expect(nameOf(error)).toBe('StorageAccessDenied');
    expect(JSON.stringify(error) + (error as Error).message).not.toContain('CANARY');
    await store.close();
    await stranger.close();
  });
});
