import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromRow, isSliceIndexRow, toRow } from '../../../src/domain/slice-index.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const timestamp = fc.record({ t: uint32, i: uint32 });
const opTime = fc.record({ ts: timestamp, t: fc.integer({ min: -1 }) });
const slice = fc.record({
  size: fc.integer({ min: 1 }),
  version: fc.string(),
  from: opTime,
  to: opTime,
  entries: fc.integer({ min: 1 }),
  rawBytes: fc.integer({ min: 1 }),
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  undecided: fc.array(timestamp, { maxLength: 2 }),
});
const ofAnythingElse = [null, -2, 1.5, 2 ** 53, Number.NaN, '', 'A'.repeat(64), [], [[1]], [[1, -1]], {}, undefined];

describe('a line of the index of slices', () => {
  test('says of a slice what was seen (property)', () => {
    fc.assert(
      fc.property(slice, (seen) => {
        const row: unknown = JSON.parse(JSON.stringify(toRow(seen)));
        expect(isSliceIndexRow(row) && fromRow(row)).toEqual(seen);
      }),
    );
  });

  test('is none with anything else in any of its places, with one more or one less', () => {
    const at = { ts: { t: 5, i: 1 }, t: 1 };
    const seen = { size: 9, version: 'v', from: at, to: at, entries: 1, rawBytes: 1, sha256: 'a'.repeat(64) };
    const row: readonly unknown[] = toRow({ ...seen, undecided: [] });
    const allowed = new Map<number, readonly unknown[]>([
      [1, ['', 'A'.repeat(64)]],
      [11, [[]]],
    ]);
    for (const [place, wrong] of row.flatMap((_, n) => ofAnythingElse.map((value) => [n, value] as const))) {
      const isAllowed = allowed.get(place)?.some((value) => JSON.stringify(value) === JSON.stringify(wrong)) ?? false;
      expect(isSliceIndexRow(row.with(place, wrong)), `${place}: ${JSON.stringify(wrong)}`).toBe(isAllowed);
    }
    expect([row, [...row, 1], row.slice(1), null, {}, 'x'].map(isSliceIndexRow)).toEqual([
      true,
      ...Array<boolean>(5).fill(false),
    ]);
  });
});
