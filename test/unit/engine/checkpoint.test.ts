import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import type { CheckpointBase } from '../../../src/domain/checkpoint.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { checkpointKey } from '../../../src/domain/names.ts';
import { CheckpointWriter, type CheckpointWriterOptions } from '../../../src/engine/dump/checkpoint-writer.ts';
import type { CatalogEntry } from '../../../src/engine/dump/list-namespaces.ts';
import { type Checkpoint, readCheckpoint } from '../../../src/engine/dump/read-checkpoint.ts';
import type { WrittenFrame } from '../../../src/engine/packs/frame-writer.ts';
import type { WrittenPack } from '../../../src/engine/packs/pack-writer.ts';
import { compressZstdFrame, decompressZstdFrame } from '../../../src/engine/packs/zstd-frames.ts';
import { noLogger } from '../../support/no-logger.ts';

const prefix = 'runs/r/checkpoints/rs0/';
const partPrefix = 'shop/backups/b/rs0/';
const [orders, items] = ['a'.repeat(32), 'b'.repeat(32)];
const opTime = { ts: { t: 5, i: 1 }, t: 1 };
const base: CheckpointBase = {
  kind: 'base',
  ...{ backupId: 'b', part: 'rs0', codec: 'zstd', member: 'h:1', replicaSetId: 'r', identity: 'i' },
  ...{ captureFrom: opTime, applyFrom: opTime, startedAt: '2026-11-22T10:15:30.000Z' },
};
const catalog: CatalogEntry[] = [
  { ns: 'shop.items', db: 'shop', name: 'items', type: 'collection', uuid: items, options: Buffer.from('items') },
  { ns: 'shop.orders', db: 'shop', name: 'orders', type: 'collection', uuid: orders, options: Buffer.from('orders') },
  { ns: 'shop.view', db: 'shop', name: 'view', type: 'view', uuid: null, options: Buffer.from('view') },
];
const indexes = { indexes: [Buffer.from('_id_')], unfinished: [Buffer.from('build')] };
const pack = (n: number): WrittenPack => {
  const name = `0001-0000${n}`;
  return { name, key: `${partPrefix}packs/${name}.pack`, size: 1000, crc32: '0'.repeat(8) };
};
const frame = (inPack: number, offset: number): WrittenFrame => ({
  ...{ pack: pack(inPack).name, offset, length: 10, rawLength: 20, documents: 2, sha256: '1'.repeat(64) },
});

function writerOf(store: ObjectStore, options: Partial<CheckpointWriterOptions> = {}): CheckpointWriter {
  const describeMember = () => Promise.resolve({ attempt: 1, process: 'p', seen: opTime, durable: false });
  const onLost = () => undefined;
  return new CheckpointWriter({
    ...{ store, prefix, base: 1, records: 0, describeMember, logger: noLogger, onLost, ...options },
  });
}

const read = (store: ObjectStore) => readCheckpoint({ store, prefix }, partPrefix);
const framesOf = (found: Checkpoint | undefined, uuid: string) => [...(found?.collections.get(uuid)?.frames ?? [])];

async function twoRecords(store: ObjectStore): Promise<CheckpointWriter> {
  const writer = writerOf(store);
  await writer.begin(base, catalog);
  writer.frame(orders, 0, frame(1, 0), Buffer.from('behind 0'));
  writer.frame(orders, 1, frame(1, 10), undefined);
  writer.frame(items, 0, frame(1, 20), undefined);
  writer.scanned(items, 1, indexes);
  writer.frame(orders, 2, frame(2, 0), Buffer.from('behind 2'));
  writer.packStored(pack(1));
  await writer.flush();
  return writer;
}

