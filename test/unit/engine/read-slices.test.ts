import { BSON, Long, Timestamp } from 'mongodb';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { capturedSlice, readStoredSlice } from '../../../src/engine/oplog/read-chain.ts';
import { readSliceStream, type SliceInStore } from '../../../src/engine/oplog/read-slices.ts';
import { SliceBuilder } from '../../../src/engine/oplog/slice-builder.ts';

let store: MemoryObjectStore;
beforeEach(() => {
  store = new MemoryObjectStore('storage');
});

/** Entries `from` to `to`, one a second, as one slice. */
async function slice(from: number, to: number, term = 1, left: readonly number[] = []): Promise<SliceInStore> {
  const builder = new SliceBuilder({ member: 'h:1', serverVersion: '6.0.5', run: 'run', fence: 1 }, []);
  for (let t = from; t <= to; t++) {
    if (left.includes(t)) continue;
    const entry = { ts: new Timestamp({ t, i: 1 }), t: Long.fromNumber(term), op: 'n', ns: '', o: {} };
    await builder.append(readOplogEntry(Buffer.from(BSON.serialize(entry))));
  }
  const key = `${from}-${to}-${term}-${left.length}`;
  const { size } = await store.put(key, (await builder.finish())?.body ?? Buffer.alloc(0));
  return { store, slice: capturedSlice(await readStoredSlice(store, { key, size })) };
}

async function read(slices: readonly SliceInStore[]): Promise<number[]> {
  const times: number[] = [];
  for await (const entries of readSliceStream(slices))
    times.push(...entries.map((raw) => readOplogEntry(raw).opTime.ts.t));
  return times;
}

describe('slices as one stream', () => {
  it('hands out every entry once, whether they meet or overlap', async () => {
    expect(await read([await slice(1, 4), await slice(4, 6), await slice(2, 9)])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it.each([
    ['begins after it', [5, 9, 1, []]],
    ['holds it with another term', [4, 9, 2, []]],
    ['holds another history around it', [2, 9, 1, [4]]],
    ['ends before it', [1, 3, 1, []]],
  ] as const)('ends where the next slice %s', async (_what, [from, to, term, left]) => {
    await expect(read([await slice(1, 4), await slice(from, to, term, left)])).rejects.toMatchObject({
      name: 'OplogGap',
      message: expect.stringContaining('ends at 4:1 (term 1)') as string,
    });
  });
});
