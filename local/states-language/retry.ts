import type { StateFailure } from './failures.ts';
import type { Catcher, Retrier } from './state-machine.ts';

/**
 * Whether ErrorEquals names the error (Step Functions developer guide, "Handling errors"): States.Runtime always ends the
 * execution; States.ALL and States.TaskFailed do not cover States.DataLimitExceeded; States.TaskFailed covers every error
 * but timeouts; States.Timeout covers a lost heartbeat too.
 */
export function matchesError(errorEquals: readonly string[], error: string): boolean {
  if (error === 'States.Runtime') return false;
  if (errorEquals.includes(error)) return true;
  if (error === 'States.DataLimitExceeded') return false;
  if (errorEquals.includes('States.ALL')) return true;
  if (error === 'States.HeartbeatTimeout') return errorEquals.includes('States.Timeout');
  return error !== 'States.Timeout' && errorEquals.includes('States.TaskFailed');
}

export function findCatcher(catchers: readonly Catcher[] | undefined, failure: StateFailure): Catcher | undefined {
  return catchers?.find((catcher) => matchesError(catcher.ErrorEquals, failure.error));
}

/**
 * Seconds before the `retry`-th retry (from 1): IntervalSeconds × BackoffRate^(retry − 1), at most MaxDelaySeconds; with
 * JitterStrategy FULL a random part of that. Defaults: 1 second, rate 2. `random` is in [0, 1).
 */
export function backoffSeconds(retrier: Retrier, retry: number, random: () => number): number {
  const grown = (retrier.IntervalSeconds ?? 1) * (retrier.BackoffRate ?? 2) ** (retry - 1);
  const delay = Math.min(grown, retrier.MaxDelaySeconds ?? Infinity, 31_622_400);
  return retrier.JitterStrategy === 'FULL' ? random() * delay : delay;
}

/** Decides about retries of one visit of a state; every retrier counts for itself. */
export class RetryCounters {
  readonly #retriers: readonly Retrier[];
  readonly #used: number[];
  readonly #random: () => number;

  constructor(retriers: readonly Retrier[] | undefined, random: () => number) {
    this.#retriers = retriers ?? [];
    this.#used = this.#retriers.map(() => 0);
    this.#random = random;
  }

  /** Seconds to wait before the next attempt; undefined when there is none: no retrier matches or the first that does is used up. */
  next(failure: StateFailure): number | undefined {
    const index = this.#retriers.findIndex((retrier) => matchesError(retrier.ErrorEquals, failure.error));
    const retrier = this.#retriers[index];
    if (!retrier) return undefined;
    const retry = (this.#used[index] ?? 0) + 1;
    if (retry > (retrier.MaxAttempts ?? 3)) return undefined;
    this.#used[index] = retry;
    return backoffSeconds(retrier, retry, this.#random);
  }
}
