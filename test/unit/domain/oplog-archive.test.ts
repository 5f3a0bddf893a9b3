import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveSegments, joinsSegment, mayFollow, slicesBetween } from '../../../src/domain/archive-segments.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import {
  archiveProgressSchema,
  gapKey,
  type OplogGap,
  parseArchiveKey,
  parseSliceKey,
  shortOplog,
  type SliceSpan,
} from '../../../src/domain/oplog-archive.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';

const at = (t: number, term = 1): OpTime => ({ ts: { t, i: 1 }, t: term });
const span = (from: OpTime, to: OpTime): SliceSpan => ({ key: `slice-${from.ts.t}-${from.t}`, from, to });
const gap = (reason: OplogGap['reason'], after: OpTime, before: OpTime, damaged?: string[]): OplogGap => ({
  ...{ schemaVersion: 1, reason, after, before, foundAt: '2026-11-22T10:00:00.000Z', member: null, explanation: '' },
  ...(damaged && { damaged }),
});
const ranges = (slices: readonly SliceSpan[], gaps: readonly OplogGap[] = []) =>
  archiveSegments(slices, gaps).map(({ from, to }) => [from.ts.t, to.ts.t]);

describe('names of the oplog archive', () => {
  const id = '0123456789abcdef01234567';
  const prefix = artifactKeys.archive('orders', 'rs-0', id);

  it('gives a set that is made anew a place of its own, and parses it', () => {
    expect(prefix).toBe(`orders/oplog/rs-0-${id}/`);
    const key = artifactKeys.slice(prefix, { t: 12, i: 3 });
    expect(key).toBe(`orders/oplog/rs-0-${id}/0000000012-0000000003.bson.zst`);
    expect(parseArchiveKey('orders', key)).toEqual({ replicaSet: 'rs-0', replicaSetId: id, prefix });
    expect(parseArchiveKey('orders', 'orders/backups/x')).toBeUndefined();
    expect(parseArchiveKey('orders', 'orders/oplog/rs-0/x')).toBeUndefined();
    expect(parseSliceKey(prefix, key)).toEqual({ t: 12, i: 3 });
  });

  it('tells gaps from slices, and names the same gap the same', () => {
    const key = gapKey(prefix, gap('rolledOver', at(12), at(20)));
    expect(key).toBe(`${prefix}gaps/0000000012-0000000001-rolledOver.json`);
    expect(parseSliceKey(prefix, key)).toBeUndefined();
    expect(parseSliceKey('other/', artifactKeys.slice(prefix, { t: 1, i: 1 }))).toBeUndefined();
  });

  it('keeps the lease of an archive apart from every deployment', () => {
    expect(stateKeys.archiveLease('orders', 'rs0')).toBe('leases/orders.archive.rs0.json');
  });
});

describe('how far an archive is', () => {
  it('is read strictly: a newer form is not taken for this one', () => {
    const progress = {
      ...{ schemaVersion: 1, checkedTo: at(9), checkedAt: '2026-11-22T10:00:00.000Z', member: 'a:1', memberData: '' },
      last: { key: 'orders/oplog/x', size: 1, from: at(1), to: at(5) },
    };
    expect(archiveProgressSchema.parse(progress)).toEqual(progress);
    expect(archiveProgressSchema.safeParse({ ...progress, schemaVersion: 2 }).success).toBe(false);
  });
});

