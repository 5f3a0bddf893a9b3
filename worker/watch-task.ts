import { HoldfastError } from '../src/domain/errors.ts';
import type { Clock } from '../src/application/ports/clock.ts';
import type { Logger } from '../src/application/ports/logger.ts';
import type { TaskCallbacks } from '../src/application/ports/task-callbacks.ts';

export interface WatchOptions {
  readonly taskToken: string;
  readonly callbacks: Pick<TaskCallbacks, 'heartbeat'>;
  /** Whether somebody asked the run to stop. */
  readonly isCancelRequested: () => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds; the state's HeartbeatSeconds allow for ten that get lost. */
  readonly heartbeatInterval?: number;
  readonly cancelPollInterval?: number;
  /** Milliseconds for which work that is under way may do nothing; left out for work that may wait for ever (a target builds its indexes). */
  readonly longestStandstill?: number | undefined;
}

/** Milliseconds that work which was told to stop is waited for: for what it has to give back. */
const stopPatience = 120_000;
const standstillLook = 60_000;

/** Why a worker stops before its work is done, and whether anybody still waits for its answer. */
export interface StopReason {
  readonly error: HoldfastError;
  readonly answer: boolean;
}

export interface TaskWatch {
  /** Aborted with the error of {@link stopReason}. */
  readonly signal: AbortSignal;
  readonly stopReason: StopReason | undefined;
  /** Rejects with the error of {@link stopReason} when the work was told to stop and, two minutes later, still has not. */
  readonly overdue: Promise<never>;
  stop(reason: StopReason): void;
  /** Takes what the work has done so far: for as long as that is the same, it stands still. */
  reached(done: object): void;
  /** Ends the heartbeats and the polling. */
  close(): void;
}

/** What ends a worker from outside: the host (SIGTERM), the workflow (refused heartbeat, lost channel), the user (cancel). */
export const stopReasons = {
  terminated: () => ({
    error: new HoldfastError('WorkerLost', 'the worker was told to end by its host'),
    answer: true,
  }),
  unwanted: () => ({
    error: new HoldfastError('WorkerLost', 'the workflow waits for the worker no more'),
    answer: false,
  }),
  cancelled: () => ({ error: new HoldfastError('Cancelled', 'the run was asked to stop'), answer: true }),
  standsStill: (minutes: number, reached: string) => ({
    error: new HoldfastError(
      'WorkerFailed',
      `the worker stood still for ${minutes} minutes, though nothing that it waited for had failed; it had come to ${reached}`,
    ),
    answer: true,
  }),
} as const satisfies Record<string, (...facts: never[]) => StopReason>;

/** Beats while the work runs, and watches for reasons to stop it. */
export function watchTask(options: WatchOptions): TaskWatch {
  const abort = new AbortController();
  const closed = new AbortController();
  const overdue = Promise.withResolvers<never>();
  // Nobody may wait for it.
  overdue.promise.catch(() => undefined);
  let stopReason: StopReason | undefined;
  const stop = (reason: StopReason): void => {
    if (stopReason !== undefined) return;
    stopReason = reason;
    abort.abort(reason.error);
    options.clock.sleep(stopPatience, closed.signal).then(
      () => {
        overdue.reject(reason.error);
      },
      () => undefined,
    );
  };
  const movement = new Movement(options.longestStandstill);
  void repeat(options, options.heartbeatInterval ?? 30_000, closed.signal, async () => {
    if (!(await options.callbacks.heartbeat(options.taskToken))) stop(stopReasons.unwanted());
  });
  void repeat(options, options.cancelPollInterval ?? 1_000, closed.signal, async () => {
    if (await options.isCancelRequested()) stop(stopReasons.cancelled());
  });
  void repeat(options, standstillLook, closed.signal, () => {
    const still = movement.look();
    if (still !== undefined) stop(still);
  });
  return {
    signal: abort.signal,
    overdue: overdue.promise,
    reached: (done) => {
      movement.reached(done);
    },
    get stopReason() {
      return stopReason;
    },
    stop,
    close: () => {
      closed.abort();
    },
  };
}

/** What the work has come to. Time is counted in looks: a machine that was suspended has not stood still. */
class Movement {
  readonly #limit: number;
  #reached = 'nothing yet';
  #looks = 0;

  /** @param limit milliseconds */
  constructor(limit = Infinity) {
    this.#limit = limit;
  }

  reached(done: object): void {
    const reached = JSON.stringify(done);
    if (reached === this.#reached) return;
    this.#reached = reached;
    this.#looks = 0;
  }

  /** To be asked once in {@link standstillLook}. */
  look(): StopReason | undefined {
    const still = this.#looks * standstillLook;
    this.#looks += 1;
    return still < this.#limit ? undefined : stopReasons.standsStill(still / 60_000, this.#reached);
  }
}

/** A beat or a look that fails is tried again at its next time: the workflow's own limit decides when it was too many. */
async function repeat(
  { clock, logger }: WatchOptions,
  interval: number,
  closed: AbortSignal,
  work: () => Promise<void> | void,
): Promise<void> {
  while (!closed.aborted) {
    try {
      await work();
    } catch (error) {
      logger.warn('a heartbeat or a look for a cancel request failed', { reason: String(error) });
    }
    try {
      await clock.sleep(interval, closed);
    } catch {
      return;
    }
  }
}
