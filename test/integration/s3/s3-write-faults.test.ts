import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import type { S3ObjectStore } from '../../../src/adapters/aws/s3-object-store.ts';
import {
  bytes,
  checksumOf,
  chunks,
  incrementTimes,
  nameOf,
  race,
  rejectsWith,
} from '../../contract/object-store-probes.ts';
import type { Fault } from '../../support/fault-proxy.ts';
import { type S3ThroughProxy, startS3ThroughProxy } from '../../support/s3-through-proxy.ts';

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

const large = () => Array.from({ length: 20 }, () => randomBytes(1024 * 1024));
const slowDown: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };
const internal: Fault = { kind: 'answer after', status: 500, code: 'InternalError' };
const unfinished = () => s3.direct.discardUnfinished('');

describe('a write that fails for a passing reason is sent again', () => {
  const faults: Fault[] = [slowDown, internal, { kind: 'reset before' }, { kind: 'reset after' }];
  test.each(faults)('of a small object: $kind $code', async (fault) => {
    s3.proxy.order(fault, 'PutObject', 2);
    const body = randomBytes(1000);
    const written = await store.put('retry/small', body);
    expect(s3.proxy.count('PutObject')).toBe(3);
    expect((await s3.direct.get('retry/small')).body.equals(body)).toBe(true);
    expect(written.crc32).toBe(checksumOf(body));
  });

  test.each(faults)('of each step of a large one: $kind $code', async (fault) => {
    const key = `retry/large-${faults.indexOf(fault)}`;
    for (const step of ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload']) s3.proxy.order(fault, step);
    const parts = large();
    const written = await store.putStream(key, chunks(...parts));
    const body = Buffer.concat(parts);
    expect(written).toMatchObject({ size: body.length, crc32: checksumOf(body) });
    expect((await s3.direct.get(key)).body.equals(body)).toBe(true);
    expect(await s3.direct.checksum(key)).toBe(written.crc32);
    expect((await s3.direct.head(key))?.etag).toBe(written.etag);
    // An upload whose id was lost with the answer can only be found by looking for it.
    const lostId = fault.kind === 'reset after' || fault.kind === 'answer after';
    expect(await unfinished()).toBe(lostId ? 1 : 0);
  });

  test('and given up when it never succeeds, with nothing left', async () => {
    s3.proxy.order(slowDown, 'UploadPart', 100);
    await rejectsWith(store.putStream('retry/never', chunks(...large())), 'StorageUnavailable');
    s3.proxy.reset();
    expect(await unfinished()).toBe(0);
    expect(await s3.direct.head('retry/never')).toBeUndefined();
  });
});

describe('a conditional write whose answer was lost', () => {
  const lost: Fault[] = [{ kind: 'reset after' }, internal];
  test.each(lost)('knows that it won: $kind', async (fault) => {
    const key = `lost/created-${fault.kind}`;
    s3.proxy.order(fault, 'PutObject');
    const written = await store.put(key, bytes('mine'), { ifNoneMatch: '*' });
    expect((await s3.direct.head(key))?.etag).toBe(written.etag);
    s3.proxy.order(fault, 'PutObject');
    const replaced = await store.put(key, bytes('mine again'), { ifMatch: written.etag });
    expect(await s3.direct.get(key)).toMatchObject({ etag: replaced.etag, body: bytes('mine again') });
  });

  test('knows that it won when no answer ever comes', async () => {
    s3.proxy.order({ kind: 'reset after' }, 'PutObject', 100);
    const written = await store.put('lost/all', bytes('mine'), { ifNoneMatch: '*' });
    expect((await s3.direct.head('lost/all'))?.etag).toBe(written.etag);
  });

  test('knows that another one won', async () => {
    await s3.direct.put('lost/other', bytes('theirs'), { ifNoneMatch: '*' });
    s3.proxy.order({ kind: 'reset after' }, 'PutObject');
    await rejectsWith(store.put('lost/other', bytes('mine'), { ifNoneMatch: '*' }), 'ObjectExists');
    const { etag } = await s3.direct.put('lost/old', bytes('old'));
    await s3.direct.put('lost/old', bytes('theirs'), { ifMatch: etag });
    s3.proxy.order({ kind: 'reset after' }, 'PutObject');
    await rejectsWith(store.put('lost/old', bytes('mine'), { ifMatch: etag }), 'PreconditionFailed');
  });

  test('says that it does not know when its object was changed again before it could look', async () => {
    const { etag } = await s3.direct.put('lost/twice', bytes('old'));
    let overtaken = false;
    s3.proxy.order({ kind: 'reset after' }, 'PutObject');
    s3.proxy.order(slowDown, ({ operation }) => operation === 'PutObject' && !overtaken, Infinity);
    const patient = s3.store({ patience: { attempts: 10_000 } });
    const writing = patient.put('lost/twice', bytes('mine'), { ifMatch: etag });
    const mine = await until('the first write is there', async () => {
      const now = await s3.direct.get('lost/twice');
      return now.body.toString() === 'mine' ? now : undefined;
    });
    await s3.direct.put('lost/twice', bytes('theirs'), { ifMatch: mine.etag });
    overtaken = true;
    await rejectsWith(writing, 'StorageUnavailable');
  });

  test('of a large object knows that it won, and leaves no upload', async () => {
    s3.proxy.order({ kind: 'reset after' }, 'CompleteMultipartUpload', 100);
    const parts = large();
    const written = await store.putStream('lost/large', chunks(...parts));
    expect(await s3.direct.head('lost/large')).toMatchObject({ size: written.size, etag: written.etag });
    expect(await unfinished()).toBe(0);
  });
});

describe('one of twenty wins', () => {
  /** Every third answer is lost, every fifth request is refused. */
  function shakyNetwork(): void {
    let count = 0;
    const writes = ({ method }: { method: string }) => method === 'PUT' || method === 'POST';
    s3.proxy.order({ kind: 'reset after' }, (request) => writes(request) && ++count % 3 === 0, 1000);
    s3.proxy.order(slowDown, (request) => writes(request) && count % 5 === 0, 1000);
  }

  test('when they create', async () => {
    for (const round of ['a', 'b', 'c']) {
      shakyNetwork();
      const key = `race/create-${round}`;
      const results = await race((n) => store.put(key, bytes(`body ${n}`), { ifNoneMatch: '*' }));
      expect(results.filter((result) => result !== 'won')).toEqual(Array(19).fill('ObjectExists'));
      expect((await s3.direct.get(key)).body.toString()).toBe(`body ${results.indexOf('won')}`);
      s3.proxy.reset();
    }
  });

  test('when they replace', async () => {
    const { etag } = await s3.direct.put('race/replace', bytes('old'));
    shakyNetwork();
    const results = await race((n) => store.put('race/replace', bytes(`body ${n}`), { ifMatch: etag }));
    expect(results.filter((result) => result !== 'won')).toEqual(Array(19).fill('PreconditionFailed'));
    expect((await s3.direct.get('race/replace')).body.toString()).toBe(`body ${results.indexOf('won')}`);
  });

  test('when they complete uploads', async () => {
    shakyNetwork();
    const part = randomBytes(9 * 1024 * 1024);
    const bodies = Array.from({ length: 4 }, (_, n) => Buffer.concat([part, bytes(String(n))]));
    const results = await Promise.allSettled(bodies.map((body) => store.putStream('race/large', chunks(body))));
    const names = results.map((result) => (result.status === 'fulfilled' ? 'won' : nameOf(result.reason)));
    expect(names.toSorted()).toEqual(['ObjectExists', 'ObjectExists', 'ObjectExists', 'won']);
    const { body } = await s3.direct.get('race/large');
    expect(body.equals(bodies[names.indexOf('won')] ?? Buffer.alloc(0))).toBe(true);
  });

  test('and a counter holds what was counted for certain, and no more than what may have been', async () => {
    await s3.direct.put('race/counter', bytes('0'));
    shakyNetwork();
    let certain = 0;
    let doubtful = 0;
    const count = async () => {
      for (let done = 0; done < 5; done++) {
        try {
          await incrementTimes(store, 'race/counter', 1);
          certain++;
        } catch (error) {
          if (nameOf(error) !== 'StorageUnavailable') throw error;
          doubtful++;
        }
      }
    };
    await Promise.all(Array.from({ length: 4 }, count));
    const counted = Number((await s3.direct.get('race/counter')).body.toString());
    expect(counted).toBeGreaterThanOrEqual(certain);
    expect(counted).toBeLessThanOrEqual(certain + doubtful);
  });
});
