import { makeWorld } from '../../support/backup-world.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { checkConfig } from '../../../src/application/use-cases/check-config.ts';
import { LocalStorages } from '../../../src/composition/local-storages.ts';
import type { Settings } from '../../../src/domain/settings.ts';
import { toLogValue } from '../../../src/adapters/process/redact.ts';
import type { S3ObjectStore } from '../../../src/adapters/aws/s3-object-store.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { bytes, chunks, keysOf, rejectsWith } from '../../contract/object-store-probes.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { bucket, type S3ThroughProxy, startS3ThroughProxy } from '../../support/s3-through-proxy.ts';

let s3: S3ThroughProxy;
let store: S3ObjectStore;
beforeAll(async () => {
  s3 = await startS3ThroughProxy();
  store = s3.store();
});
afterAll(() => s3.stop());
beforeEach(() => {
  s3.proxy.reset();
});

async function errorOf(work: Promise<unknown>): Promise<HoldfastError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

const canaryToken = `CANARYtoken${'x'.repeat(60)}`;

test.each([
  [403, 'AccessDenied', 'StorageAccessDenied', /s3:PutObject on arn:aws:s3:::artifacts\/holdfast\/\*/],
  [403, 'InvalidAccessKeyId', 'StorageAccessDenied', /access key/],
  [403, 'SignatureDoesNotMatch', 'StorageAccessDenied', /secret/],
  [400, 'ExpiredToken', 'StorageAccessDenied', /Renew the credentials/],
  [403, 'RequestTimeTooSkewed', 'StorageAccessDenied', /clock/],
  [404, 'NoSuchBucket', 'StorageNotFound', /bucket/],
  [301, 'PermanentRedirect', 'InvalidConfig', /region/],
  [400, 'KMS.DisabledException', 'StorageAccessDenied', /Enable the key/],
  [400, 'KMS.NotFoundException', 'StorageAccessDenied', /kmsKey/],
  [503, 'SlowDown', 'StorageUnavailable', /Check the storage/],
  [500, 'InternalError', 'StorageUnavailable', /Check the storage/],
  [507, 'XMinioStorageFull', 'StorageFull', /Free space/],
  [501, 'NotImplemented', 'StorageNotSuitable', /conditional writes/],
  [400, 'BadDigest', 'CorruptObject', /proxies/],
])('%i %s is %s, and says what to do', async (status, code, name, next) => {
  const message = `no, ${canaryToken}`;
  s3.proxy.order({ kind: 'answer', status, code, message }, 'PutObject', Infinity);
  const error = await errorOf(store.put('refused', bytes('x')));
  expect(error.name).toBe(name);
  expect(error.next).toMatch(next);
  expect(error.message).toContain('"primary"');
  expect(error.message).toContain('refused');
  const everything = error.message + error.next + inspect(error, { depth: 9 }) + JSON.stringify(toLogValue(error));
  expect(everything).not.toContain('CANARY');
});

test('a refusal by the rules of the key is told from one by the rules of the bucket', async () => {
  const message = 'User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey';
  s3.proxy.order({ kind: 'answer', status: 403, code: 'AccessDenied', message }, 'PutObject');
  expect((await errorOf(store.put('refused', bytes('x')))).next).toMatch(/kms:GenerateDataKey and kms:Decrypt/);
});

test('a refusal of HEAD, which has no words, is asked for by GET', async () => {
  s3.proxy.order({ kind: 'answer', status: 400, code: 'ExpiredToken' }, () => true, Infinity);
  const error = await errorOf(store.head('refused'));
  expect([error.name, error.next]).toEqual(['StorageAccessDenied', expect.stringContaining('Renew')]);
  expect(s3.proxy.seen.map(({ operation }) => operation)).toEqual(['HeadObject', 'GetObject']);
});

test('what is refused is not tried again', async () => {
  s3.proxy.order({ kind: 'answer', status: 403, code: 'AccessDenied' }, () => true, Infinity);
  await rejectsWith(store.get('refused'), 'StorageAccessDenied');
  expect(s3.proxy.seen).toHaveLength(1);
});

test('403 in the middle of a large object leaves nothing', async () => {
  const allowed = ({ operation, url }: { operation: string; url: string }) =>
    operation === 'UploadPart' && !url.includes('partNumber=1&') && !url.endsWith('partNumber=1');
  s3.proxy.order({ kind: 'answer', status: 403, code: 'AccessDenied' }, allowed, Infinity);
  const parts = Array.from({ length: 4 }, () => Buffer.alloc(8 * 1024 * 1024));
  await rejectsWith(store.putStream('midway', chunks(...parts)), 'StorageAccessDenied');
  expect(await s3.direct.discardUnfinished('')).toBe(0);
  expect(await s3.direct.head('midway')).toBeUndefined();
});

