import { MongoClient } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { type MemberLoad, nextShare, pressureOf } from '../../../src/engine/source/brake-policy.ts';
import { LoadBrake } from '../../../src/engine/source/load-brake.ts';
import { lagOf } from '../../../src/engine/source/member-load.ts';
import { noLogger } from '../../support/no-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const mebibyte = 2 ** 20;
const limits = { maxLagSeconds: 20 };
const idle: MemberLoad = { lagSeconds: 0, dirtyFraction: 0.01 };

function makeBrake(clock: VirtualClock, load: () => MemberLoad = () => idle, bandwidth?: number) {
  const states: (string | null)[] = [];
  const brake = new LoadBrake({
    ...{ clock, logger: noLogger, bandwidth, limits },
    readLoad: () => Promise.resolve(load()),
    onChange: (state) => states.push(state),
  });
  return { brake, states };
}

/** Reads 1 MiB at a time as fast as the brake lets it, `perSecond` at most, until told to end; counts what it read. */
function startScan(clock: VirtualClock, brake: LoadBrake, signal: AbortSignal, perSecond = 100) {
  const scan = { bytes: 0 };
  void (async () => {
    while (!signal.aborted) {
      await clock.sleep(1000 / perSecond, signal);
      scan.bytes += mebibyte;
      await brake.take(mebibyte, signal);
    }
  })().catch(() => undefined);
  return scan;
}

const source = {
  client: new MongoClient('mongodb://db-3/'),
  member: 'db-3:27017',
  signal: new AbortController().signal,
};

