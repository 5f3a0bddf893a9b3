import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OplogGap } from '../../../src/domain/oplog-archive.ts';
import {
  lastEntryServed,
  reachOfBases,
  recoveryWindow,
  serveTime,
  type WindowBase,
  type WindowInput,
  type WindowSlice,
} from '../../../src/domain/recovery-window.ts';
import { looksAtSlices } from '../../support/counted-slices.ts';
import type { OpTime, Timestamp } from '../../../src/domain/timestamp.ts';

type GapReason = OplogGap['reason'];

/** Entry `n` of a set's history; every third begins another second, every tenth another term. */
const entry = (n: number): OpTime => ({ ts: { t: 1000 + Math.floor(n / 3), i: (n % 3) + 1 }, t: Math.floor(n / 10) });
const numberOf = ({ ts }: OpTime): number => (ts.t - 1000) * 3 + ts.i - 1;
const time = (n: number): Timestamp => entry(n).ts;

const slice = (from: number, to: number, undecided: number[] = [], storage = 'a'): WindowSlice => ({
  key: `${storage}/${from}-${to}`,
  storage,
  from: entry(from),
  to: entry(to),
  undecided: undecided.map(time),
});
const base = (point: number, restoreTime: number, capturedTo = restoreTime): WindowBase => ({
  backupId: `20261122T1015${String(point).padStart(2, '0')}Z-logical-k3f9`,
  storage: 'a',
  method: 'logical',
  point: entry(point),
  restoreTime: time(restoreTime),
  capturedTo: entry(capturedTo),
});
const gap = (after: number, reason: GapReason = 'rolledOver', before = after + 1): OplogGap => ({
  schemaVersion: 1,
  reason,
  after: entry(after),
  before: entry(before),
  foundAt: '2026-11-22T10:00:00Z',
  member: null,
  explanation: 'test',
});

const windowOf = (input: WindowInput) => recoveryWindow(reachOfBases(input), input.gaps);
const serve = (input: WindowInput, at: Timestamp) => serveTime(reachOfBases(input), at);
const rangesOf = (input: WindowInput) => windowOf(input).ranges.map(({ from, to }) => [from, to]);

