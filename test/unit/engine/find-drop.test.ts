import type { Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { findBeforeDrop } from '../../../src/engine/oplog/find-drop.ts';
import { storeSlice } from '../../support/made-slices.ts';
import { at, rawEntry, ui } from '../../support/oplog-entries.ts';

const noop = (i: number) => rawEntry(i, { op: 'n', ns: '', o: {} });
const command = (i: number, o: Document, uuid = 1) => rawEntry(i, { op: 'c', ns: 'shop.$cmd', ui: ui(uuid), o });
const create = (i: number, name: string) => command(i, { create: name, idIndex: {} });
const drop = (i: number, name: string) => command(i, { drop: name });
const over = (i: number, from: string, to: string, dropTarget?: number) =>
  command(i, { renameCollection: from, to, ...(dropTarget === undefined ? {} : { dropTarget: ui(dropTarget) }) }, 2);
const view = (i: number, op: 'i' | 'd', ns: string) =>
  rawEntry(i, { op, ns: 'shop.system.views', ui: ui(3), o: { _id: ns } });

/** Slices that end with the given entries; each begins with the last entry of the one before. */
async function find(entries: readonly Buffer[], ends: readonly number[], ns = 'shop.orders', until?: number) {
  const store = new MemoryObjectStore();
  const cuts = [0, ...ends, entries.length - 1];
  const slices = [];
  for (const [n, from] of cuts.slice(0, -1).entries())
    slices.push({ store, slice: await storeSlice(store, entries.slice(from, (cuts[n + 1] ?? 0) + 1)) });
  const found = await findBeforeDrop(slices, ns, until === undefined ? undefined : at(until).ts);
  return found && [found.before?.i, found.drop.i];
}

describe('the entry before a drop', () => {
  const entries = [noop(1), create(2, 'orders'), drop(4, 'orders'), create(5, 'orders'), noop(6), drop(8, 'orders')];

  it.each([[[]], [[1, 4]], [[2, 3]], [[1, 2, 3, 4]]])(
    'is that of the last drop, however slices are cut: %j',
    async (ends) => {
      expect(await find(entries, ends)).toEqual([6, 8]);
      expect(await find(entries, ends, 'shop.orders', 7)).toEqual([2, 4]);
      expect(await find(entries, ends, 'shop.orders', 3)).toBeUndefined();
    },
  );

  it('is that before another collection was renamed over it, not before it was renamed itself', async () => {
    const renamed = [noop(1), over(3, 'shop.tmp', 'shop.orders', 1), over(5, 'shop.orders', 'shop.old'), noop(6)];
    expect(await find(renamed, [])).toEqual([1, 3]);
    expect(await find(renamed, [], 'shop.old')).toBeUndefined();
    const twice = [...renamed.slice(0, 2), noop(4), over(5, 'shop.tmp', 'shop.orders', 2)];
    expect(await find(twice, [])).toEqual([4, 5]);
    expect(await find([...renamed.slice(0, 2), noop(4), drop(5, 'orders')], [])).toEqual([4, 5]);
  });

  it('is that of the collection where its database was dropped', async () => {
    const gone = [noop(1), drop(2, 'a'), drop(3, 'orders'), command(4, { dropDatabase: 1 }), noop(5)];
    expect(await find(gone, [2])).toEqual([2, 3]);
  });

  it.each([[[]], [[2]], [[3]]])('is that of the first of two entries for a time-series: %j', async (ends) => {
    const series = [noop(1), noop(2), view(3, 'd', 'shop.orders'), drop(4, 'system.buckets.orders'), noop(5)];
    expect(await find(series, ends)).toEqual([2, 3]);
    const again = [...series, create(6, 'system.buckets.orders'), view(7, 'i', 'shop.orders'), noop(8)];
    expect(await find(again, ends)).toEqual([2, 3]);
  });

  it('is that of a view', async () => {
    const views = [noop(1), view(2, 'd', 'shop.other'), view(3, 'd', 'shop.orders'), noop(4)];
    expect(await find(views, [])).toEqual([2, 3]);
  });

  it('is none where nothing was dropped, or nothing is before it', async () => {
    expect(await find([noop(1), drop(2, 'orders2'), noop(3)], [])).toBeUndefined();
    expect(await find([drop(2, 'orders'), noop(3)], [])).toEqual([undefined, 2]);
  });
});