describe('a checkpoint', () => {
  it('takes the end of a collection back whose frames were lost with their pack, before others are recorded', async () => {
    const store = new MemoryObjectStore();
    const writer = writerOf(store);
    await writer.begin(base, catalog);
    writer.frame(orders, 0, frame(1, 0), undefined);
    for (const n of [0, 1]) writer.frame(items, n, frame(2, n * 10), undefined);
    writer.scanned(items, 2, indexes);
    writer.packStored(pack(1));
    await writer.flush();
    // Killed before pack 2 is stored. The next attempt reads the collection again, into three frames.
    const found = await read(store);
    expect(framesOf(found, items)).toEqual([]);
    expect(found?.collections.get(items)).toMatchObject({ scanned: undefined, named: true });
    const next = writerOf(store, { records: found?.records ?? 0 });
    next.rescan(items, 0);
    for (const n of [0, 1]) next.frame(items, n, frame(3, n * 10), undefined);
    next.packStored(pack(3));
    await next.flush();
    expect((await read(store))?.collections.get(items)?.scanned).toBeUndefined();
  });

  it('says which base it is of, its catalog, stored packs, finished collections and how far the others came', async () => {
    const store = new MemoryObjectStore();
    await twoRecords(store);
    const found = await read(store);
    expect(found).toMatchObject({ began: 1, records: 2, base, catalog, member: { process: 'p', seen: opTime } });
    expect([...(found?.packs.values() ?? [])]).toEqual([pack(1)]);
    expect(found?.collections.get(items)?.scanned).toMatchObject(indexes);
    expect(framesOf(found, items)).toEqual([frame(1, 20)]);
    const behind = found?.collections.get(orders);
    expect(behind?.scanned).toBeUndefined();
    expect(framesOf(found, orders)).toEqual([frame(1, 0), frame(1, 10)]);
    expect(behind?.positions.token).toEqual(Buffer.from('behind 0'));
    expect(behind?.positions.framesWithin(2)).toBe(1);
  });

  it('is not there before a base begins, nor after it was discarded', async () => {
    const store = new MemoryObjectStore();
    expect(await read(store)).toBeUndefined();
    const writer = await twoRecords(store);
    await writer.discard();
    expect(await read(store)).toBeUndefined();
  });

  it('counts a frame only when its pack is stored and all frames before it are', async () => {
    const store = new MemoryObjectStore();
    const writer = writerOf(store);
    await writer.begin(base, catalog);
    writer.frame(orders, 0, frame(1, 0), Buffer.from('behind 0'));
    writer.frame(orders, 1, frame(2, 0), Buffer.from('behind 1'));
    writer.frame(orders, 2, frame(1, 10), Buffer.from('behind 2'));
    writer.scanned(orders, 3, indexes);
    writer.packStored(pack(1));
    await writer.flush();
    const part = await read(store);
    expect(framesOf(part, orders)).toEqual([frame(1, 0)]);
    expect(part?.collections.get(orders)?.scanned).toBeUndefined();
    expect(part?.collections.get(orders)?.positions.token).toEqual(Buffer.from('behind 0'));
    writer.packStored(pack(2));
    await writer.flush();
    const whole = await read(store);
    expect(framesOf(whole, orders)).toEqual([frame(1, 0), frame(2, 0), frame(1, 10)]);
    expect(whole?.collections.get(orders)?.scanned).toMatchObject(indexes);
    // Nobody goes on within what was read to its end.
    expect(whole?.collections.get(orders)?.positions.token).toBeUndefined();
  });

  it('forgets the frames behind which a collection is read again, those that are written later as well', async () => {
    const store = new MemoryObjectStore();
    const writer = await twoRecords(store);
    writer.rescan(orders, 1);
    writer.packStored(pack(2));
    writer.rescan(items, 0);
    await writer.flush();
    const found = await read(store);
    expect(framesOf(found, orders)).toEqual([frame(1, 0)]);
    expect(found?.collections.get(orders)?.positions.token).toEqual(Buffer.from('behind 0'));
    expect(framesOf(found, items)).toEqual([]);
    expect(found?.collections.get(items)?.scanned).toBeUndefined();
    writer.frame(orders, 1, frame(2, 50), undefined);
    writer.packStored(pack(3));
    await writer.flush();
    expect(framesOf(await read(store), orders)).toEqual([frame(1, 0), frame(2, 50)]);
  });

  it('is that of the base that was begun last', async () => {
    const store = new MemoryObjectStore();
    await twoRecords(store);
    const later = { ...base, identity: 'resynced' };
    await writerOf(store, { base: 3 }).begin(later, catalog);
    expect(await read(store)).toMatchObject({ began: 3, records: 1, base: later });
  });

  it('is continued behind its last record; of two workers that do, one loses', async () => {
    const store = new MemoryObjectStore();
    await twoRecords(store);
    const lost: HoldfastError[] = [];
    const onLost = (error: HoldfastError) => void lost.push(error);
    const [one, other] = [1, 2].map(() => writerOf(store, { records: 2, onLost })) as [
      CheckpointWriter,
      CheckpointWriter,
    ];
    one.scanned(items, 1, indexes);
    other.rescan(items, 0);
    await one.flush();
    await other.flush();
    expect(lost).toMatchObject([{ name: 'LeaseLost' }]);
    expect((await read(store))?.records).toBe(3);
  });

  it('gets the lines of a record that could not be written with the next one, also when it was written after all', async () => {
    for (const written of [false, true]) {
      const memory = new MemoryObjectStore();
      let failing = false;
      const store = new Proxy(memory, {
        get: (target, name) =>
          name === 'put'
            ? async (...args: Parameters<ObjectStore['put']>) => {
                if (!failing || written) await target.put(...args);
                if (failing) throw new HoldfastError('StorageUnavailable', 'no answer');
              }
            : (Reflect.get(target, name) as unknown as (...args: unknown[]) => unknown).bind(target),
      });
      const writer = writerOf(store);
      await writer.begin(base, catalog);
      failing = true;
      writer.scanned(items, 0, indexes);
      await writer.flush();
      failing = false;
      writer.scanned(orders, 0, indexes);
      await writer.flush();
      const found = await read(memory);
      expect([items, orders].map((uuid) => found?.collections.get(uuid)?.scanned)).toMatchObject([indexes, indexes]);
    }
  });

  it('waits with a record until the member says what it is', async () => {
    const store = new MemoryObjectStore();
    let answers = true;
    const describeMember = () =>
      answers
        ? Promise.resolve({ attempt: 1, process: 'p', seen: opTime, durable: true })
        : Promise.reject(new HoldfastError('SourceUnreachable', 'gone'));
    const writer = writerOf(store, { describeMember });
    await writer.begin(base, catalog);
    answers = false;
    writer.scanned(items, 0, indexes);
    await writer.flush();
    expect((await read(store))?.collections.get(items)?.scanned).toBeUndefined();
    answers = true;
    await writer.flush();
    expect((await read(store))?.collections.get(items)?.scanned).toMatchObject(indexes);
  });

  it('is refused when a record is missing, cut, changed, in another’s place or of a newer release', async () => {
    const key = (record: number) => checkpointKey(prefix, 1, record);
    const whole = new MemoryObjectStore();
    await twoRecords(whole);
    const [first, second] = [(await whole.get(key(1))).body, (await whole.get(key(2))).body];
    const stored = async (one: Buffer | undefined, two: Buffer | undefined): Promise<ObjectStore> => {
      const store = new MemoryObjectStore();
      if (one) await store.put(key(1), one);
      if (two) await store.put(key(2), two);
      return store;
    };
    const newer = (await decompressZstdFrame(second, 1e6)).toString().replace('"schemaVersion":1', '"schemaVersion":2');
    const cases: [Buffer | undefined, Buffer | undefined, string][] = [
      [undefined, second, 'CorruptObject'],
      [second, first, 'CorruptObject'],
      [first, second.subarray(0, -5), 'CorruptObject'],
      [first, await compressZstdFrame(Buffer.from('{"kind":"member"'), 1), 'CorruptObject'],
      [first, await compressZstdFrame(Buffer.from(newer), 1), 'UnsupportedFormat'],
    ];
    for (const [one, two, name] of cases) await expect(read(await stored(one, two))).rejects.toMatchObject({ name });
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
        const flipped = Buffer.from(second);
        flipped[at % flipped.length] = (flipped[at % flipped.length] ?? 0) ^ (1 << bit);
        const outcome = await read(await stored(first, flipped)).catch((error: unknown) => error);
        // Some bits of a zstd frame mean nothing, padding for instance: then it says what it said.
        if (outcome instanceof Error) expect(outcome).toMatchObject({ name: 'CorruptObject' });
        else expect(outcome).toEqual(await read(whole));
      }),
      { numRuns: 200 },
    );
  });
});
