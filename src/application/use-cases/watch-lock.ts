import { isHoldfastError } from '../../domain/errors.ts';
import {
  isSameLock,
  lockLeftAfter,
  type MemberLock,
  memberLockSchema,
  type WatchedLock,
} from '../../domain/member-lock.ts';
import { stateKeys } from '../../domain/names.ts';
import { findDocument } from '../documents.ts';
import type { EventPublisher } from '../ports/event-publisher.ts';
import { publishEvent } from '../record-gap.ts';
import { type LockDeps, releaseRecorded } from '../release-locks.ts';

/** Milliseconds between two tries, and after which no other follows: whoever called this calls again, and the sweep looks. */
const tryEvery = 5_000;
const tryFor = 120_000;

/**
 * A watchdog's turn on AWS: gives one lock back whose owner did not. It may be called early, late and twice: a lock that its
 * owner may still hold is waited for, one that is gone, or a later one on the same member, is left alone.
 * @throws SourceUnreachable, AuthenticationFailed, CredentialsUnavailable when it could not be given back
 */
export async function watchLock(
  lock: WatchedLock,
  deps: LockDeps & { readonly events: EventPublisher },
  signal?: AbortSignal,
): Promise<{ readonly unlocked: boolean }> {
  const record = await leftLock(lock, deps, signal);
  if (record === undefined) return { unlocked: false };
  const { member, run: runId, deployment, at: lockedAt } = record;
  deps.logger.warn('a lock was not given back in its time', { member, runId });
  if ((await releaseWithPatience(record, deps, signal)) !== 'unlocked') return { unlocked: false };
  await publishEvent({ detailType: 'Forgotten Lock Released', detail: { deployment, member, runId, lockedAt } }, deps);
  return { unlocked: true };
}

/** The record of the lock, once its owner can't rightly hold it any more; undefined when it is gone. */
async function leftLock(
  lock: WatchedLock,
  { state, clock }: LockDeps,
  signal: AbortSignal | undefined,
): Promise<MemberLock | undefined> {
  const key = stateKeys.lock(lock.member);
  for (;;) {
    const record = await findDocument(state, key, memberLockSchema);
    if (record === undefined || !isSameLock(record, lock)) return undefined;
    const age = (await state.age(key)) ?? lockLeftAfter;
    if (age >= lockLeftAfter) return record;
    await clock.sleep(lockLeftAfter - age, signal);
  }
}

async function releaseWithPatience(record: MemberLock, deps: LockDeps, signal: AbortSignal | undefined) {
  const until = performance.now() + tryFor;
  for (;;) {
    try {
      return await releaseRecorded(record, deps);
    } catch (error) {
      if (!isHoldfastError(error, 'SourceUnreachable') || performance.now() >= until) throw error;
    }
    await deps.clock.sleep(tryEvery, signal);
  }
}
