import { SchedulerLockWatchdog } from '../adapters/aws/scheduler-lock-watchdog.ts';
import { openScheduler } from '../adapters/aws/service-clients.ts';
import type { LockWatchdog } from '../application/ports/lock-watchdog.ts';
import { HoldfastError } from '../domain/errors.ts';
import { composeLogger } from './compose-aws.ts';

/** For the function that locks members: who watches it. */
export function composeLockWatchdog(env: {
  readonly LOCK_SCHEDULE_GROUP: string;
  readonly LOCK_SCHEDULE_ROLE_ARN: string;
  readonly ENSURE_UNLOCKED_ARN: string;
}): { readonly watchdog: LockWatchdog } {
  const { LOCK_SCHEDULE_GROUP: group, LOCK_SCHEDULE_ROLE_ARN: role, ENSURE_UNLOCKED_ARN: target } = env;
  if (group === '' || role === '' || target === '') return { watchdog: { arm: refuse } };
  return { watchdog: new SchedulerLockWatchdog({ client: openScheduler(), ...composeLogger(), group, role, target }) };
}

/** A run that began when a deployment of the stage still had `lock: true`. */
const refuse = () =>
  Promise.reject(
    new HoldfastError('LockRefused', 'No deployment of this stage has lock: true any more, so nobody watches locks.'),
  );
