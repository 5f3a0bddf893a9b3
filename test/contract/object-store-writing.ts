import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import {
  bytes,
  checksumOf,
  chunks,
  type Get,
  incrementTimes,
  keysOf,
  race,
  rejectsWith,
} from './object-store-probes.ts';

export function describeConditions(store: Get): void {
  it('replaces without a condition, and changes the etag', async () => {
    const first = await store().put('plain/one', bytes('first'));
    const second = await store().put('plain/one', bytes('secnd'));
    expect(second.etag).not.toBe(first.etag);
    expect((await store().get('plain/one')).body.toString()).toBe('secnd');
  });

  it('creates only what is not there', async () => {
    await store().put('create/one', bytes('first'), { ifNoneMatch: '*' });
    await rejectsWith(store().put('create/one', bytes('second'), { ifNoneMatch: '*' }), 'ObjectExists');
    expect((await store().get('create/one')).body.toString()).toBe('first');
  });

  it('lets one of twenty creators win, and keeps the body of that one', async () => {
    const results = await race((n) => store().put('create/race', bytes(`body ${n}`), { ifNoneMatch: '*' }));
    expect(results.filter((result) => result !== 'won')).toEqual(Array(19).fill('ObjectExists'));
    expect((await store().get('create/race')).body.toString()).toBe(`body ${results.indexOf('won')}`);
  });

  it('lets one of twenty replacers win', async () => {
    const { etag } = await store().put('match/race', bytes('old'));
    const results = await race((n) => store().put('match/race', bytes(`body ${n}`), { ifMatch: etag }));
    expect(results.filter((result) => result !== 'won')).toEqual(Array(19).fill('PreconditionFailed'));
    expect((await store().get('match/race')).body.toString()).toBe(`body ${results.indexOf('won')}`);
  });

  it('refuses a stale if-match, and one for what is not there', async () => {
    const { etag } = await store().put('match/stale', bytes('one'));
    const current = await store().put('match/stale', bytes('two'));
    await rejectsWith(store().put('match/stale', bytes('three'), { ifMatch: etag }), 'PreconditionFailed');
    expect((await store().get('match/stale')).body.toString()).toBe('two');
    await store().put('match/stale', bytes('four'), { ifMatch: current.etag });
    await rejectsWith(store().put('match/none', bytes('x'), { ifMatch: etag }), 'PreconditionFailed');
    expect(await store().head('match/none')).toBeUndefined();
  });

  it('lets an object that was created, replaced and deleted be created again', async () => {
    const { etag } = await store().put('match/again', bytes('one'), { ifNoneMatch: '*' });
    await store().put('match/again', bytes('two'), { ifMatch: etag });
    await store().delete(['match/again']);
    await rejectsWith(store().put('match/again', bytes('x'), { ifMatch: etag }), 'PreconditionFailed');
    await store().put('match/again', bytes('three'), { ifNoneMatch: '*' });
    expect((await store().get('match/again')).body.toString()).toBe('three');
  });

  it('loses no increment of twenty workers that count by if-match', async () => {
    await store().put('match/counter', bytes('0'));
    await Promise.all(Array.from({ length: 20 }, () => incrementTimes(store(), 'match/counter', 5)));
    expect((await store().get('match/counter')).body.toString()).toBe('100');
  });
}

