import { describe, expect, test } from 'vitest';
import type { OpTime } from '../../../src/domain/timestamp.ts';
import { readPoint } from '../../../src/engine/dump/read-point.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const at = (i: number): OpTime => ({ ts: { t: 1_700_000_000, i }, t: 1 });

function member(optimes: readonly OpTime[]) {
  let asked = 0;
  const read = (): Promise<OpTime> => Promise.resolve(optimes[Math.min(asked++, optimes.length - 1)] ?? at(0));
  return { read, asked: () => asked };
}

const deps = (leftOut: boolean) => ({
  member: 'db-4:27017',
  leftOut,
  clock: new VirtualClock({ autoAdvance: true }),
  signal: new AbortController().signal,
});

describe('the point of a base', () => {
  test('is what the member has applied after the last document was read', async () => {
    const { read, asked } = member([at(7), at(8)]);
    expect(await readPoint(read, deps(false))).toEqual(at(7));
    expect(asked()).toBe(1);
  });

  test('is past the batch in which a collection was dropped that the base leaves out', async () => {
    const { read } = member([at(7), at(7), at(7), at(9)]);
    expect(await readPoint(read, deps(true))).toEqual(at(9));
  });

  test('is none on a member that applies nothing any more: the base is taken again', async () => {
    const { read } = member([at(7)]);
    await expect(readPoint(read, deps(true))).rejects.toMatchObject({
      name: 'MemberStateChanged',
      message: expect.stringContaining('1700000000:7') as string,
    });
  });
});
