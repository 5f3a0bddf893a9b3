import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../application/ports/clock.ts';

/** Node's timers take at most 2^31 - 1 ms and fire at once beyond. */
const longestTimer = 2 ** 31 - 1;

/** The machine's clock. */
export class SystemClock implements Clock {
  now(): Date {
    return new Date();
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    try {
      for (let left = milliseconds; left > 0; left -= longestTimer) {
        await delay(Math.min(left, longestTimer), undefined, { signal });
      }
      signal?.throwIfAborted();
    } catch (error) {
      // Node rejects with an AbortError of its own; the port promises the signal's reason.
      signal?.throwIfAborted();
      throw error;
    }
  }
}
