import { describe, expect, it } from 'vitest';
import { ScanPositions } from '../../../src/engine/dump/scan-positions.ts';

const token = (ordinal: number) => Buffer.from(`behind ${ordinal}`);

describe('the positions of a scan', () => {
  it('are found by the frames that lie before them, in whatever order they came', () => {
    const positions = new ScanPositions();
    expect(positions.token).toBeUndefined();
    expect(positions.framesWithin(9)).toBe(0);
    for (const ordinal of [0, 2, 5, 4, 1]) positions.set(ordinal, token(ordinal));
    expect(positions.token).toEqual(token(5));
    expect([0, 1, 2, 3, 4, 5, 6, 9].map((limit) => positions.framesWithin(limit))).toEqual([0, 1, 2, 3, 3, 5, 6, 6]);
    positions.set(5, token(50));
    expect(positions.token).toEqual(token(50));
    positions.truncate(5);
    expect(positions.token).toEqual(token(4));
    positions.truncate(0);
    expect(positions.token).toBeUndefined();
  });

  it('are those of the last five hundred frames, and enough of the others to read little again', () => {
    const positions = new ScanPositions();
    const frames = 100_000;
    for (let ordinal = 0; ordinal < frames; ordinal++) positions.set(ordinal, token(ordinal));
    for (let back = 0; back < 500; back++) expect(positions.framesWithin(frames - back)).toBe(frames - back);
    let kept = 0;
    for (let at = frames; at > 0; kept++) {
      const next = positions.framesWithin(at - 1);
      expect(at - next).toBeLessThanOrEqual(frames / 100);
      at = next;
    }
    expect(kept).toBeLessThanOrEqual(1025);
    positions.truncate(1000);
    expect(positions.token?.toString()).toMatch(/^behind \d+$/);
  });
});
