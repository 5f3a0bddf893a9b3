import { describe, expect, it } from 'vitest';
import { mapParallel, runParallel } from '../../../src/engine/restore/run-parallel.ts';

describe('work on many items at once', () => {
  it('does every item, never more than so many at a time, started in order', async () => {
    const started: number[] = [];
    let running = 0;
    let most = 0;
    await runParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      started.push(item);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    });
    expect(started).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  it('throws the first failure when what runs has ended, and starts nothing more', async () => {
    const first = new Error('first');
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    const done: number[] = [];
    const all = runParallel([1, 2, 3, 4], 2, async (item) => {
      if (item === 1) throw first;
      await slow;
      done.push(item);
      if (item === 2) throw new Error('second');
    });
    const settled = all.catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual([]);
    release();
    expect(await settled).toBe(first);
    expect(done).toEqual([2]);
  });

  it('works with no items, and with less than one lane asked for', async () => {
    await runParallel([], 4, () => Promise.reject(new Error('never')));
    const done: number[] = [];
    await runParallel([1, 2], 0, (item) => Promise.resolve(void done.push(item)));
    expect(done).toEqual([1, 2]);
  });
});

it('gives what was made of each item in their order, whoever is done first', async () => {
  const first = Promise.withResolvers<string>();
  const made = mapParallel(['a', 'b'], 2, (item) => {
    if (item === 'a') return first.promise;
    first.resolve('A');
    return Promise.resolve('B');
  });
  expect(await made).toEqual(['A', 'B']);
});