export function describeStreams(store: Get): void {
  it('stores a large stream whole', async () => {
    const parts = Array.from({ length: 24 }, () => randomBytes(1024 * 1024));
    const written = await store().putStream('stream/large', chunks(...parts));
    const body = Buffer.concat(parts);
    expect(written).toMatchObject({ key: 'stream/large', size: body.length, crc32: checksumOf(body) });
    expect((await store().get('stream/large')).body.equals(body)).toBe(true);
    expect(await store().head('stream/large')).toMatchObject({ size: body.length, etag: written.etag });
  });

  it('is done with a chunk when it asks for the next', async () => {
    const memory = Buffer.alloc(300_000);
    async function* overwriting() {
      for (let n = 1; n <= 40; n++) {
        await Promise.resolve();
        yield memory.fill(n);
      }
      memory.fill(0);
    }
    const body = Buffer.concat(Array.from({ length: 40 }, (_, n) => Buffer.alloc(300_000, n + 1)));
    const written = await store().putStream('stream/overwritten', overwriting());
    expect(written.crc32).toBe(checksumOf(body));
    expect((await store().get('stream/overwritten')).body.equals(body)).toBe(true);
  });

  it('stores an empty stream, and one of many small and empty chunks', async () => {
    expect(await store().putStream('stream/empty', chunks())).toMatchObject({ size: 0, crc32: '00000000' });
    const parts = Array.from({ length: 2000 }, (_, n) => bytes(n % 3 === 0 ? '' : String(n)));
    await store().putStream('stream/many', chunks(...parts));
    expect((await store().get('stream/many')).body.equals(Buffer.concat(parts))).toBe(true);
  });

  it('creates only, and reads nothing of the source when the key is taken', async () => {
    await store().put('stream/taken', bytes('here'));
    let asked = 0;
    const source = (async function* () {
      asked++;
      yield* chunks(bytes('x'));
    })();
    await rejectsWith(store().putStream('stream/taken', source), 'ObjectExists');
    expect(asked).toBe(0);
    const results = await race((n) => store().putStream('stream/race', chunks(bytes(`body ${n}`))));
    expect(results.filter((result) => result !== 'won')).toEqual(Array(19).fill('ObjectExists'));
  });

  it('asks for a chunk only when the one before is taken', async () => {
    // A source that fills one buffer again and again: what is asked for too early overwrites what is not yet taken.
    const buffer = Buffer.alloc(1024 * 1024);
    let filled = 0;
    const source = (async function* () {
      for (; filled < 10; filled++) {
        yield buffer.fill(filled);
        await Promise.resolve();
      }
    })();
    await store().putStream('stream/pressure', source);
    const { body } = await store().get('stream/pressure');
    expect(body.length).toBe(10 * buffer.length);
    for (let n = 0; n < 10; n++) {
      expect(body.subarray(n * buffer.length, (n + 1) * buffer.length).equals(Buffer.alloc(buffer.length, n))).toBe(
        true,
      );
    }
  });

  it('shows nothing of a stream that is not finished', async () => {
    const reached = Promise.withResolvers<undefined>();
    const proceed = Promise.withResolvers<undefined>();
    const source = (async function* () {
      yield bytes('first');
      reached.resolve(undefined);
      await proceed.promise;
      yield bytes('second');
    })();
    const writing = store().putStream('stream/half', source);
    await Promise.race([reached.promise, writing]);
    expect(await store().head('stream/half')).toBeUndefined();
    expect(await keysOf(store(), 'stream/half')).toEqual([]);
    proceed.resolve(undefined);
    expect((await writing).size).toBe(11);
  });

  it('leaves nothing of a source that fails, and gives its error on unchanged', async () => {
    const failure = new RangeError('the source broke');
    const source = (async function* () {
      yield* chunks(randomBytes(100_000), randomBytes(100_000));
      throw failure;
    })();
    await expect(store().putStream('stream/broken', source)).rejects.toBe(failure);
    expect(await store().head('stream/broken')).toBeUndefined();
    expect(await keysOf(store(), 'stream/broken')).toEqual([]);
    await store().putStream('stream/broken', chunks(bytes('second try')));
  });

  it('leaves nothing when aborted, also while the source keeps silent', async () => {
    const abort = new AbortController();
    const reason = new RangeError('stop');
    const silent = Promise.withResolvers<undefined>();
    const source = (async function* () {
      yield* chunks(randomBytes(100_000));
      silent.resolve(undefined);
      await new Promise(() => undefined);
    })();
    const writing = store().putStream('stream/aborted', source, { signal: abort.signal });
    await Promise.race([silent.promise, writing]);
    abort.abort(reason);
    await expect(writing).rejects.toBe(reason);
    expect(await store().head('stream/aborted')).toBeUndefined();
    const late = store().putStream('stream/aborted', chunks(bytes('x')), { signal: abort.signal });
    await expect(late).rejects.toBe(reason);
  });
}
