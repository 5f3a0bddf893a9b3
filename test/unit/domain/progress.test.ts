import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addSample,
  bytesPerSecond,
  etaSeconds,
  type ProgressSample,
  rateWindow,
} from '../../../src/domain/progress.ts';

const fold = (samples: readonly ProgressSample[]) =>
  samples.reduce<ProgressSample[]>((kept, sample) => addSample(kept, sample), []);

describe('progress', () => {
  it('knows the rate of the last half minute, not of the whole run', () => {
    const fast = Array.from({ length: 61 }, (_, second) => ({ at: second * 1000, bytes: second * 1000 }));
    const stalled = Array.from({ length: 60 }, (_, second) => ({ at: (61 + second) * 1000, bytes: 60_000 }));
    expect(bytesPerSecond(fold(fast))).toBe(1000);
    expect(bytesPerSecond(fold([...fast, ...stalled]))).toBe(0);
  });

  it('has no rate from one sample, and none below zero when a worker starts again', () => {
    expect(bytesPerSecond([])).toBe(0);
    expect(bytesPerSecond(fold([{ at: 5, bytes: 5 }]))).toBe(0);
    expect(
      bytesPerSecond(
        fold([
          { at: 0, bytes: 500 },
          { at: 1000, bytes: 0 },
        ]),
      ),
    ).toBe(0);
  });

  it('tells the time to go, or that it is unknown', () => {
    expect(etaSeconds(250, 1000, 100)).toBe(8);
    expect(etaSeconds(250, null, 100)).toBeNull();
    expect(etaSeconds(250, 1000, 0)).toBeNull();
    expect(etaSeconds(1200, 1000, 0)).toBe(0);
  });

  it('keeps what spans the window and no more (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ gap: fc.nat(20_000), more: fc.nat(1000) }), { minLength: 2 }), (gaps) => {
        let at = 0;
        let bytes = 0;
        const samples = gaps.map(({ gap, more }) => ({ at: (at += gap), bytes: (bytes += more) }));
        const kept = fold(samples);
        const edge = at - rateWindow;
        expect(kept.at(-1)).toEqual(samples.at(-1));
        expect(kept.filter((sample) => sample.at <= edge).length).toBeLessThanOrEqual(1);
        const inside = samples.filter((sample) => sample.at > edge);
        expect(kept.slice(-inside.length)).toEqual(inside);
        expect(bytesPerSecond(kept)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
