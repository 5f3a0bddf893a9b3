import { setTimeout as realSleep } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { VirtualClock } from '../support/virtual-clock.ts';

describe('the virtual clock', () => {
  it('wakes sleepers in the order of their times, each at its own time', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    const start = clock.now().getTime();
    const woken: number[] = [];
    const sleep = async (milliseconds: number) => {
      await clock.sleep(milliseconds);
      woken.push(clock.now().getTime() - start);
    };
    await Promise.all([sleep(3_600_000), sleep(5), sleep(1_000)]);
    expect(woken).toEqual([5, 1_000, 3_600_000]);
  });

  it('without autoAdvance moves only when told', async () => {
    const clock = new VirtualClock();
    const start = clock.now().getTime();
    let woken = false;
    void clock.sleep(10).then(() => (woken = true));
    await clock.advance(9);
    expect([woken, clock.now().getTime() - start, clock.pending]).toEqual([false, 9, [1]]);
    await clock.advance(1);
    expect([woken, clock.pending]).toEqual([true, []]);
  });

  it('advance wakes those who go to sleep on the way', async () => {
    const clock = new VirtualClock();
    let naps = 0;
    const nap = async () => {
      for (; naps < 3; naps += 1) await clock.sleep(10);
    };
    const napping = nap();
    await clock.advance(30);
    await napping;
    expect(naps).toBe(3);
  });

  it('rejects with the reason of the signal, and forgets the sleeper', async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(10, controller.signal);
    controller.abort(new RangeError('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    await expect(clock.sleep(10, controller.signal)).rejects.toThrow('enough');
    expect(clock.pending).toEqual([]);
  });

  it('stands still while real work is under way', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    const order: string[] = [];
    const work = clock.during(realSleep(30)).then(() => order.push('work'));
    await Promise.all([work, clock.sleep(1).then(() => order.push('slept'))]);
    expect(order).toEqual(['work', 'slept']);
  });

  it('refuses what a timer of Node cannot wait', async () => {
    await expect(new VirtualClock().sleep(2 ** 31)).rejects.toThrow(RangeError);
  });
});
