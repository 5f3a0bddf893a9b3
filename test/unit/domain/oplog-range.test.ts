import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SliceSummary } from '../../../src/domain/base.ts';
import { findSliceGaps, requireUnbrokenRange } from '../../../src/domain/oplog-range.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';

const at = (t: number, term = 1): OpTime => ({ ts: { t, i: 1 }, t: term });
const slice = (from: OpTime, to: OpTime): SliceSummary => ({
  key: `slice-${from.ts.t}`,
  from,
  to,
  entries: 1,
  rawBytes: 1,
  size: 1,
  crc32: '00000000',
});
/** An unbroken chain over the given seconds. */
const chain = (...seconds: number[]) => seconds.slice(1).map((to, index) => slice(at(seconds[index] ?? 0), at(to)));

describe('oplog range', () => {
  it('accepts a chain in any order and returns it in order', () => {
    const slices = chain(1, 5, 9);
    expect(requireUnbrokenRange([...slices].reverse(), at(1), { t: 9, i: 1 })).toEqual(slices);
  });

  it('names every hole, the beginning and the end included', () => {
    const slices = [slice(at(2), at(5)), slice(at(6), at(9))];
    expect(() => requireUnbrokenRange(slices, at(1), { t: 10, i: 1 })).toThrow(
      'slice-2 begins with 2:1 (term 1), but the range with 1:1 (term 1); ' +
        'slice-6 begins with 6:1 (term 1), but slice-2 ends with 5:1 (term 1); ' +
        'slice-6 ends with 9:1 (term 1), before 10:1',
    );
  });

  it('sees a hole where only the term differs: another history', () => {
    const slices = [slice(at(1), at(5, 1)), slice(at(5, 2), at(9, 2))];
    expect(findSliceGaps(slices)).toEqual([
      { after: 'slice-1', before: 'slice-5', expected: at(5, 1), found: at(5, 2) },
    ]);
    expect(() => requireUnbrokenRange(slices, at(1), { t: 9, i: 1 })).toThrow(/slice-5 begins with 5:1 \(term 2\)/);
  });

  it('fails without any slice', () => {
    expect(() => requireUnbrokenRange([], at(1), { t: 2, i: 1 })).toThrow(/No slice/);
  });

  it('may end after the time that is asked for, or exactly there', () => {
    expect(requireUnbrokenRange(chain(3, 5, 9), at(3), { t: 9, i: 1 })).toHaveLength(2);
    expect(requireUnbrokenRange(chain(3, 5, 9), at(3), { t: 7, i: 1 })).toHaveLength(2);
    expect(() => requireUnbrokenRange(chain(3, 5, 9), at(3), { t: 9, i: 2 })).toThrow(/before 9:2/);
  });

  const anyChain = fc
    .uniqueArray(fc.nat(1000), { minLength: 3, maxLength: 12 })
    .map((seconds) => seconds.sort((a, b) => a - b));

  it('has no hole in a chain, and has one when any inner slice is missing (property)', () => {
    fc.assert(
      fc.property(anyChain, fc.nat(), (seconds, pick) => {
        const slices = chain(...seconds);
        expect(findSliceGaps(slices)).toEqual([]);
        fc.pre(slices.length > 2);
        const missing = 1 + (pick % (slices.length - 2));
        const broken = slices.filter((_, index) => index !== missing);
        expect(findSliceGaps(broken)).toHaveLength(1);
        expect(() => requireUnbrokenRange(broken, at(seconds[0] ?? 0), { t: 0, i: 1 })).toThrow(/hole/);
      }),
    );
  });
});
