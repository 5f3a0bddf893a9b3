import { setImmediate as turn } from 'node:timers/promises';

import type { Clock } from '../../src/application/ports/clock.ts';

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** Turns of the event loop without a new sleeper after which nothing but time is being waited for. */
const idleTurns = 5;

/**
 * A clock that moves only when told, or by itself to the next sleeper when everything is idle (`autoAdvance`). Idle means:
 * some turns of the event loop have passed in which nobody went to sleep or woke; work that waits for the real world
 * (files, processes, sockets) does not count, so wrap it in {@link during}.
 */
export class VirtualClock implements Clock {
  readonly #autoAdvance: boolean;
  readonly #sleepers = new Set<Sleeper>();
  #now: number;
  #busy = 0;
  #changes = 0;
  #watching = false;

  constructor(options: { readonly start?: Date; readonly autoAdvance?: boolean } = {}) {
    this.#now = (options.start ?? new Date('2026-01-01T00:00:00Z')).getTime();
    this.#autoAdvance = options.autoAdvance ?? false;
  }

  now(): Date {
    return new Date(this.#now);
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (milliseconds >= 2 ** 31) throw new RangeError(`A timer cannot wait ${milliseconds} ms.`);
      const refuse = () => {
        this.#remove(sleeper);
        reject(signal?.reason as Error);
      };
      const sleeper: Sleeper = {
        due: this.#now + Math.max(0, milliseconds),
        wake: () => {
          signal?.removeEventListener('abort', refuse);
          this.#remove(sleeper);
          resolve();
        },
      };
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', refuse, { once: true });
      this.#sleepers.add(sleeper);
      this.#changes += 1;
      if (this.#autoAdvance && !this.#watching) void this.#advanceWhenIdle();
    });
  }

  /** Milliseconds until each sleeper wakes, soonest first. */
  get pending(): readonly number[] {
    return [...this.#sleepers].map(({ due }) => due - this.#now).sort((left, right) => left - right);
  }

  /** Moves the time, waking sleepers in the order of their times, and lets what they started run until it is idle. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await this.settle();
    for (let next = this.#next(); next && next.due <= end; next = this.#next()) {
      this.#wake(next);
      await this.settle();
    }
    this.#now = end;
  }

  /** Waits until nothing but time is being waited for. */
  async settle(): Promise<void> {
    for (let idle = 0, seen = this.#changes; idle < idleTurns; idle += 1) {
      await turn();
      if (this.#busy > 0 || seen !== this.#changes) idle = -1;
      seen = this.#changes;
    }
  }

  /** The time does not move by itself while `work` runs. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await work;
    } finally {
      this.#busy -= 1;
    }
  }

  async #advanceWhenIdle(): Promise<void> {
    this.#watching = true;
    await this.settle();
    for (let next = this.#next(); next; next = this.#next()) {
      this.#wake(next);
      await this.settle();
    }
    this.#watching = false;
  }

  #next(): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (!next || sleeper.due < next.due) next = sleeper;
    return next;
  }

  #wake(sleeper: Sleeper): void {
    this.#now = Math.max(this.#now, sleeper.due);
    sleeper.wake();
  }

  #remove(sleeper: Sleeper): void {
    if (this.#sleepers.delete(sleeper)) this.#changes += 1;
  }
}
