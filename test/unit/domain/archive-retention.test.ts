import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveCut, slicesToPrune } from '../../../src/domain/archive-retention.ts';
import { reachOfBases, serveTime, type WindowBase, type WindowSlice } from '../../../src/domain/recovery-window.ts';
import type { OpTime, Timestamp } from '../../../src/domain/timestamp.ts';

const entry = (n: number): OpTime => ({ ts: { t: 1000 + n, i: 1 }, t: 1 });
const time = (n: number): Timestamp => entry(n).ts;
const slice = (from: number, to: number): WindowSlice => ({
  ...{ key: `${from}-${to}`, storage: 'a', from: entry(from), to: entry(to), undecided: [] },
});
const base = (point: number, capturedTo = point): WindowBase => ({
  ...{ backupId: `b${String(point).padStart(2, '0')}`, storage: 'a', method: 'logical', point: entry(point) },
  ...{ restoreTime: time(capturedTo), capturedTo: entry(capturedTo) },
});
const chain = (...ends: number[]) => ends.slice(1).map((to, n) => slice(ends[n] ?? 0, to));

function prune(slices: WindowSlice[], bases: WindowBase[], from: number, held: number[] = []) {
  const reaches = reachOfBases({ bases, slices, gaps: [] });
  const cut = archiveCut({ reaches, slices, promisedFrom: time(from), held: held.map(time) });
  return cut ? slicesToPrune(slices, cut) : [];
}
const keys = (slices: readonly WindowSlice[]) => slices.map(({ key }) => key);

describe('what retention lets go of an archive', () => {
  const slices = chain(0, 5, 10, 15, 20, 25, 30);

  it('is what ends before the base that serves the first promised time', () => {
    expect(keys(prune(slices, [base(2), base(12), base(28)], 18))).toEqual(['0-5', '5-10']);
    expect(keys(prune(slices, [base(2), base(15), base(28)], 18))).toEqual(['0-5', '5-10', '10-15']);
  });

  it('is nothing newer than the promise, though a later base needs less', () => {
    expect(keys(prune(slices, [base(28)], 18))).toEqual(['0-5', '5-10', '10-15']);
  });

  it('is nothing that somebody reads', () => {
    expect(keys(prune(slices, [base(12)], 18, [5]))).toEqual(['0-5']);
    expect(keys(prune(slices, [base(12)], 18, [3]))).toEqual([]);
  });

  it('is nothing where no backup serves the window, unless the set is over; its last slice stays', () => {
    expect(prune(slices, [], 18)).toEqual([]);
    expect(keys(prune(slices, [base(2)], 40))).toEqual(['0-5', '5-10', '10-15', '15-20', '20-25']);
  });

  it('breaks no promise: every promised time that could be restored to still can', () => {
    const number = fc.integer({ min: 0, max: 30 });
    const pair = fc.tuple(number, number).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const cuts = fc.array(pair, { maxLength: 8 });
    const bases = fc.array(fc.tuple(number, fc.nat(5)), { maxLength: 5 });
    fc.assert(
      fc.property(cuts, bases, number, fc.array(number, { maxLength: 2 }), (some, based, from, held) => {
        const all = some.map(([a, b]) => slice(a, b));
        const input = { bases: based.map(([point, more]) => base(point, point + more)), gaps: [] };
        const gone = new Set(prune(all, input.bases, from, held));
        const kept = all.filter((one) => !gone.has(one));
        const [before, after] = [all, kept].map((slices) => reachOfBases({ ...input, slices }));
        for (let n = from; n <= 36; n++)
          if (serveTime(before ?? [], time(n))) expect(serveTime(after ?? [], time(n)), `${n}`).toBeDefined();
        for (const { to } of gone) for (const n of [from, ...held]) expect(to.ts.t).toBeLessThanOrEqual(time(n).t);
      }),
      { numRuns: 2000 },
    );
  });
});
