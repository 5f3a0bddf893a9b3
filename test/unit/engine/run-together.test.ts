import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { runTogether } from '../../../src/engine/dump/run-together.ts';

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new HoldfastError('Internal', 'ended by the abort'));
    });
  });
const failure = new HoldfastError('StorageFull', 'no room');
const { signal: never } = new AbortController();

describe('runTogether', () => {
  it('throws the first failure, and only when every task has ended', async () => {
    let ended = false;
    const slow = async (signal: AbortSignal): Promise<void> => {
      await untilAborted(signal).catch(() => undefined);
      for (let n = 0; n < 20; n++) await turn();
      ended = true;
    };
    await expect(runTogether(never, [slow, () => Promise.reject(failure), untilAborted])).rejects.toBe(failure);
    expect(ended).toBe(true);
  });

  it('lets a task fail from the side', async () => {
    const side = (signal: AbortSignal, fail: (error: unknown) => void): Promise<void> => {
      void turn().then(() => {
        fail(failure);
      });
      return untilAborted(signal);
    };
    await expect(runTogether(never, [side])).rejects.toBe(failure);
  });

  it('throws the reason of an abort from outside, not what the tasks make of it', async () => {
    const outer = new AbortController();
    const reason = new HoldfastError('Cancelled', 'stop');
    const running = runTogether(outer.signal, [untilAborted, untilAborted]);
    outer.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  it('resolves when all tasks do', async () => {
    await expect(runTogether(never, [() => Promise.resolve(), () => Promise.resolve()])).resolves.toBeUndefined();
  });
});