describe('the bandwidth', () => {
  test.each([1, 4])('bounds %d scans together', async (scans) => {
    const clock = new VirtualClock();
    const ended = new AbortController();
    const { brake } = makeBrake(clock, undefined, 10 * mebibyte);
    const running = Array.from({ length: scans }, () => startScan(clock, brake, ended.signal));
    await clock.advance(20_000);
    ended.abort();
    const mebibytes = running.reduce((sum, { bytes }) => sum + bytes, 0) / mebibyte;
    expect(mebibytes).toBeGreaterThan(190);
    expect(mebibytes).toBeLessThan(220);
  });

  test('lets a scan that was slower for a while have no more than a second of it at once', async () => {
    const clock = new VirtualClock();
    const { brake } = makeBrake(clock, undefined, 10 * mebibyte);
    await clock.advance(3_600_000);
    const signal = new AbortController().signal;
    let taken = 0;
    void (async () => {
      for (;;) {
        await brake.take(mebibyte, signal);
        taken += 1;
      }
    })();
    await clock.settle();
    expect(taken).toBe(10);
  });

  test('that is not given holds nothing back', async () => {
    const clock = new VirtualClock();
    const { brake } = makeBrake(clock);
    for (let n = 0; n < 1000; n += 1) await brake.take(16 * mebibyte, source.signal);
    expect(clock.pending).toEqual([]);
    expect(brake.summary).toBeUndefined();
  });

  test('ends a wait at once when the dump is aborted', async () => {
    const clock = new VirtualClock();
    const { brake } = makeBrake(clock, undefined, mebibyte);
    const aborted = new AbortController();
    const waiting = brake.take(500 * mebibyte, aborted.signal);
    await clock.settle();
    aborted.abort(new TypeError('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('a member under pressure', () => {
  /** A scan of 100 MiB/s beside a watched member, whose load changes; what is read in each second. */
  async function run(seconds: number, loadAt: (second: number) => MemberLoad) {
    const clock = new VirtualClock();
    const start = clock.now().getTime();
    const second = () => Math.floor((clock.now().getTime() - start) / 1000);
    const { brake, states } = makeBrake(clock, () => loadAt(second()));
    const ended = new AbortController();
    const scan = startScan(clock, brake, ended.signal);
    const watching = brake.watch(ended.signal, source).catch((error: unknown) => error);
    const perSecond: number[] = [];
    for (let n = 0; n < seconds; n += 1) {
      const before = scan.bytes;
      await clock.advance(1000);
      perSecond.push(Math.round((scan.bytes - before) / mebibyte));
    }
    ended.abort();
    return { perSecond, states, brake, failure: await watching };
  }
  const lagging = (lagSeconds: number): MemberLoad => ({ ...idle, lagSeconds });

  test('is read ever slower, down to an eighth of what was usual, and faster again when it is well', async () => {
    const { perSecond, states, brake } = await run(16, (second) => lagging(second >= 3 && second < 8 ? 15 : 1));
    expect(perSecond.slice(0, 3)).toEqual([100, 100, 100]);
    expect(perSecond[7]).toBeGreaterThanOrEqual(11);
    expect(perSecond[7]).toBeLessThanOrEqual(14);
    expect(perSecond.at(-1)).toBe(100);
    expect(states[0]).toBe('slowed down: replication lag 15 s (limit 20 s)');
    expect(states).toContain('speeding up again: replication lag 1 s (limit 20 s)');
    expect(states.at(-1)).toBeNull();
    expect(brake.summary).toEqual({ seconds: 7, reason: 'replication lag 15 s (limit 20 s)' });
  });

  test('is not read while it is beyond the limit, and named with its lag', async () => {
    const { perSecond, states } = await run(20, (second) => lagging(second >= 3 && second < 10 ? 21 : 0));
    expect(perSecond.slice(4, 10)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(states[0]).toBe('stopped: replication lag 21 s (limit 20 s)');
    expect(perSecond.at(-1)).toBe(100);
  });

  test('also one whose cache is full of what must be written', async () => {
    const dirty = (dirtyFraction: number): MemberLoad => ({ lagSeconds: undefined, dirtyFraction });
    const { perSecond, states } = await run(6, (second) => dirty(second >= 2 ? 0.21 : 0.1));
    expect(perSecond.slice(3)).toEqual([0, 0, 0]);
    expect(states[0]).toBe('stopped: 21 % of the cache dirty (limit 20 %)');
  });

  test('that stays beyond the limit for ten minutes ends the attempt, as one to try again', async () => {
    const { failure } = await run(605, (second) => lagging(second < 3 ? 0 : 31));
    expect(failure).toMatchObject({
      name: 'MemberStateChanged',
      retryable: true,
      message: expect.stringMatching(/^db-3:27017 .* for 10 minutes: replication lag 31 s \(limit 20 s\)/) as string,
    });
  });

  test('that is well again in between is read on for as long as it takes', async () => {
    const { perSecond, failure } = await run(1300, (second) => lagging(second % 300 < 20 ? 0 : 31));
    expect(failure).toBeUndefined();
    expect(perSecond.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(1000);
  });
});

describe('the pressure', () => {
  test('is unknown, and none, where the member can tell nothing', () => {
    expect(pressureOf({ lagSeconds: undefined, dirtyFraction: undefined }, limits).amount).toBe(0);
  });

  test('at the limit is not beyond it: a member with that lag could have been chosen', () => {
    expect(nextShare(1, pressureOf({ ...idle, lagSeconds: 20 }, limits))).toBe(0.5);
    expect(nextShare(1, pressureOf({ ...idle, lagSeconds: 21 }, limits))).toBe(0);
  });

  test('never slows reading down below an eighth without stopping it', () => {
    expect([1, 0.5, 0.25, 0.125, 0].map((share) => nextShare(share, { amount: 0.9, reason: '' }))).toEqual([
      0.5, 0.25, 0.125, 0.125, 0.125,
    ]);
  });
});

describe('the lag', () => {
  const at = (t: number) => ({ optime: { ts: { t } } });

  test('is the difference to the primary in one answer', () => {
    expect(
      lagOf([
        { state: 1, ...at(100) },
        { state: 2, self: true, ...at(69) },
      ]),
    ).toBe(31);
    expect(lagOf([{ state: 1, self: true, ...at(100) }])).toBe(0);
    expect(
      lagOf([
        { state: 1, ...at(100) },
        { state: 2, self: true, ...at(101) },
      ]),
    ).toBe(0);
  });

  test('is unknown without a primary', () => {
    expect(
      lagOf([
        { state: 8, ...at(0) },
        { state: 2, self: true, ...at(69) },
      ]),
    ).toBeUndefined();
  });
});
