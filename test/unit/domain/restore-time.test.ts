import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseRestoreTime } from '../../../src/domain/restore-time.ts';
import { compareTimestamps, type OpTime } from '../../../src/domain/timestamp.ts';

const at = (t: number, i = 1, term = 1): OpTime => ({ ts: { t, i }, t: term });

describe('chooseRestoreTime', () => {
  it('is the greatest point, and one of the points (property)', () => {
    const opTime = fc.record({
      ts: fc.record({ t: fc.nat(5), i: fc.nat(5) }),
      t: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(opTime, { minLength: 1 }), (points) => {
        const chosen = chooseRestoreTime(points);
        expect(points.map(({ ts }) => ts)).toContainEqual(chosen);
        expect(points.every(({ ts }) => compareTimestamps(ts, chosen) <= 0)).toBe(true);
      }),
    );
  });

  it('orders seconds before increments, both as unsigned 32 bit', () => {
    expect(chooseRestoreTime([at(1, 0xffff_ffff), at(2, 1)])).toEqual({ t: 2, i: 1 });
    expect(chooseRestoreTime([at(0xffff_ffff, 1), at(1, 1)])).toEqual({ t: 0xffff_ffff, i: 1 });
  });
});
