import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import { nextLease, releasedLease, requireLease, type StoredLease } from '../../../src/domain/lease.ts';
import { leaseSchema } from '../../../src/domain/run.ts';

const now = new Date('2026-11-22T10:15:30.000Z');
const request = (run: string) => ({ owner: 'ann@laptop', run, now });
const store = (lease: StoredLease['lease'], etag = 'e1'): StoredLease => ({ lease, etag });

const release = (stored: StoredLease | undefined, run: string) =>
  stored?.lease.run === run ? releasedLease(stored.lease) : stored?.lease;

/** What stands after a try: a run that is refused while the holder runs changes nothing. */
function acquire(stored: StoredLease | undefined, run: string, holderRuns: boolean) {
  try {
    return nextLease(stored, request(run), holderRuns).lease;
  } catch (error) {
    const refused = holderRuns && stored !== undefined && stored.lease.run !== run && stored.lease.released !== true;
    if (!refused || !isHoldfastError(error, 'DeploymentBusy')) throw error;
    return stored.lease;
  }
}

describe('nextLease', () => {
  it('begins with fence 1, to be created where nothing is', () => {
    const { lease, condition } = nextLease(undefined, request('r1'), false);
    expect(leaseSchema.parse(lease)).toEqual({
      schemaVersion: 1,
      owner: 'ann@laptop',
      run: 'r1',
      acquiredAt: '2026-11-22T10:15:30.000Z',
      fence: 1,
    });
    expect(condition).toEqual({ ifNoneMatch: '*' });
  });

  it('says who holds it and since when, to a run that comes while that one runs', () => {
    const first = nextLease(undefined, request('r1'), false).lease;
    try {
      nextLease(store(first), request('r2'), true);
      expect.unreachable();
    } catch (error) {
      expect(isHoldfastError(error, 'DeploymentBusy')).toBe(true);
      expect((error as Error).message).toBe('Run r1, started by ann@laptop, holds it since 2026-11-22T10:15:30.000Z.');
    }
    expect(() => nextLease(store(first), request('r2'), true, 'TargetBusy')).toThrow(/Run r1/);
  });

  it('takes over from a run that is over, only from what was read', () => {
    const first = nextLease(undefined, request('r1'), false).lease;
    const { lease, condition } = nextLease(store(first, 'e7'), request('r2'), false);
    expect(lease).toMatchObject({ run: 'r2', fence: 2 });
    expect(condition).toEqual({ ifMatch: 'e7' });
  });

  it('gives a run that asks again what it has, with nothing to write', () => {
    const first = nextLease(undefined, request('r1'), false).lease;
    expect(nextLease(store(first), request('r1'), true)).toEqual({ lease: first, condition: undefined });
  });

  it('takes over a released one, though that run still does its last steps', () => {
    const first = nextLease(undefined, request('r1'), false).lease;
    expect(nextLease(store(releasedLease(first)), request('r2'), true).lease).toMatchObject({ run: 'r2', fence: 2 });
  });

  it('lets the fence only grow, and one run hold it at a time (property)', () => {
    const step = fc.record({
      run: fc.constantFrom('r1', 'r2', 'r3'),
      action: fc.constantFrom('acquire', 'release'),
      othersRun: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let stored: StoredLease | undefined;
        for (const [index, { run, action, othersRun }] of steps.entries()) {
          const before = stored?.lease;
          const after = action === 'release' ? release(stored, run) : acquire(stored, run, othersRun);
          const changesHands = after !== undefined && (before?.run !== after.run || before.released === true);
          const taken = changesHands && action === 'acquire';
          expect((after?.fence ?? 0) - (before?.fence ?? 0)).toBe(taken ? 1 : 0);
          if (after !== undefined) stored = store(after, `e${index}`);
        }
      }),
    );
  });
});

describe('requireLease', () => {
  const held = nextLease(undefined, request('r1'), false).lease;

  it('passes for the run that holds it with the same fence', () => {
    expect(() => {
      requireLease(held, 'r1', 1);
    }).not.toThrow();
  });

  it.each([
    ['there is none', undefined, 1],
    ['another run took over', { ...held, run: 'r2', fence: 2 }, 1],
    ['it took it again', { ...held, fence: 2 }, 1],
    ['it was released', releasedLease(held), 1],
  ])('throws LeaseLost when %s', (_name, stored, fence) => {
    expect(() => {
      requireLease(stored, 'r1', fence);
    }).toThrow(/no longer holds its lease/);
  });
});
