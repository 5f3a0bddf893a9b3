import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveCut, slicesToPrune } from '../../../src/domain/archive-retention.ts';
import type { Method } from '../../../src/domain/manifest.ts';
import type { OplogGap } from '../../../src/domain/oplog-archive.ts';
import { reachOfBases, serveTime, type WindowBase, type WindowSlice } from '../../../src/domain/recovery-window.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';

/**
 * A set's history as one archiver takes it, in two storages, with what gets lost, recorded and pruned; and a model that knows
 * nothing of chains and segments: it goes from entry to entry.
 */

const last = 30;
const entry = (n: number): OpTime => ({ ts: { t: 1000 + Math.floor(n / 3), i: (n % 3) + 1 }, t: Math.floor(n / 7) });
const numberOf = ({ ts }: Pick<OpTime, 'ts'>): number => (ts.t - 1000) * 3 + ts.i - 1;
const time = (n: number) => entry(n).ts;

const number = fc.integer({ min: 0, max: last });
const history = fc.record({
  /** Where slices end. */
  cuts: fc.uniqueArray(fc.integer({ min: 1, max: last - 1 }), { maxLength: 12 }),
  /** Of each slice, in which storages it is. */
  stored: fc.array(fc.constantFrom(['a'], ['b'], ['a', 'b'], ['a'], ['a'], []), { minLength: 13, maxLength: 13 }),
  bases: fc.array(
    fc.record({
      method: fc.constantFrom<Method[]>('logical', 'physical', 'snapshot'),
      storage: fc.constantFrom('a', 'b'),
      point: number,
      more: fc.nat(4),
      beyond: fc.nat(4),
    }),
    { maxLength: 4 },
  ),
  /** After an entry, of so many, whether there are slices of them or not: who recorded them need not have seen those. */
  gaps: fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: 0, max: last - 1 }),
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom<OplogGap['reason'][]>(
        ...(['rolledOver', 'archivePaused', 'objectLost', 'otherHistory'] as const),
        ...(['featureCompatibilityVersionChanged', 'restore', 'resharding'] as const),
      ),
    ),
    { maxLength: 2, selector: ([after]) => after },
  ),
  /** Prepared at the one, decided at the other. */
  prepared: fc.array(
    fc.tuple(number, fc.integer({ min: 1, max: 8 })).map(([at, more]) => [at, at + more] as const),
    { maxLength: 2 },
  ),
  promised: number,
  held: fc.array(number, { maxLength: 2 }),
});
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

function makeSlices({ cuts, stored, prepared }: History): WindowSlice[] {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), last];
  return edges.slice(1).flatMap((to, n) => {
    const undecided = prepared.filter(([at, by]) => at <= to && to < by).map(([at]) => time(at));
    const from = edges[n] ?? 0;
    return (stored[n] ?? []).map((storage) => ({
      ...{ key: `${storage}/${from}`, storage, from: entry(from), to: entry(to), undecided },
    }));
  });
}

function makeBases({ bases, prepared }: History): WindowBase[] {
  return bases.map(({ method, storage, point, more, beyond }, n) => {
    const restoreTime = point + more;
    // Captured until every transaction that was prepared by then is decided (consistency rule 7).
    const decided = prepared.filter(([at]) => at <= restoreTime).map(([, by]) => by);
    const capturedTo = Math.max(restoreTime + beyond, ...decided);
    return {
      ...{ backupId: `2026112${n}T101530Z-${method}-k3f9`, storage, method },
      ...{ point: entry(point), restoreTime: time(restoreTime), capturedTo: entry(capturedTo) },
    };
  });
}

const makeGaps = ({ gaps }: History): OplogGap[] =>
  gaps.map(([after, length, reason]) => ({
    ...{
      schemaVersion: 1,
      reason,
      after: entry(after),
      before: entry(after + length),
      member: null,
      explanation: 'test',
    },
    foundAt: '2026-11-22T10:00:00Z',
  }));

const ofHistory = new Set<OplogGap['reason']>(['featureCompatibilityVersionChanged', 'restore', 'resharding']);

