import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';
import { splitDocuments } from '../../../src/engine/bson/raw-values.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { missingEntries, OplogFacts } from '../../../src/engine/recover/captured-oplog.ts';
import { storeSlice } from '../../support/made-slices.ts';
import { at, rawEntry } from '../../support/oplog-entries.ts';

const note = (i: number) => rawEntry(i, { op: 'n', ns: '', o: { msg: 'note' } });
const notes = (...increments: number[]) => increments.map(note);

let store: MemoryObjectStore;
beforeEach(() => {
  store = new MemoryObjectStore();
});

async function missing(slices: readonly (readonly Buffer[])[], safe: OpTime, restoreTime: number) {
  const stored = [];
  for (const entries of slices) stored.push(await storeSlice(store, entries));
  const facts = new OplogFacts();
  const found: number[] = [];
  const input = { slices: stored.map((slice) => ({ store, slice })), restoreTime: at(restoreTime).ts, safe };
  for await (const { bytes } of missingEntries(input, facts))
    for (const raw of splitDocuments(bytes)) found.push(readOplogEntry(raw).opTime.ts.i);
  return { found, end: facts.end, count: facts.count };
}

describe('what the oplog of copied files lacks', () => {
  test('are the entries after its end, up to the restore time, each once', async () => {
    const result = await missing([notes(1, 2, 3), notes(3, 5, 6), notes(6, 7)], at(2), 6);
    expect(result).toEqual({ found: [3, 5, 6], count: 3, end: at(6) });
  });

  test('a restore time between two entries ends with the one before it', async () => {
    expect(await missing([notes(1, 2, 5)], at(1), 4)).toEqual({ found: [2], count: 1, end: at(2) });
  });

  test('slices that end before the files do are not read', async () => {
    const first = await storeSlice(store, notes(1, 2));
    await store.delete([first.key]);
    const slices = [first, await storeSlice(store, notes(2, 3)), await storeSlice(store, notes(3, 4))];
    const facts = new OplogFacts();
    const input = { slices: slices.map((slice) => ({ store, slice })), restoreTime: at(4).ts, safe: at(3) };
    for await (const piece of missingEntries(input, facts)) expect(piece.count).toBe(1);
    expect(facts).toMatchObject({ end: at(4), count: 1 });
  });

  test('of files that reach beyond the restore time, nothing is missing', async () => {
    expect(await missing([notes(1, 2, 3)], at(9), 3)).toEqual({ found: [], count: 0, end: at(3) });
  });

  test.each([
    ['a slice that begins after the one before ended', [notes(1, 2), notes(3, 4)], at(1), 4],
    ['a captured oplog that begins after the files end', [notes(3, 4)], at(2), 4],
    [
      'files whose last entry the set has undone: the same time, another term',
      [notes(1, 2, 3)],
      { ts: at(2).ts, t: 7 },
      3,
    ],
    ['files whose last entry nobody captured', [notes(1, 3, 4)], at(2), 4],
    ['files whose last entry lies in front of the restore time, where nothing was captured', [notes(1)], at(2), 3],
    ['a captured oplog that ends before the restore time', [notes(1, 2)], at(1), 3],
    ['a captured oplog that begins after the restore time', [notes(5)], at(9), 4],
  ])('refuses %s', async (_, slices, safe, restoreTime) => {
    await expect(missing(slices, safe, restoreTime)).rejects.toMatchObject({ name: 'OplogGap' });
  });

  test('refuses entries out of order', async () => {
    await expect(missing([notes(1, 3, 2, 4)], at(1), 4)).rejects.toMatchObject({ name: 'VerificationFailed' });
  });
});