test('a bucket that is gone is not an object that is absent', async () => {
  const gone = s3.store({ bucket: 'nowhere' });
  await rejectsWith(gone.head('a'), 'StorageNotFound');
  await rejectsWith(gone.get('a'), 'StorageNotFound');
  await rejectsWith(gone.delete(['a']), 'StorageNotFound');
  await rejectsWith(keysOf(gone), 'StorageNotFound');
  await rejectsWith(gone.putStream('a', chunks(bytes('x'))), 'StorageNotFound');
});

test('a server that is not there says to check the endpoint', async () => {
  const nobody = s3.store({ endpoint: 'http://127.0.0.1:9', patience: { attempts: 2 } });
  const error = await errorOf(nobody.get('a'));
  expect([error.name, error.next]).toEqual(['StorageUnavailable', expect.stringContaining('endpoint')]);
});

test('more keys than one request takes are deleted', async () => {
  await s3.direct.put('batch/1000', bytes('1'));
  await store.delete(Array.from({ length: 1001 }, (_, n) => `batch/${n}`));
  expect(s3.proxy.count('DeleteObjects')).toBe(2);
  expect(await keysOf(s3.direct, 'batch/')).toEqual([]);
});

const deleted = (...errors: readonly (readonly [key: string, code: string])[]) => ({
  kind: 'document' as const,
  status: 200,
  body: `<DeleteResult>${errors.map(([key, code]) => `<Error><Key>holdfast/${key}</Key><Code>${code}</Code><Message>said of ${key}</Message></Error>`).join('')}</DeleteResult>`,
});

test('keys of a batch that fail for a passing reason are deleted again, and no others', async () => {
  for (const key of ['again/1', 'again/2']) await s3.direct.put(key, bytes('x'));
  s3.proxy.order(deleted(['again/2', 'SlowDown']), 'DeleteObjects');
  s3.proxy.order(deleted(['again/2', 'InternalError']), 'DeleteObjects');
  await store.delete(['again/1', 'again/2']);
  expect(s3.proxy.count('DeleteObjects')).toBe(3);
  expect(await keysOf(s3.direct, 'again/')).toEqual(['again/1']);
});

test('a key of a batch that must stay is named, with the number of those that are left', async () => {
  s3.proxy.order(deleted(['stay/1', 'SlowDown'], ['stay/2', 'AccessDenied']), 'DeleteObjects', Infinity);
  const error = await errorOf(store.delete(['stay/1', 'stay/2', 'stay/3']));
  expect(error).toMatchObject({ name: 'StorageAccessDenied', details: { key: 'stay/2' } });
  expect(error.message).toContain('said of stay/2; 2 objects are left');
  expect(error.next).toContain('s3:DeleteObject');
  expect(s3.proxy.count('DeleteObjects')).toBe(1);
});

test('an error in an answer that began as a success is an error', async () => {
  const body = '<?xml version="1.0"?>\n<Error><Code>InternalError</Code><Message>later</Message></Error>';
  s3.proxy.order({ kind: 'document', status: 200, body }, 'CompleteMultipartUpload');
  const written = await store.putStream('late/error', chunks(Buffer.alloc(9 * 1024 * 1024)));
  expect(s3.proxy.count('CompleteMultipartUpload')).toBe(2);
  expect((await s3.direct.head('late/error'))?.etag).toBe(written.etag);
});

test('what a killed process left of an upload is found by its prefix and removed', async () => {
  s3.proxy.order({ kind: 'silence' }, 'UploadPart', Infinity);
  const abandoned = s3.store({ patience: { idleMs: 120_000 } });
  const writing = abandoned.putStream('runs/a/pack', chunks(Buffer.alloc(9 * 1024 * 1024)));
  writing.catch(() => undefined);
  await expect.poll(() => s3.proxy.count('UploadPart'), { timeout: 30_000 }).toBeGreaterThan(0);
  expect(await s3.direct.discardUnfinished('runs/b/')).toBe(0);
  expect(await s3.direct.discardUnfinished('runs/a/')).toBe(1);
  expect(await s3.direct.discardUnfinished('')).toBe(0);
  await abandoned.close();
});