describe('the recovery window', () => {
  it('reaches from the first point to the end of the archive, over backups that are no longer needed for it', () => {
    const input = { bases: [base(4, 6), base(12, 14)], slices: [slice(3, 10), slice(10, 20)], gaps: [] };
    expect(windowOf(input)).toEqual({ ranges: [{ from: time(4), to: time(20) }], holes: [] });
  });

  it('looks at each slice a few times, however many bases lead into them', () => {
    expect(looksAtSlices(14_400)).toBeLessThan(14_400 * 15);
  });

  it('ends within the slices of a base that crosses any entry of a change, also of one that takes several entries', () => {
    const gaps = [gap(10, 'featureCompatibilityVersionChanged', 14)];
    const slices = [slice(0, 20)];
    expect(rangesOf({ bases: [base(8, 12)], slices, gaps })).toEqual([[time(8), time(10)]]);
    expect(rangesOf({ bases: [base(12, 16)], slices, gaps })).toEqual([[time(12), time(12)]]);
    expect(rangesOf({ bases: [base(14, 16)], slices, gaps })).toEqual([[time(14), time(20)]]);
  });

  it('goes on over a quiet end: to where nothing happened since the last slice, or since a base that was taken in it', () => {
    const quiet = { since: entry(20), until: entry(28) };
    const slices = [slice(3, 10), slice(10, 20)];
    expect(rangesOf({ bases: [base(4, 6)], slices, gaps: [], quiet })).toEqual([[time(4), time(28)]]);
    expect(serve({ bases: [base(4, 6)], slices, gaps: [], quiet }, time(24))?.slices).toEqual(slices);
    expect(serve({ bases: [base(4, 6)], slices, gaps: [], quiet }, time(29))).toBeUndefined();
    expect(rangesOf({ bases: [base(22, 23, 24)], slices, gaps: [], quiet })).toEqual([[time(22), time(28)]]);
    const served = serve({ bases: [base(22, 23, 24)], slices, gaps: [], quiet }, time(27));
    expect(served?.slices).toEqual([]);
    expect(served && lastEntryServed(served, time(27))).toEqual(time(24));
    // Of another term, it may be of another history; one that ends later is not known of; nor is one before a gap.
    const other = { ...base(22, 23), capturedTo: { ...entry(23), t: 1 } };
    expect(rangesOf({ bases: [other], slices, gaps: [], quiet })).toEqual([[time(22), time(23)]]);
    expect(rangesOf({ bases: [base(29, 30)], slices, gaps: [], quiet })).toEqual([[time(29), time(30)]]);
    const damaged = { ...gap(10, 'objectLost', 20), damaged: [slice(10, 20).key] };
    expect(rangesOf({ bases: [base(4, 6)], slices, gaps: [damaged], quiet })).toEqual([[time(4), time(10)]]);
  });

  it('ends in a quiet end before a transaction that was prepared and that nothing has decided', () => {
    const quiet = { since: entry(20), until: entry(28) };
    const slices = [slice(3, 20, [18])];
    const before = { t: time(18).t, i: time(18).i - 1 };
    expect(rangesOf({ bases: [base(4, 6)], slices, gaps: [], quiet })).toEqual([[time(4), before]]);
  });

  it('is the state at the last slice for every time of a quiet end, and the time itself where a slice holds it', () => {
    const quiet = { since: entry(20), until: entry(28) };
    const input = { bases: [base(4, 6)], slices: [slice(3, 10), slice(10, 20)], gaps: [], quiet };
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 28 }), (n) => {
        const served = serve(input, time(n));
        expect(served && lastEntryServed(served, time(n))).toEqual(time(Math.min(n, 20)));
      }),
    );
  });

  it('is what the backups alone restore to, where nothing is archived', () => {
    expect(rangesOf({ bases: [base(4, 6), base(12, 14)], slices: [], gaps: [] })).toEqual([
      [time(4), time(6)],
      [time(12), time(14)],
    ]);
  });

  it('has a hole between a gap and the next base, with what was recorded of it', () => {
    const recorded = gap(20, 'rolledOver', 25);
    const input = { bases: [base(4, 6), base(30, 31)], slices: [slice(3, 20), slice(25, 40)], gaps: [recorded] };
    expect(windowOf(input)).toEqual({
      ranges: [
        { from: time(4), to: time(20) },
        { from: time(30), to: time(40) },
      ],
      holes: [{ from: time(20), to: time(30), gaps: [recorded] }],
    });
  });

  it('has no hole where the own slices of a base lead over what the archive lost', () => {
    const input = {
      bases: [base(4, 6), base(18, 27)],
      slices: [slice(3, 20), slice(25, 40)],
      gaps: [gap(20, 'rolledOver', 25)],
    };
    expect(rangesOf(input)).toEqual([[time(4), time(40)]]);
  });

  it('does not go over a change of the version, though slices do, whoever took them', () => {
    const changed = [gap(20, 'featureCompatibilityVersionChanged')];
    expect(rangesOf({ bases: [base(4, 6)], slices: [slice(3, 40)], gaps: changed })).toEqual([[time(4), time(20)]]);
    expect(rangesOf({ bases: [base(4, 6, 25)], slices: [slice(3, 40)], gaps: changed })).toEqual([[time(4), time(6)]]);
  });

  it('tells histories apart by their terms', () => {
    const other = { ...slice(10, 20), from: { ...entry(10), t: 7 } };
    expect(rangesOf({ bases: [base(4, 6)], slices: [slice(3, 10), other], gaps: [] })).toEqual([[time(4), time(10)]]);
    expect(rangesOf({ bases: [base(4, 6, 10)], slices: [other], gaps: [] })).toEqual([[time(4), time(6)]]);
  });

  it('takes slices from several storages as one archive, and a copy for the slice', () => {
    const slices = [slice(3, 10), slice(10, 20, [], 'b'), slice(3, 10, [], 'b')];
    expect(rangesOf({ bases: [base(4, 6)], slices, gaps: [] })).toEqual([[time(4), time(20)]]);
  });

  it('ends before a transaction whose decision is not in it', () => {
    const input = { bases: [base(4, 6)], slices: [slice(3, 20, [15])], gaps: [] };
    expect(rangesOf(input)).toEqual([[time(4), { ...time(15), i: time(15).i - 1 }]]);
    expect(rangesOf({ ...input, slices: [...input.slices, slice(20, 22)] })).toEqual([[time(4), time(22)]]);
  });
});

describe('what serves a time', () => {
  const input = {
    bases: [base(4, 6), base(12, 14)],
    slices: [slice(3, 10), slice(10, 17, [16]), slice(17, 20), slice(20, 30)],
    gaps: [],
  };

  it('is the newest base at or before it, with the slices from its own on', () => {
    expect(serve(input, time(11))).toEqual({ base: input.bases[0], slices: input.slices.slice(0, 2) });
    expect(serve(input, time(12))).toEqual({ base: input.bases[1], slices: [] });
    expect(serve(input, time(15))).toEqual({ base: input.bases[1], slices: [input.slices[1]] });
    expect(serve(input, time(30))).toEqual({ base: input.bases[1], slices: input.slices.slice(1) });
  });

  it('includes the slice that decides a transaction prepared by then', () => {
    expect(serve(input, time(16))).toEqual({ base: input.bases[1], slices: input.slices.slice(1, 3) });
  });

  it('is nothing before the first point and after the end', () => {
    expect(serve(input, time(3))).toBeUndefined();
    expect(serve(input, { ...time(30), i: time(30).i + 1 })).toBeUndefined();
  });

  it('is an older base where the chain of the newest is broken', () => {
    const broken = { ...input, bases: [base(4, 6), { ...base(12, 14), capturedTo: { ...entry(14), t: 9 } }] };
    expect(serve(broken, time(15))?.base).toBe(broken.bases[0]);
    expect(serve(broken, time(13))?.base).toBe(broken.bases[1]);
  });
});

