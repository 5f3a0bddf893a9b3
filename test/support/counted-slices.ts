import { reachOfBases, recoveryWindow } from '../../src/domain/recovery-window.ts';
import type { OpTime } from '../../src/domain/timestamp.ts';

const opTime = (t: number): OpTime => ({ ts: { t, i: 1 }, t: 1 });

/** The window of so many slices of a minute each, which lead on, and a base a day: how often a slice is looked at for it. */
export function looksAtSlices(count: number): number {
  let looks = 0;
  const slices = Array.from({ length: count }, (_, n) => {
    const [from, to] = [opTime(n * 60), opTime(n * 60 + 60)];
    return {
      ...{ key: `${n}`, storage: 'a', undecided: [] },
      get from() {
        looks += 1;
        return from;
      },
      get to() {
        looks += 1;
        return to;
      },
    };
  });
  const bases = Array.from({ length: Math.ceil(count / 1440) }, (_, n) => {
    const point = opTime(n * 86_400);
    return {
      backupId: `${n}`,
      storage: 'a',
      method: 'logical' as const,
      point,
      restoreTime: point.ts,
      capturedTo: point,
    };
  });
  const { ranges } = recoveryWindow(reachOfBases({ bases, slices, gaps: [] }), []);
  const end = ranges.at(-1)?.to.t;
  if (ranges.length !== 1 || end !== count * 60) throw new TypeError(`a window to ${end}`);
  return looks;
}
