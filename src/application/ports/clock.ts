/** Wall clock and waiting, replaceable in tests. Ordering never rests on it (server times do). */
export interface Clock {
  now(): Date;
  /** Rejects with the signal's reason when aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}
