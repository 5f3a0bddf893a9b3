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
}

/** Why a worker stops before its work is done, and whether anybody still waits for its answer. */
export interface StopReason {
  readonly error: HoldfastError;
  readonly answer: boolean;
}

export interface TaskWatch {
  /** Aborted with the error of {@link stopReason}. */
  readonly signal: AbortSignal;
  readonly stopReason: StopReason | undefined;
  stop(reason: StopReason): void;
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
} as const satisfies Record<string, () => StopReason>;

/** Beats while the work runs, and watches for reasons to stop it. */
export function watchTask(options: WatchOptions): TaskWatch {
  const abort = new AbortController();
  const closed = new AbortController();
  let stopReason: StopReason | undefined;
  const stop = (reason: StopReason): void => {
    stopReason ??= reason;
    abort.abort(stopReason.error);
  };
  void repeat(options, options.heartbeatInterval ?? 30_000, closed.signal, async () => {
    if (!(await options.callbacks.heartbeat(options.taskToken))) stop(stopReasons.unwanted());
  });
  void repeat(options, options.cancelPollInterval ?? 1_000, closed.signal, async () => {
    if (await options.isCancelRequested()) stop(stopReasons.cancelled());
  });
  return {
    signal: abort.signal,
    get stopReason() {
      return stopReason;
    },
    stop,
    close: () => {
      closed.abort();
    },
  };
}

/** A beat or a look that fails is tried again at its next time: the workflow's own limit decides when it was too many. */
async function repeat(
  { clock, logger }: WatchOptions,
  interval: number,
  closed: AbortSignal,
  work: () => Promise<void>,
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