describe('segments of the oplog archive', () => {
  it('chains slices by timestamp and term, in any order', () => {
    expect(mayFollow(span(at(1), at(5)), span(at(5), at(9)))).toBe(true);
    expect(mayFollow(span(at(1), at(5, 1)), span(at(5, 2), at(9, 2)))).toBe(false);
    expect(ranges([span(at(5), at(9)), span(at(1), at(5))])).toEqual([[1, 9]]);
    expect(ranges([span(at(1), at(5, 1)), span(at(5, 2), at(9, 2))])).toEqual([
      [1, 5],
      [5, 9],
    ]);
  });

  it('is cut by a gap within a slice, on both sides of which the slice serves', () => {
    const slices = [span(at(1), at(5)), span(at(5), at(9))];
    const segments = archiveSegments(slices, [gap('featureCompatibilityVersionChanged', at(6), at(7))]);
    expect(segments).toEqual([
      { from: at(1), to: at(6), slices },
      { from: at(7), to: at(9), slices: [slices[1]] },
    ]);
  });

  it('leaves out what a gap calls damaged', () => {
    const slices = [span(at(1), at(5)), span(at(5), at(9)), span(at(9), at(12))];
    const found = [gap('objectLost', at(5), at(9), ['slice-5-1'])];
    expect(ranges(slices, found)).toEqual([
      [1, 5],
      [9, 12],
    ]);
  });

  it('shows two histories of the same times, and a chain that joins another only once', () => {
    expect(ranges([span(at(1), at(9, 1)), span(at(6, 2), at(12, 2))])).toEqual([
      [1, 9],
      [6, 12],
    ]);
    expect(ranges([span(at(1), at(5)), span(at(5), at(9)), span(at(3), at(5))])).toEqual([[1, 9]]);
  });

  it('continues a base whose own oplog range ends in it', () => {
    const [segment] = archiveSegments([span(at(3), at(9))], []);
    const joins = (t: number) => segment && joinsSegment(at(t), segment);
    expect([2, 3, 9, 10].map(joins)).toEqual([false, true, true, false]);
    const slices = [span(at(1), at(3)), span(at(3), at(5)), span(at(5), at(9))];
    expect(slicesBetween(slices, { t: 3, i: 1 }, { t: 5, i: 1 })).toEqual([slices[1]]);
  });

  it('agrees with entries that are walked one by one (property)', () => {
    const last = 24;
    const world = fc.record({
      cuts: fc.uniqueArray(fc.integer({ min: 1, max: last - 1 }), { maxLength: 12 }),
      lost: fc.uniqueArray(fc.nat(13), { maxLength: 4 }),
      damaged: fc.uniqueArray(fc.nat(13), { maxLength: 2 }),
      changes: fc.uniqueArray(fc.integer({ min: 1, max: last }), { maxLength: 3 }),
      shuffle: fc.nat(),
    });
    fc.assert(
      fc.property(world, ({ cuts, lost, damaged, changes, shuffle }) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), last];
        const all = edges.slice(1).map((to, index) => span(at(edges[index] ?? 0), at(to)));
        const stored = all.filter((_, index) => !lost.includes(index));
        const broken = stored.filter((_, index) => damaged.includes(index));
        const gaps = [
          ...broken.map(({ key, from, to }) => gap('objectLost', from, to, [key])),
          ...changes.map((t) => gap('featureCompatibilityVersionChanged', at(t - 1), at(t))),
        ];
        const order = [
          ...stored.slice(shuffle % (stored.length + 1)),
          ...stored.slice(0, shuffle % (stored.length + 1)),
        ];
        const segments = archiveSegments(order, gaps);
        for (let base = 0; base < last; base++) {
          let reachable = true;
          for (let target = base + 1; target <= last; target++) {
            const holder = stored.find(({ from, to }) => from.ts.t < target && target <= to.ts.t);
            reachable &&= holder !== undefined && !broken.includes(holder) && !changes.includes(target);
            const found = segments.filter(({ from, to }) => from.ts.t <= base && target <= to.ts.t);
            expect({ base, target, reachable: found.length > 0 }).toEqual({ base, target, reachable });
            if (reachable) {
              const needed = slicesBetween(found[0]?.slices ?? [], at(base).ts, at(target).ts);
              expect(needed.at(0)?.from.ts.t).toBeLessThanOrEqual(base);
              expect(needed.at(-1)?.to.ts.t).toBeGreaterThanOrEqual(target);
              expect(needed.slice(1).every((slice, index) => mayFollow(needed[index] ?? slice, slice))).toBe(true);
            }
          }
        }
      }),
    );
  });
});

describe('an oplog that is short', () => {
  it('is one that is full and reaches less than an hour back beyond what is archived', () => {
    const ts = (t: number) => at(t).ts;
    expect(shortOplog(ts(1000), ts(4599), 1)).toBe(3599);
    expect(shortOplog(ts(1000), ts(4600), 1)).toBeUndefined();
    expect(shortOplog(ts(1000), ts(1010), 0.9)).toBe(10);
    // A young one forgets nothing yet.
    expect(shortOplog(ts(1000), ts(1010), 0.89)).toBeUndefined();
    // What is archived is forgotten already.
    expect(shortOplog(ts(1000), ts(990), 1)).toBe(-10);
  });
});
