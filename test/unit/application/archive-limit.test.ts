import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withinLimit } from '../../../src/application/archive-limit.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

describe('a turn', () => {
  const forever = () => new Promise<never>(() => undefined);

  it.each([
    [40, 48_000],
    [1, 38_000],
  ])('of %i s that hangs gives up after %i ms, and ends what can be ended', async (seconds, ms) => {
    let inner: AbortSignal | undefined;
    const ended = withinLimit(seconds, undefined, (signal) => {
      inner = signal;
      return forever();
    }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(inner?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await ended).toMatchObject({ name: 'StepTimedOut' });
    expect(inner?.reason).toMatchObject({ name: 'StepTimedOut' });
  });

  it('that is done in time leaves nothing behind, and one that is ended says why', async () => {
    expect(await withinLimit(40, undefined, () => Promise.resolve(7))).toBe(7);
    const stop = new AbortController();
    const ended = withinLimit(40, stop.signal, async (signal) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      throw signal.reason as Error;
    }).catch((error: unknown) => error);
    stop.abort(new TypeError('ended'));
    expect(await ended).toMatchObject({ message: 'ended' });
    expect(vi.getTimerCount()).toBe(0);
  });
});
