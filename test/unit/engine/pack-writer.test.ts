import { setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { WrittenObject } from '../../../src/application/ports/object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { PackWriter, type PackWriterOptions } from '../../../src/engine/packs/pack-writer.ts';
import { crc32Hex } from '../../../src/engine/packs/written-object.ts';

const writerFor = (store: MemoryObjectStore, options: Partial<PackWriterOptions> = {}): PackWriter =>
  new PackWriter({
    ...{ store, partPrefix: 'd/backups/b/p/', attempt: 2, signal: new AbortController().signal },
    checkFence: () => Promise.resolve(),
    ...options,
  });
const frame = (size: number, fill: number): Buffer => Buffer.alloc(size, fill);

/** Takes nothing until it is told to fail or to go on. */
class HeldStore extends MemoryObjectStore {
  readonly held = Promise.withResolvers<undefined>();
  taken = 0;

  override async putStream(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenObject> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of source) {
      await this.held.promise;
      this.taken += chunk.length;
      chunks.push(chunk);
    }
    return this.put(key, Buffer.concat(chunks), { ifNoneMatch: '*' });
  }
}

describe('PackWriter', () => {
  it('lines frames up, begins a new pack before one grows too large, and knows where each frame is', async () => {
    const store = new MemoryObjectStore();
    const writer = writerFor(store, { maxBytes: 1000 });
    const frames = [frame(400, 1), frame(500, 2), frame(300, 3), frame(5000, 4), frame(1, 5)];
    const places = await Promise.all(frames.map((bytes) => writer.append(bytes)));
    const packs = await writer.finish();
    expect(places).toEqual([
      { pack: '0002-00001', offset: 0 },
      { pack: '0002-00001', offset: 400 },
      { pack: '0002-00002', offset: 0 },
      { pack: '0002-00003', offset: 0 },
      { pack: '0002-00004', offset: 0 },
    ]);
    for (const [n, { pack, offset }] of places.entries()) {
      const key = `d/backups/b/p/packs/${pack}.pack`;
      expect(await store.getRange(key, offset, frames[n]?.length ?? 0)).toEqual(frames[n]);
    }
    for (const { key, size, crc32: sum } of packs) {
      const { body } = await store.get(key);
      expect({ size, sum }).toEqual({ size: body.length, sum: crc32Hex(crc32(body)) });
    }
    expect(writer.storedBytes).toBe(6201);
  });

  it('tells when the memory of a frame is free: when the storage asks for what comes behind it', async () => {
    const store = new HeldStore();
    const writer = writerFor(store);
    const free: number[] = [];
    await Promise.all([1, 2, 3].map((n) => writer.append(frame(10, n), () => free.push(n))));
    await turn();
    expect(free).toEqual([]);
    store.held.resolve(undefined);
    await writer.finish();
    expect(free).toEqual([1, 2, 3]);
  });

  it('writes no pack at all when there is no frame', async () => {
    const store = new MemoryObjectStore();
    expect(await writerFor(store).finish()).toEqual([]);
  });

  it('makes the caller wait while the storage is behind', async () => {
    const store = new HeldStore();
    const writer = writerFor(store);
    let appended = 0;
    const all = Promise.all(
      Array.from({ length: 40 }, (_, n) => writer.append(frame(1024 * 1024, n)).then(() => (appended += 1))),
    );
    for (let n = 0; n < 200; n++) await turn();
    expect(appended).toBeLessThan(10);
    store.held.resolve(undefined);
    await all;
    await writer.finish();
    expect(store.taken).toBe(40 * 1024 * 1024);
  });

  it('hands the storage error to everyone who appends, and begins no pack after it', async () => {
    const store = new HeldStore();
    const writer = writerFor(store);
    const outcomes = Array.from({ length: 20 }, () =>
      writer.append(frame(1024 * 1024, 1)).catch((error: unknown) => error),
    );
    store.held.reject(new HoldfastError('StorageFull', 'no room'));
    const errors = (await Promise.all(outcomes)).filter((outcome) => outcome instanceof Error);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toMatchObject({ name: 'StorageFull' });
    await expect(writer.append(frame(1, 1))).rejects.toMatchObject({ name: 'StorageFull' });
    await expect(writer.finish()).rejects.toMatchObject({ name: 'StorageFull' });
  });

  it('refuses a pack of which the storage holds something else', async () => {
    class WrongStore extends MemoryObjectStore {
      override async putStream(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenObject> {
        return { ...(await super.putStream(key, source)), crc32: '00000000' };
      }
    }
    const writer = writerFor(new WrongStore());
    await writer.append(frame(10, 1));
    await expect(writer.finish()).rejects.toMatchObject({ name: 'VerificationFailed' });
  });

  it('leaves nothing half-written when it is given up, and settles', async () => {
    const store = new HeldStore();
    const writer = writerFor(store);
    const appends = Array.from({ length: 20 }, () => writer.append(frame(1024 * 1024, 1)).catch(() => undefined));
    await turn();
    store.held.resolve(undefined);
    await writer.abort(new HoldfastError('Cancelled', 'stop'));
    await Promise.all(appends);
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).toEqual([]);
  });

  it('asks for the fence before each pack', async () => {
    let asked = 0;
    const checkFence = () => {
      asked += 1;
      return asked > 1 ? Promise.reject(new HoldfastError('LeaseLost', 'lost')) : Promise.resolve();
    };
    const writer = writerFor(new MemoryObjectStore(), { maxBytes: 100, checkFence });
    await writer.append(frame(100, 1));
    await expect(writer.append(frame(100, 2))).rejects.toMatchObject({ name: 'LeaseLost' });
  });
});
