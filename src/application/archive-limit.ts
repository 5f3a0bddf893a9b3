import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../domain/errors.ts';

/** A turn of any length may have to write one slice, and must end before its function is ended (55 s for turns of 40 s). */
const leastSeconds = 30;
const beyondSeconds = 8;

/**
 * Waits for what a turn does at its end, perhaps because its storage fails: no longer than it has time for.
 * @param ending that never rejects
 */
export async function atMost(ms: number, ending: Promise<void>): Promise<void> {
  const stop = new AbortController();
  await Promise.race([ending, delay(ms, undefined, { signal: stop.signal }).catch(() => undefined)]);
  stop.abort();
}

/**
 * A turn that hangs in its storage or at a member gives up by itself, while there is time to give back its lease: a process
 * that is ended with the lease keeps every archiver out for five minutes. What it waits for goes on unheard: without the
 * lease it writes no further slice, and the one that is under way is the one that may follow.
 * @param seconds how long the turn may read @throws StepTimedOut
 */
export async function withinLimit<T>(
  seconds: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = Math.max(seconds, leastSeconds) + beyondSeconds;
  const stop = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new HoldfastError(
      'StepTimedOut',
      `The turn of the oplog archive was not done after ${limit} s: the storage, or the member, answers too slowly.`,
    );
    stop.abort(error);
    late.reject(error);
  }, limit * 1000);
  const working = work(signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
  // Where the limit comes first.
  working.catch(() => undefined);
  try {
    return await Promise.race([working, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
