import { beforeEach, describe, expect, test } from 'vitest';
import { stopReasons, type TaskWatch, watchTask } from '../../../worker/watch-task.ts';
import { noLogger } from '../../support/no-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let beats: string[];
let wanted: boolean;
let broken: boolean;
let cancelled: boolean;

beforeEach(() => {
  clock = new VirtualClock();
  beats = [];
  wanted = true;
  broken = false;
  cancelled = false;
});

const watch = (longestStandstill?: number): TaskWatch =>
  watchTask({
    longestStandstill,
    taskToken: 'token',
    callbacks: {
      heartbeat: (token) => {
        beats.push(token);
        return broken ? Promise.reject(new TypeError('no network')) : Promise.resolve(wanted);
      },
    },
    isCancelRequested: () => Promise.resolve(cancelled),
    clock,
    logger: noLogger,
  });

describe('while a worker works', () => {
  test('it beats every 30 s, with its token, until it is done', async () => {
    const watched = watch();
    await clock.advance(90_000);
    expect(beats).toEqual(Array(4).fill('token'));
    watched.close();
    await clock.advance(90_000);
    expect(beats).toHaveLength(4);
    expect(watched.signal.aborted).toBe(false);
  });

  test('a refused beat stops it at once, and nobody waits for an answer', async () => {
    const watched = watch();
    await clock.advance(1000);
    wanted = false;
    await clock.advance(29_000);
    expect(watched.signal.aborted).toBe(true);
    expect(watched.stopReason).toMatchObject({ answer: false, error: { name: 'WorkerLost' } });
    watched.close();
  });

  test('a beat that fails is no refusal', async () => {
    const watched = watch();
    broken = true;
    await clock.advance(120_000);
    expect(watched.signal.aborted).toBe(false);
    expect(beats.length).toBeGreaterThan(3);
    watched.close();
  });

  test('a cancel is seen within a second and answered as Cancelled', async () => {
    const watched = watch();
    await clock.advance(5500);
    cancelled = true;
    await clock.advance(1000);
    expect(watched.signal.reason).toMatchObject({ name: 'Cancelled' });
    expect(watched.stopReason?.answer).toBe(true);
    watched.close();
  });

  test('the first reason to stop is the one that counts', async () => {
    const watched = watch();
    watched.stop(stopReasons.terminated());
    watched.stop(stopReasons.cancelled());
    await clock.settle();
    expect(watched.stopReason).toMatchObject({ answer: true, error: { name: 'WorkerLost' } });
    watched.close();
  });

  test('work that may not stand still is stopped when it has come no further for an hour, with what it had come to', async () => {
    const watched = watch(3_600_000);
    watched.reached({ rawBytes: 5 });
    await clock.advance(3_000_000);
    watched.reached({ rawBytes: 6 });
    await clock.advance(3_000_000);
    watched.reached({ rawBytes: 6 });
    expect(watched.signal.aborted).toBe(false);
    await clock.advance(660_000);
    expect(watched.stopReason).toMatchObject({ answer: true, error: { name: 'WorkerFailed' } });
    expect(watched.stopReason?.error.message).toMatch(/stood still for 60 minutes.*"rawBytes":6/);
    watched.close();
  });

  test('other work may stand still for ever', async () => {
    const watched = watch();
    await clock.advance(36_000_000);
    expect(watched.signal.aborted).toBe(false);
    watched.close();
  });

  test('work that does not stop is waited for two minutes, and no longer', async () => {
    const watched = watch();
    const overdue = watched.overdue.catch((error: unknown) => error);
    let given = false;
    void overdue.then(() => (given = true));
    watched.stop(stopReasons.cancelled());
    await clock.advance(119_000);
    expect(given).toBe(false);
    await clock.advance(1000);
    expect(await overdue).toMatchObject({ name: 'Cancelled' });
    watched.close();
  });
});
