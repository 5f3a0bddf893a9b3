import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inOrder } from '../../../src/engine/packs/in-order.ts';

describe('inOrder', () => {
  it('hands results out in the order of the items, with as many under way as it may', async () => {
    let [running, most] = [0, 0];
    const work = async (item: number): Promise<number> => {
      most = Math.max(most, (running += 1));
      for (let waited = 0; waited < (item * 7) % 5; waited++) await turn();
      running -= 1;
      return item * 10;
    };
    const items = [...Array(50).keys()];
    const found: number[] = [];
    for await (const result of inOrder(items, 4, work)) found.push(result);
    expect(found).toEqual(items.map((item) => item * 10));
    expect(most).toBe(4);
  });

  it('throws a failure in its turn, and leaves nothing under way', async () => {
    let ended = 0;
    const work = async (item: number): Promise<number> => {
      if (item === 2) throw new Error('two');
      await turn();
      ended += 1;
      return item;
    };
    const found: number[] = [];
    const walk = async (): Promise<void> => {
      for await (const result of inOrder([0, 1, 2, 3, 4, 5], 4, work)) found.push(result);
    };
    await expect(walk()).rejects.toThrow('two');
    expect(found).toEqual([0, 1]);
    expect(ended).toBeGreaterThanOrEqual(4);
  });
});