/** Entries of the history in the order in which a restore reads them: what a worker does, entry by entry. */
function read(served: NonNullable<ReturnType<typeof serve>>): { readonly last: number; readonly crossed: number[] } {
  let last = numberOf(served.base.capturedTo);
  const crossed: number[] = [];
  for (const { from, to } of served.slices) {
    expect(numberOf(from)).toBeLessThanOrEqual(last);
    for (; last < numberOf(to); last++) crossed.push(last);
  }
  return { last, crossed };
}

const entries = 40;
const number = fc.integer({ min: 0, max: entries });
const pair = fc.tuple(number, number).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
const reason = fc.constantFrom<GapReason[]>('rolledOver', 'featureCompatibilityVersionChanged', 'objectLost');
const history = fc.record({
  /** Prepared at the first, decided at the second. */
  prepared: fc.array(
    pair.filter(([a, b]) => a < b),
    { maxLength: 2 },
  ),
  cuts: fc.array(pair, { maxLength: 6 }),
  bases: fc.array(fc.tuple(number, fc.nat(4), fc.nat(4)), { maxLength: 4 }),
  gaps: fc.array(fc.tuple(fc.integer({ min: 0, max: entries - 1 }), reason), { maxLength: 2 }),
});

describe('against a model that goes through the history entry by entry', () => {
  it('serves exactly the times to which a base and slices lead', () => {
    fc.assert(
      fc.property(history, ({ prepared, cuts, bases, gaps }) => {
        const undecidedAt = (n: number) => prepared.filter(([at, by]) => at <= n && n < by).map(([at]) => at);
        const input = {
          slices: cuts.map(([from, to]) => slice(from, to, undecidedAt(to))),
          // A backup is captured until every transaction that was prepared by its restore time is decided (rule 7).
          bases: bases.map(([point, more, beyond]) => {
            const decided = prepared.filter(([at]) => at <= point + more).map(([, by]) => by);
            return base(point, point + more, Math.max(point + more + beyond, ...decided));
          }),
          gaps: gaps.map(([after, why]) => gap(after, why)),
        };
        // Slices that lead over a gap of missing entries are there, whatever its record says.
        const isCut = (n: number) => gaps.some(([after, why]) => after === n && why.startsWith('feature'));
        const archived = (n: number) => cuts.some(([from, to]) => from <= n && n < to);
        for (let n = 0; n <= entries; n++) {
          const served = serve(input, time(n));
          if (served) {
            const { last, crossed } = read(served);
            expect(numberOf(served.base.point)).toBeLessThanOrEqual(n);
            expect(last).toBeGreaterThanOrEqual(n);
            expect(crossed.filter((at) => at < n && isCut(at))).toEqual([]);
            for (const [at, by] of prepared) if (at <= n) expect(last).toBeGreaterThanOrEqual(by);
          }
          const reachable = input.bases.some((one) => {
            const [point, restoreTime] = [numberOf(one.point), numberOf({ ts: one.restoreTime, t: 0 })];
            const captured = numberOf(one.capturedTo);
            const barrier = Array.from({ length: captured - point }, (_, k) => point + k).find(isCut);
            if (n < point) return false;
            if (barrier !== undefined) return n <= Math.min(restoreTime, barrier);
            let end = captured;
            while (archived(end) && !isCut(end)) end++;
            if (n <= restoreTime) return true;
            // Where a gap cuts a slice, its rest may decide more than the model knows.
            return end > captured && n <= end && prepared.every(([at, by]) => at > n || by <= end);
          });
          if (reachable) expect(served).toBeDefined();
          // The model does not know what lies behind a cut.
          else if (served) expect(read(served).crossed.some(isCut)).toBe(true);
        }
        const { ranges, holes } = windowOf(input);
        for (const [k, hole] of holes.entries())
          expect([hole.from, hole.to]).toEqual([ranges[k]?.to, ranges[k + 1]?.from]);
      }),
      { numRuns: 400 },
    );
  });
});
