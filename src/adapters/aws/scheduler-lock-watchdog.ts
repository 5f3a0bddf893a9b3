import { createHash } from 'node:crypto';
import { CreateScheduleCommand, DeleteScheduleCommand, type SchedulerClient } from '@aws-sdk/client-scheduler';
import type { Clock } from '../../application/ports/clock.ts';
import type { ArmedWatchdog, LockWatchdog } from '../../application/ports/lock-watchdog.ts';
import type { Logger } from '../../application/ports/logger.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { longestLock, type WatchedLock } from '../../domain/member-lock.ts';
import { hasName } from './service-errors.ts';

export interface SchedulerLockWatchdogOptions {
  readonly client: SchedulerClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The group that the stage's schedules of this kind are in. */
  readonly group: string;
  /** ARN of the function that gives locks back, and of the role that may call it. */
  readonly target: string;
  readonly role: string;
}

/** Milliseconds that a call may take, its tries included: a lock is not worth waiting for longer. */
const callLimit = 10_000;
/** How long the scheduler tries to hand its call to Lambda: the sweep has looked several times by then. */
const triedFor = { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 185 };
const denied = ['AccessDeniedException', 'AccessDenied'];

/**
 * Watches a lock from outside of the function that takes it: a one-time schedule of EventBridge Scheduler calls another
 * function when the longest lock is over. Its precision is a minute ("between 1:00:00 and 1:00:59", Scheduler's user guide):
 * the call comes 60 to 120 s after the schedule was made. A schedule that has called is deleted by the service.
 */
export class SchedulerLockWatchdog implements LockWatchdog {
  readonly #options: SchedulerLockWatchdogOptions;

  constructor(options: SchedulerLockWatchdogOptions) {
    this.#options = options;
  }

  async arm(lock: WatchedLock): Promise<ArmedWatchdog> {
    const { client, clock, group, target, role } = this.#options;
    const name = scheduleName(lock);
    const command = new CreateScheduleCommand({
      ...{ Name: name, GroupName: group, ClientToken: name },
      Description: `Holdfast: gives back the lock of ${lock.run} on ${lock.member}`.slice(0, 512),
      ScheduleExpression: `at(${wholeSecond(clock.now().getTime() + longestLock)})`,
      ScheduleExpressionTimezone: 'UTC',
      FlexibleTimeWindow: { Mode: 'OFF' },
      ActionAfterCompletion: 'DELETE',
      Target: { Arn: target, RoleArn: role, Input: JSON.stringify({ lock }), RetryPolicy: triedFor },
    });
    try {
      await client.send(command, { abortSignal: AbortSignal.timeout(callLimit) });
    } catch (error) {
      // Its name is that of this lock alone: an answer was lost, and it is there.
      if (!hasName(error, ['ConflictException'])) throw notWatched(lock, error);
    }
    return { disarm: () => this.#disarm(lock) };
  }

  /** One that can't be deleted calls, finds nothing to do, and is deleted by the service. */
  async #disarm(lock: WatchedLock): Promise<void> {
    const { client, group, logger } = this.#options;
    const command = new DeleteScheduleCommand({ Name: scheduleName(lock), GroupName: group });
    try {
      await client.send(command, { abortSignal: AbortSignal.timeout(callLimit) });
    } catch (error) {
      if (hasName(error, ['ResourceNotFoundException'])) return;
      logger.warn('the watchdog of a lock stays, and will find nothing', { ...lock, reason: String(error) });
    }
  }
}

/** At most 64 of `[0-9A-Za-z-_.]`; another lock has another. */
function scheduleName({ run, member, at }: WatchedLock): string {
  return `lock-${createHash('sha256').update([run, member, at].join(' ')).digest('hex').slice(0, 40)}`;
}

/** `yyyy-mm-ddThh:mm:ss`, not earlier than asked for. */
function wholeSecond(time: number): string {
  return new Date(Math.ceil(time / 1000) * 1000).toISOString().slice(0, 19);
}

function notWatched({ member }: WatchedLock, error: unknown): HoldfastError {
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const message = `The watchdog of the lock on ${member} could not be set up, so it is not locked: ${reason}`;
  return new HoldfastError(hasName(error, denied) ? 'PermissionDenied' : 'WorkerLost', message, { cause: error });
}