/** Whether nothing leads over a gap, though slices of all its entries may be there. */
function isBarrier([after, length, reason]: History['gaps'][number], slices: readonly WindowSlice[]): boolean {
  if (ofHistory.has(reason)) return true;
  if (reason !== 'otherHistory') return false;
  const before = after + length;
  const covered = Array.from({ length }, (_, k) => after + k);
  if (!covered.every((n) => slices.some(({ from, to }) => numberOf(from) <= n && n < numberOf(to)))) return false;
  // Two histories, unless slices meet at both of its sides.
  const edges = new Set(slices.flatMap(({ from, to }) => [numberOf(from), numberOf(to)]));
  return !edges.has(after) || !edges.has(before);
}

/** Whether a base can be taken to entry `n`. */
function reaches(base: WindowBase, n: number, slices: readonly WindowSlice[], { gaps, prepared }: History): boolean {
  const [point, restoreTime] = [numberOf(base.point), numberOf({ ts: base.restoreTime })];
  const captured = numberOf(base.capturedTo);
  if (n < point) return false;
  const own = gaps.filter(([at, length, reason]) => ofHistory.has(reason) && point < at + length && at < captured);
  if (own.length > 0) return n <= Math.min(restoreTime, ...own.map(([at]) => Math.max(at, point)));
  if (n <= restoreTime) return true;
  const holding = (at: number) => slices.find(({ from, to }) => numberOf(from) <= at && at < numberOf(to));
  let end = captured;
  let read: WindowSlice | undefined;
  const barriers = gaps.filter((gap) => isBarrier(gap, slices));
  const isOver = (at: number) => barriers.some(([after, length]) => after <= at && at < after + length);
  for (let next = holding(end); next && !isOver(end); next = holding(end)) {
    end += 1;
    read = next;
  }
  // Of the slice that was read last, everything can be looked at: what decides a transaction may lie after a gap within it.
  const seen = read && numberOf(read.to);
  return seen !== undefined && n <= end && prepared.every(([at, by]) => at > n || by <= seen || at > seen);
}

describe('the recovery window, against a model', () => {
  it('serves a time exactly when one of the bases leads to it, by the newest that does, over slices that follow one another', () => {
    fc.assert(
      fc.property(history, (world) => {
        const [bases, slices, gaps] = [makeBases(world), makeSlices(world), makeGaps(world)];
        const found = reachOfBases({ bases, slices, gaps });
        for (let n = 0; n <= last; n += 1) {
          const able = bases.filter((base) => reaches(base, n, slices, world));
          const served = serveTime(found, time(n));
          expect(served !== undefined, `entry ${n}`).toBe(able.length > 0);
          if (!served) continue;
          expect(numberOf(served.base.point)).toBe(Math.max(...able.map(({ point }) => numberOf(point))));
          let at = numberOf(served.base.capturedTo);
          for (const { from, to } of served.slices) {
            expect(numberOf(from)).toBeLessThanOrEqual(at);
            at = numberOf(to);
          }
          expect(at).toBeGreaterThanOrEqual(n);
          for (const [prepared, by] of world.prepared) if (prepared <= n) expect(at).toBeGreaterThanOrEqual(by);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('promises nothing that a prune of one of its storages takes away', () => {
    fc.assert(
      fc.property(history, (world) => {
        const [bases, all, gaps] = [makeBases(world), makeSlices(world), makeGaps(world)];
        const own = all.filter(({ storage }) => storage === 'a');
        const held = world.held.map(time);
        const prune = (slices: readonly WindowSlice[]) => {
          const cut = archiveCut({
            ...{ reaches: reachOfBases({ bases, slices, gaps }), promisedFrom: time(world.promised), held },
            slices: slices.filter(({ storage }) => storage === 'a'),
          });
          return cut
            ? slicesToPrune(
                slices.filter(({ storage }) => storage === 'a'),
                cut,
              )
            : [];
        };
        const gone = new Set(prune(all));
        const kept = all.filter((slice) => !gone.has(slice));
        for (let n = world.promised; n <= last; n += 1)
          for (const base of bases)
            if (
              serveTime(reachOfBases({ bases, slices: all, gaps }), time(n))?.base === base &&
              reaches(base, n, all, world)
            )
              expect(reaches(base, n, kept, world), `entry ${n} from ${base.backupId}`).toBe(true);
        // A beginning, never what somebody reads, never the last one.
        const firstKept = own.find((slice) => !gone.has(slice));
        for (const slice of gone) {
          for (const n of [world.promised, ...world.held]) expect(numberOf(slice.to)).toBeLessThanOrEqual(n);
          expect(numberOf(slice.to)).toBeLessThanOrEqual(firstKept ? numberOf(firstKept.from) : -1);
        }
        expect(prune(kept)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
