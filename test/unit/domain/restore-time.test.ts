import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import { type CaptureState, chooseRestoreTime, isRestoreTimeReached } from '../../../src/domain/restore-time.ts';
import { compareTimestamps, type OpTime } from '../../../src/domain/timestamp.ts';

const at = (t: number, i = 1, term = 1): OpTime => ({ ts: { t, i }, t: term });
const state = (changes: Partial<CaptureState>): CaptureState => ({
  majority: at(200),
  capturedTo: at(200),
  entryAtRestoreTime: null,
  point: at(50),
  ...changes,
});
const restoreTime = { t: 100, i: 1 };

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

describe('isRestoreTimeReached', () => {
  it.each<[string, Partial<CaptureState>, boolean]>([
    ['its entry is captured and committed', { capturedTo: at(100), entryAtRestoreTime: at(100) }, true],
    ['it is no entry, and one after it is captured', { capturedTo: at(101) }, true],
    ['only what is before it is captured', { capturedTo: at(99) }, false],
    ['nothing is captured', { capturedTo: null }, false],
    ['the majority has not reached it', { majority: at(99), entryAtRestoreTime: at(100) }, false],
    ['the majority is exactly there', { majority: at(100), entryAtRestoreTime: at(100) }, true],
    ['the majority is unknown', { majority: null, entryAtRestoreTime: at(100) }, false],
    ['its own point is there, not captured yet', { point: at(100), capturedTo: at(99) }, false],
    ['its own point is there and captured', { point: at(100), capturedTo: at(100), entryAtRestoreTime: at(100) }, true],
  ])('when %s', (_name, changes, reached) => {
    expect(isRestoreTimeReached(restoreTime, state(changes))).toBe(reached);
  });

  it.each<[string, Partial<CaptureState>]>([
    ['an entry of another term stands there', { point: at(100, 1, 1), entryAtRestoreTime: at(100, 1, 2) }],
    ['capture passed it without meeting it', { point: at(100), capturedTo: at(101) }],
  ])('fails when the part’s own point was rolled back: %s', (_name, changes) => {
    try {
      isRestoreTimeReached(restoreTime, state(changes));
      expect.unreachable();
    } catch (error) {
      expect(isHoldfastError(error, 'OplogGap')).toBe(true);
    }
  });
});
