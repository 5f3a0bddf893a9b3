import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { S3ObjectStore } from '../../../src/adapters/aws/s3-object-store.ts';
import { bytes, keysOf, rejectsWith } from '../../contract/object-store-probes.ts';
import type { Fault } from '../../support/fault-proxy.ts';
import { type S3ThroughProxy, startS3ThroughProxy } from '../../support/s3-through-proxy.ts';

let s3: S3ThroughProxy;
let store: S3ObjectStore;
const body = randomBytes(300_000);
beforeAll(async () => {
  s3 = await startS3ThroughProxy();
  // A second without a byte counts as a stall; on a busy machine that may happen without a fault, too.
  store = s3.store({ patience: { idleMs: 1000 } });
  await s3.direct.put('object', body);
});
afterAll(() => s3.stop());
beforeEach(() => {
  s3.proxy.reset();
});

const passing: Fault[] = [
  { kind: 'answer', status: 503, code: 'SlowDown' },
  { kind: 'answer', status: 500, code: 'InternalError' },
  { kind: 'reset before' },
  { kind: 'reset after' },
  { kind: 'silence' },
  { kind: 'truncate', bytes: 1000 },
  { kind: 'truncate', bytes: 0 },
  { kind: 'stall', bytes: 1000 },
  { kind: 'drip', everyMs: 10 },
];

describe('reading is tried again', () => {
  test.each(passing)('whole, after $kind $code $bytes', async (fault) => {
    s3.proxy.order(fault, 'GetObject');
    expect((await store.get('object')).body.equals(body)).toBe(true);
    expect(s3.proxy.count('GetObject')).toBeGreaterThan(1);
  });

  test.each(passing)('by ranges, after $kind $code $bytes', async (fault) => {
    s3.proxy.order(fault, 'GetObject');
    expect((await store.getRange('object', 70_000, 200_000)).equals(body.subarray(70_000, 270_000))).toBe(true);
    expect(s3.proxy.count('GetObject')).toBeGreaterThan(1);
  });

  test('and given up with the reason', async () => {
    const hasty = s3.store({ patience: { idleMs: 1000, attempts: 3 } });
    s3.proxy.order({ kind: 'truncate', bytes: 17 }, 'GetObject', Infinity);
    await rejectsWith(hasty.get('object'), 'StorageUnavailable');
    expect(s3.proxy.count('GetObject')).toBe(3);
    s3.proxy.reset();
    s3.proxy.order({ kind: 'drip', everyMs: 10 }, 'GetObject', Infinity);
    await expect(hasty.getRange('object', 0, 200_000)).rejects.toThrow(
      /only \d+ bytes came within 1000 ms|of inactivity/,
    );
  });

  test.each(['the key is not given', 'the storage drips'])('and given up where %s', async (what) => {
    const readKey = () => new Promise<never>(() => undefined);
    s3.proxy.order({ kind: 'drip', everyMs: 10 }, 'GetObject', Infinity);
    const patience = { attemptMs: 200, attempts: 2, idleBytes: 1 };
    const hasty = s3.store({ patience, ...(what.includes('key') && { readKey }) });
    const failure = expect(hasty.get('object')).rejects;
    await failure.toMatchObject({ name: 'StorageUnavailable', message: expect.stringContaining('200 ms') as string });
  });

  test('not once the caller has given it up, also in the middle of an answer', async () => {
    s3.proxy.order({ kind: 'stall', bytes: 1000 }, 'GetObject', 100);
    const patient = s3.store();
    const abort = new AbortController();
    const reading = patient.getRange('object', 0, 200_000, { signal: abort.signal });
    const reason = new RangeError('stop');
    setImmediate(() => {
      abort.abort(reason);
    });
    await expect(reading).rejects.toBe(reason);
  });
});

test('a storage that answers a range with something else is not believed', async () => {
  s3.proxy.dropHeaders(['range']);
  await rejectsWith(store.getRange('object', 70_000, 10), 'StorageUnavailable');
});

test('a listing and a deletion whose answers are lost are asked for again', async () => {
  const keys = Array.from({ length: 20 }, (_, n) => `pages/${String(n).padStart(4, '0')}`);
  await Promise.all(keys.map((key) => s3.direct.put(key, bytes('x'))));
  const patient = s3.store();
  s3.proxy.order({ kind: 'reset after' }, 'ListObjectsV2');
  s3.proxy.order({ kind: 'truncate', bytes: 500 }, 'ListObjectsV2');
  expect(await keysOf(patient, 'pages/')).toEqual(keys);
  expect(s3.proxy.count('ListObjectsV2')).toBe(3);
  s3.proxy.order({ kind: 'reset after' }, 'DeleteObjects');
  await patient.delete(keys);
  expect(await keysOf(s3.direct, 'pages/')).toEqual([]);
});

test('a folder marker that the console made is no object', async () => {
  await fetch(`${s3.moto.endpoint}/artifacts/holdfast/folder/`, { method: 'PUT' });
  await s3.direct.put('folder/one', bytes('1'));
  expect(await keysOf(store, 'folder')).toEqual(['folder/one']);
});

test('an object that another tool has stored without a checksum is read for its CRC-32', async () => {
  await fetch(`${s3.moto.endpoint}/artifacts/holdfast/foreign`, { method: 'PUT', body });
  await s3.direct.put('own', body);
  expect(await store.checksum('foreign')).toBe(await store.checksum('own'));
});