test('an object is locked and held on its own', async () => {
  await s3.moto.makeBucket('locked', { objectLock: true });
  const locked = s3.store({ bucket: 'locked' });
  await locked.put('one', bytes('1'));
  await locked.put('two', bytes('2'));
  const until = '2040-01-01T00:00:00.000Z';
  await locked.lock('one', { mode: 'governance', until });
  await locked.setLegalHold('one', true);
  expect(await locked.protection('one')).toEqual({ lock: { mode: 'governance', until }, legalHold: true });
  expect(await locked.protection('two')).toEqual({ lock: undefined, legalHold: false });
  await locked.setLegalHold('one', false);
  expect((await locked.protection('one')).legalHold).toBe(false);
  await rejectsWith(locked.protection('none'), 'ObjectNotFound');
  const open = await errorOf(
    store.put('open', bytes('x')).then(() => store.lock('open', { mode: 'compliance', until })),
  );
  expect(open.name).toBe('StorageNotSuitable');
});

test('objects are encrypted with the key of the config', async () => {
  const encrypted = s3.store({ kmsKey: 'arn:aws:kms:us-east-1:1:key/k' });
  await encrypted.put('kms/small', bytes('x'));
  await encrypted.putStream('kms/large', chunks(Buffer.alloc(9 * 1024 * 1024)));
  const begun = s3.proxy.seen.filter(({ operation }) => /^(PutObject|CreateMultipartUpload)$/.test(operation));
  expect(begun).toHaveLength(2);
  for (const { headers } of begun) {
    expect(headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:us-east-1:1:key/k',
      'x-amz-server-side-encryption-bucket-key-enabled': 'true',
    });
  }
});

test('a certificate of an own CA is trusted when it is named, and no other', async () => {
  const pem = (name: string) => readFileSync(join(import.meta.dirname, '../../support/tls', name), 'utf8');
  const proxy = await FaultProxy.start(s3.moto.endpoint, { cert: pem('server.pem'), key: pem('server.pem') });
  const endpoint = `https://localhost:${proxy.port}`;
  const trusting = s3.store({ endpoint, ca: pem('ca.pem') });
  await trusting.put('tls/one', bytes('x'));
  const error = await errorOf(s3.store({ endpoint }).get('tls/one'));
  expect([error.name, error.next]).toEqual(['StorageUnavailable', expect.stringContaining('caFile')]);
  await trusting.close();
  await proxy.close();
});

test('no secret is in what is logged of a store', () => {
  expect(inspect(store, { depth: 9 })).not.toContain('CANARY');
});

async function check(endpoint: string) {
  const storages = new LocalStorages({ environment: { KEY: 'id:secret' } });
  const s3Settings = {
    name: 'cloud',
    type: 's3',
    bucket,
    prefix: 'check/',
    region: 'us-east-1',
    forcePathStyle: true,
  } as const;
  const settings: Settings = {
    ...{ schemaVersion: 1, stage: 'test', stateDir: '/nowhere', deployments: {} },
    storages: { cloud: { ...s3Settings, endpoint, credentials: { env: 'KEY' } } },
  };
  const inspector = { inspect: () => Promise.reject(new TypeError('no deployment here')) };
  const state = new MemoryObjectStore();
  const deps = { ...makeWorld().deps, inspector, openStorage: storages.open.bind(storages), state };
  const { storages: checked } = await checkConfig(settings, deps);
  await storages.close();
  return checked.find(({ name }) => name === 'cloud')?.problem;
}

test('config check writes, races and cleans up', async () => {
  expect(await check(s3.proxy.endpoint)).toBeNull();
  expect(await keysOf(s3.direct)).not.toContainEqual(expect.stringContaining('_check'));
});

test.each([
  ['If-None-Match', 'if-none-match', () => true],
  ['If-Match', 'if-match', () => true],
  ['writers create the same object', 'if-none-match', ({ url }: { url: string }) => url.includes('-suitable')],
  ['multipart upload', 'if-none-match', ({ method }: { method: string }) => method === 'POST'],
])('config check refuses a storage that does not honour conditions: %s', async (said, header, when) => {
  s3.proxy.dropHeaders([header], when);
  expect(await check(s3.proxy.endpoint)).toMatchObject({
    name: 'StorageNotSuitable',
    message: expect.stringContaining(said) as string,
  });
  expect(await keysOf(s3.direct)).not.toContainEqual(expect.stringContaining('_check'));
  expect(await s3.direct.discardUnfinished('')).toBe(0);
});
