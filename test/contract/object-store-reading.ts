import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { HoldfastError } from '../../src/domain/errors.ts';
import { bytes, checksumOf, type Get, rejectsWith } from './object-store-probes.ts';

export function describeReading(store: Get): void {
  it.each([0, 1, 100, 64 * 1024, 64 * 1024 + 1, 5_000_000])(
    'gives back %i bytes as they were written',
    async (size) => {
      const body = randomBytes(size);
      const key = `round/trip-${size}`;
      const written = await store().put(key, body);
      expect(written).toEqual({ key, size, crc32: checksumOf(body), etag: written.etag });
      const read = await store().get(key);
      expect(read.body.equals(body)).toBe(true);
      expect(read).toMatchObject({ key, size, etag: written.etag });
      expect(await store().head(key)).toEqual({ key, size, etag: written.etag });
      expect(await store().checksum(key)).toBe(written.crc32);
    },
  );

  it('tells an absent object', async () => {
    expect(await store().head('absent/object')).toBeUndefined();
    await rejectsWith(store().get('absent/object'), 'ObjectNotFound');
    await rejectsWith(store().getRange('absent/object', 0, 1), 'ObjectNotFound');
  });

  it('tells the age of an object by its own clock: from the write on, also from one that replaces', async () => {
    expect(await store().age('absent/object')).toBeUndefined();
    const { etag } = await store().put('age/object', bytes('one'));
    const first = (await store().age('age/object')) ?? NaN;
    await store().put('age/object', bytes('two'), { ifMatch: etag });
    const second = (await store().age('age/object')) ?? NaN;
    for (const age of [first, second]) {
      expect(age).toBeGreaterThanOrEqual(0);
      expect(age).toBeLessThan(60_000);
    }
  });

  it('names storage and key in an error', async () => {
    const error: unknown = await store()
      .get('absent/named')
      .catch((reason: unknown) => reason);
    expect((error as Error).message).toContain('absent/named');
    expect((error as Error).message).toContain(store().description);
    expect((error as HoldfastError).next).not.toBe('');
  });

  it('keeps what the caller does to its buffers afterwards to the caller', async () => {
    const body = bytes('before');
    await store().put('own/buffer', body);
    body.write('after!');
    (await store().get('own/buffer')).body.write('xxxxxx');
    expect((await store().get('own/buffer')).body.toString()).toBe('before');
  });

  it('reads exactly the range', async () => {
    const body = randomBytes(200_000);
    await store().put('range/object', body);
    const edges: [number, number][] = [[0, 0], [0, 1], [0, 200_000], [199_999, 1], [200_000, 0], [65_535, 70_000]]; // prettier-ignore
    for (const [offset, length] of edges) {
      const range = await store().getRange('range/object', offset, length);
      expect(range.equals(body.subarray(offset, offset + length)), `${length} from ${offset}`).toBe(true);
    }
  });

  it('calls an object that ends before the range damaged, however long the range is', async () => {
    await store().put('range/short', bytes('0123456789'));
    for (const [offset, length] of [
      [5, 6],
      [10, 1],
      [11, 0],
      [1000, 5],
      [0, 2 ** 52],
    ] as const) {
      // prettier-ignore
      await rejectsWith(store().getRange('range/short', offset, length), 'CorruptObject');
    }
    for (const [offset, length] of [
      [-1, 2],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      // prettier-ignore
      await rejectsWith(store().getRange('range/short', offset, length), 'InvalidInput');
    }
  });
}
