import type { MongoClient } from 'mongodb';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { isSameLock, longestLock, type MemberLock, memberLockSchema } from '../domain/member-lock.ts';
import { stateKeys } from '../domain/names.ts';
import type { DeploymentSettings } from '../domain/settings.ts';
import { type LockState, readLockState, unlockMember } from '../engine/source/member-lock.ts';
import { readServerState, type Source } from '../engine/source/member-state.ts';
import type { StepDeps } from './bind.ts';
import { findDocument } from './documents.ts';
import { deploymentOf, readConfig } from './run-folder.ts';

export interface MemberConnection {
  readonly deployment: DeploymentSettings;
  /** `host:port`. */
  readonly host: string;
  readonly runId: string;
  readonly signal?: AbortSignal | undefined;
}

/** Connects to one member directly. @throws SourceUnreachable, AuthenticationFailed, CredentialsUnavailable */
export type OpenMember = (member: MemberConnection) => Promise<MongoClient>;

export interface LockDeps extends StepDeps {
  readonly openMember: OpenMember;
  /**
   * On AWS: who wrote a record down may live on although nobody waits for it any more, and take the lock only now. Embedded
   * it is a process that is known to be gone.
   */
  readonly lockersOutlive?: true;
}

/** `held`: it could not be given back now, or may still come. */
export type Released = 'unlocked' | 'gone' | 'held';

/** What ends the work must not keep a lock from being given back. */
export const unstoppable = (source: Source): Source => ({ ...source, signal: new AbortController().signal });

/**
 * Gives a lock back that is written down, when the server still has it and it is ours; removes the record only when the
 * server has said that it is gone, or is another's.
 * @param by `locker`: who asks would take the lock, and does not any more
 */
export async function releaseLock(
  record: MemberLock,
  asked: Source,
  deps: LockDeps,
  by: 'locker' | 'other' = 'other',
): Promise<Released> {
  const source = unstoppable(asked);
  const key = stateKeys.lock(record.member);
  try {
    const current = await findDocument(deps.state, key, memberLockSchema);
    if (current === undefined || !isSameLock(current, record)) return 'gone';
    const state = await readLockState(source);
    if (current.opid === null && !state.locked) {
      // It may still be granted, or asked for.
      if (state.pending || (by === 'other' && (await mayComeLater(key, deps)))) return 'held';
    }
    const ours = await isOurs(current, state, source);
    if (ours) {
      await unlockMember(source).catch((error: unknown) => {
        // Two of those who give it back may do so at once.
        if (!isHoldfastError(error, 'SnapshotFailed')) throw error;
      });
      deps.logger.warn('a lock was given back after its work', { member: record.member, runId: record.run });
    }
    await deps.state.delete([key]);
    return ours ? 'unlocked' : 'gone';
  } catch (error) {
    deps.logger.error('a lock could not be given back now', { member: record.member, reason: String(error) });
    return 'held';
  }
}

/** By the age of the record, which the storage tells: no two clocks are compared. */
async function mayComeLater(key: string, { state, lockersOutlive }: LockDeps): Promise<boolean> {
  return lockersOutlive === true && ((await state.age(key)) ?? longestLock) < longestLock;
}

/** Seconds of server time: a lock that was taken later than this after its record was not taken by it. */
const takenWithin = longestLock / 1000;

async function isOurs(record: MemberLock, now: LockState, source: Source): Promise<boolean> {
  if (!now.locked) return false;
  const { process, lastApplied } = await readServerState(source);
  if (process !== record.process) return false;
  if (record.opid !== null) return record.opid === now.opid;
  if (record.asked === undefined) return false;
  // The process died between its command and the answer of the server. A locked member applies nothing: where it stands
  // still is when it was locked.
  return record.seen === null || lastApplied === null || lastApplied.ts.t - record.seen.ts.t <= takenWithin;
}

/** A member that could not be reached for a day was restarted, or is gone for good: no lock lasts longer than its server. */
const memberGone = 24 * 60 * 60 * 1000;

async function openOrGiveUp(
  member: MemberConnection,
  record: MemberLock,
  deps: LockDeps,
): Promise<MongoClient | undefined> {
  try {
    return await deps.openMember(member);
  } catch (error) {
    const age = deps.clock.now().getTime() - Date.parse(record.at);
    if (!isHoldfastError(error, 'SourceUnreachable') || age < memberGone) throw error;
    deps.logger.error('the lock of a member that is gone is looked for no more', { ...record });
    await deps.state.delete([stateKeys.lock(record.member)]);
    return undefined;
  }
}

/** What is written down of locks. */
export async function listLocks({ state }: Pick<StepDeps, 'state'>): Promise<MemberLock[]> {
  const keys: string[] = [];
  for await (const { key } of state.list(stateKeys.locks())) keys.push(key);
  const found: MemberLock[] = [];
  for (const key of keys) {
    const record = await findDocument(state, key, memberLockSchema);
    if (record !== undefined) found.push(record);
  }
  return found;
}

/**
 * Connects to the member of a record, and gives its lock back.
 * @throws SourceUnreachable when it could not be given back; AuthenticationFailed, CredentialsUnavailable
 */
export async function releaseRecorded(record: MemberLock, deps: LockDeps): Promise<Exclude<Released, 'held'>> {
  const { run: runId, member: host } = record;
  const deployment = deploymentOf(await readConfig(deps.state, runId), record.deployment);
  const client = await openOrGiveUp({ deployment, host, runId }, record, deps);
  if (client === undefined) return 'gone';
  try {
    const source = { client, member: host, signal: new AbortController().signal };
    const released = await releaseLock(record, source, deps);
    if (released !== 'held') return released;
    throw new HoldfastError('SourceUnreachable', `The lock of run ${runId} on ${host} could not be given back.`);
  } finally {
    await client.close();
  }
}

/**
 * Ensure Unlocked: gives back every lock that a run has left. To be called when nobody works for the run any more, or from
 * a watchdog. One that can't be given back keeps no other from it.
 * @param member `host:port`; all of the run's when left out
 * @returns the members that were unlocked
 * @throws SourceUnreachable when a lock could not be given back
 */
export async function ensureUnlocked(runId: string, deps: LockDeps, member?: string): Promise<string[]> {
  const unlocked: string[] = [];
  const failures: unknown[] = [];
  for (const record of await listLocks(deps)) {
    if (record.run !== runId || (member !== undefined && record.member !== member)) continue;
    try {
      if ((await releaseRecorded(record, deps)) === 'unlocked') unlocked.push(record.member);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return unlocked;
}
