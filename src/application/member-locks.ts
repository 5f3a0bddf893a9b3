import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { isSameLock, lockSentWithin, longestLock, type MemberLock, memberLockSchema } from '../domain/member-lock.ts';
import { stateKeys } from '../domain/names.ts';
import { lockMember, memberLocked, readLockState, unlockMember } from '../engine/source/member-lock.ts';
import { readServerState, type Source } from '../engine/source/member-state.ts';
import { createDocument, findDocument, findStored, writeDocument } from './documents.ts';
import type { LockWatchdog } from './ports/lock-watchdog.ts';
import { type LockDeps, releaseLock, unstoppable } from './release-locks.ts';

export interface LockedWork<T> {
  readonly result: T;
  /** How long nobody could write. */
  readonly lockSeconds: number;
}

/**
 * Does something while nobody can write to the member: for {@link longestLock} at most. The lock is written down before it is
 * taken, watched by another process, and given back whatever happens (workflows.md "Snapshot Member").
 * @throws MemberLocked when somebody else has locked it, SnapshotFailed when it was unlocked meanwhile,
 *   VolumeLayoutUnsupported when it took too long (it is not tried again: each try is a lock), SourceUnreachable when
 *   it could not be locked soon enough, and what the watchdog and the work throw
 */
export async function withMemberLocked<T>(
  owner: { readonly runId: string; readonly deployment: string },
  source: Source,
  deps: LockDeps & { readonly watchdog: LockWatchdog },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<LockedWork<T>> {
  const { member } = source;
  await releaseEarlier(owner.runId, source, deps);
  if ((await readLockState(source)).locked) throw memberLocked(member);
  const { process, lastApplied } = await readServerState(source);
  const at = deps.clock.now().toISOString();
  const { runId: run, deployment } = owner;
  const record: MemberLock = { schemaVersion: 1, run, deployment, member, process, seen: lastApplied, opid: null, at };
  const recorded = performance.now();
  if (!(await createDocument(deps.state, stateKeys.lock(member), record))) throw await lockedByRun(member, deps);
  const watchdog = await deps.watchdog.arm({ run, member, at }).catch(async (error: unknown) => {
    await deps.state.delete([stateKeys.lock(member)]);
    throw error;
  });
  try {
    const asked = await noteAsked(record, deps);
    if (performance.now() - recorded > lockSentWithin) throw tooLate(member);
    return await lockAndWork(asked, source, deps, work);
  } finally {
    // What could not be given back here is the watchdog's: it stays armed while the record is there.
    if ((await releaseLock(record, source, deps, 'locker')) !== 'held') await watchdog.disarm();
  }
}

/** What an earlier try of the same run could not give back: its member was killed, or away; or it was itself. */
async function releaseEarlier(runId: string, source: Source, deps: LockDeps): Promise<void> {
  const record = await findDocument(deps.state, stateKeys.lock(source.member), memberLockSchema);
  if (record?.run !== runId || (await releaseLock(record, source, deps)) !== 'held') return;
  throw new HoldfastError(
    'SourceUnreachable',
    `An earlier try of this run has, or may still take, a lock on ${source.member}: it is not locked again before that is clear.`,
  );
}

async function lockAndWork<T>(
  record: MemberLock,
  source: Source,
  deps: LockDeps,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<LockedWork<T>> {
  const signal = AbortSignal.any([source.signal, AbortSignal.timeout(longestLock)]);
  const began = performance.now();
  try {
    // Its answer is awaited, whatever happens: a lock that nobody waits for any more would come all the same.
    await lockMember(unstoppable(source));
    const { opid } = await readLockState({ ...source, signal });
    await noteLocked({ ...record, opid }, source, deps);
    const result = await work(signal);
    await unlockOurs(opid, unstoppable(source));
    // At once: a lock that somebody else has put on top of ours is not to be given back by anybody here.
    await deps.state.delete([stateKeys.lock(source.member)]);
    return { result, lockSeconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (isHoldfastError(error, 'MemberLocked')) await deps.state.delete([stateKeys.lock(source.member)]);
    if (!signal.aborted || source.signal.aborted) throw error;
    throw new HoldfastError(
      'VolumeLayoutUnsupported',
      `${source.member} was not snapshotted within ${longestLock / 1000} s: it is not locked for longer.`,
      {
        next: 'On one machine put stateDir on the file system of the data where it can reflink (XFS, Btrfs). On AWS leave lock out: EBS needs none. Or ask for the method logical.',
        cause: error,
      },
    );
  }
}

/** Writes down that the lock is asked for now. @throws SnapshotFailed when whoever ended the run has struck the record out */
async function noteAsked(record: MemberLock, { state }: LockDeps): Promise<MemberLock> {
  const asked: MemberLock = { ...record, asked: true };
  if (await replaceRecord(asked, state)) return asked;
  throw new HoldfastError('SnapshotFailed', `The run was ended before ${record.member} was locked.`);
}

/** @returns whether the record was still there: another one is left as it is */
async function replaceRecord(record: MemberLock, state: LockDeps['state']): Promise<boolean> {
  const key = stateKeys.lock(record.member);
  const stored = await findStored(state, key, memberLockSchema);
  if (stored === undefined || !isSameLock(stored.value, record)) return false;
  try {
    await writeDocument(state, key, record, { ifMatch: stored.etag });
    return true;
  } catch (error) {
    if (!isHoldfastError(error, 'PreconditionFailed', 'ObjectNotFound')) throw error;
    return false;
  }
}

/**
 * Writes down which lock it is. Whoever ended the run meanwhile may have taken the record for one whose lock never came.
 * Then it is written again, so that the lock is found whatever happens, and the lock is given up.
 * @throws SnapshotFailed
 */
async function noteLocked(record: MemberLock, source: Source, { state }: LockDeps): Promise<void> {
  if (await replaceRecord(record, state)) return;
  if (!(await createDocument(state, stateKeys.lock(record.member), record)))
    await unlockOurs(record.opid, unstoppable(source));
  throw new HoldfastError('SnapshotFailed', `The run was ended while ${record.member} was being locked.`);
}

/** Gives back the lock that was taken here, and none that somebody has taken since. @throws SnapshotFailed when it is gone */
async function unlockOurs(opid: MemberLock['opid'], source: Source): Promise<void> {
  const now = await readLockState(source);
  if (opid !== null && now.locked && now.opid !== opid)
    throw new HoldfastError(
      'SnapshotFailed',
      `${source.member} was unlocked, and locked again, by somebody else while it was copied: what was copied is of no use.`,
    );
  await unlockMember(source);
}

function tooLate(member: string): HoldfastError {
  return new HoldfastError(
    'SourceUnreachable',
    `${member} could not be locked within ${lockSentWithin / 1000} s after that was written down: it is not locked.`,
  );
}

async function lockedByRun(member: string, { state }: LockDeps): Promise<HoldfastError> {
  const record = await findDocument(state, stateKeys.lock(member), memberLockSchema);
  const who = record === undefined ? 'another run' : `run ${record.run} since ${record.at}`;
  return new HoldfastError('MemberLocked', `${member} is, or was, locked by ${who}.`, {
    next: 'Start again once that run is over: its lock is given back then.',
  });
}
