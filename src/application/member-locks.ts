import type { MongoClient } from 'mongodb';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { longestLock, type MemberLock, memberLockSchema } from '../domain/member-lock.ts';
import { stateKeys } from '../domain/names.ts';
import type { DeploymentSettings } from '../domain/settings.ts';
import { lockMember, type LockState, memberLocked, readLockState, unlockMember } from '../engine/source/member-lock.ts';
import { readServerState, type Source } from '../engine/source/member-state.ts';
import type { StepDeps } from './bind.ts';
import { createDocument, findDocument, writeDocument } from './documents.ts';
import type { LockWatchdog } from './ports/lock-watchdog.ts';
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
}

export interface LockedWork<T> {
  readonly result: T;
  /** How long nobody could write. */
  readonly lockSeconds: number;
}

/**
 * Does something while nobody can write to the member: for {@link longestLock} at most. The lock is written down before it is
 * taken, watched by another process, and given back whatever happens (workflows.md "Snapshot Member").
 * @throws MemberLocked when somebody else has locked it, SnapshotFailed when it was unlocked meanwhile,
 *   VolumeLayoutUnsupported when it took too long (it is not tried again: each try is a lock), and what the work throws
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
  if (!(await createDocument(deps.state, stateKeys.lock(member), record))) throw await lockedByRun(member, deps);
  const watchdog = await deps.watchdog.arm(run).catch(async (error: unknown) => {
    await deps.state.delete([stateKeys.lock(member)]);
    throw error;
  });
  try {
    return await lockAndWork(record, source, deps, work);
  } finally {
    // What could not be given back here is the watchdog's: it stays armed while the record is there.
    if (await releaseLock(record, source, deps)) await watchdog.disarm();
  }
}

/** What an earlier try of the same run could not give back: its member was killed, or away. No two tries run at a time. */
async function releaseEarlier(runId: string, source: Source, deps: LockDeps): Promise<void> {
  const record = await findDocument(deps.state, stateKeys.lock(source.member), memberLockSchema);
  if (record?.run === runId) await releaseLock(record, source, deps);
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
    await writeDocument(deps.state, stateKeys.lock(source.member), { ...record, opid });
    const result = await work(signal);
    await unlockMember(unstoppable(source));
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
        next: 'Put stateDir on the file system of the data where it can reflink (XFS, Btrfs), or ask for the method logical.',
        cause: error,
      },
    );
  }
}

/** What ends the work must not keep a lock from being given back. */
const unstoppable = (source: Source): Source => ({ ...source, signal: new AbortController().signal });

async function lockedByRun(member: string, { state }: LockDeps): Promise<HoldfastError> {
  const record = await findDocument(state, stateKeys.lock(member), memberLockSchema);
  const who = record === undefined ? 'another run' : `run ${record.run} since ${record.at}`;
  return new HoldfastError('MemberLocked', `${member} is, or was, locked by ${who}.`, {
    next: 'Start again once that run is over: its lock is given back then.',
  });
}

/**
 * Gives a lock back that is written down, when the server still has it and it is ours; removes the record only when the
 * server has said that it is gone, or is another's. @returns whether nothing is left to do
 */
async function releaseLock(record: MemberLock, asked: Source, deps: LockDeps): Promise<boolean> {
  const source = unstoppable(asked);
  try {
    const current = await findDocument(deps.state, stateKeys.lock(record.member), memberLockSchema);
    if (current?.run !== record.run) return true;
    const state = await readLockState(source);
    // It may still be granted.
    if (current.opid === null && state.pending && !state.locked) return false;
    if (await isOurs(current, state, source)) {
      await unlockMember(source).catch((error: unknown) => {
        // Two of those who give it back may do so at once.
        if (!isHoldfastError(error, 'SnapshotFailed')) throw error;
      });
      deps.logger.warn('a lock was given back after its work', { member: record.member, runId: record.run });
    }
    await deps.state.delete([stateKeys.lock(record.member)]);
    return true;
  } catch (error) {
    deps.logger.error('a lock could not be given back now', { member: record.member, reason: String(error) });
    return false;
  }
}

/** Seconds of server time: a lock that was taken later than this after its record was not taken by it. */
const takenWithin = longestLock / 1000;

async function isOurs(record: MemberLock, now: LockState, source: Source): Promise<boolean> {
  if (!now.locked) return false;
  const { process, lastApplied } = await readServerState(source);
  if (process !== record.process) return false;
  if (record.opid !== null) return record.opid === now.opid;
  // The process died between its record and the answer of the server. A locked member applies nothing: where it stands
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

/**
 * Ensure Unlocked: gives back every lock that a run has left. To be called when nobody works for the run any more, or from
 * a watchdog. @throws SourceUnreachable when a lock could not be given back
 */
export async function ensureUnlocked(runId: string, deps: LockDeps): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of deps.state.list(stateKeys.locks())) keys.push(key);
  for (const key of keys) {
    const record = await findDocument(deps.state, key, memberLockSchema);
    if (record?.run !== runId) continue;
    const deployment = deploymentOf(await readConfig(deps.state, runId), record.deployment);
    const client = await openOrGiveUp({ deployment, host: record.member, runId }, record, deps);
    if (client === undefined) continue;
    try {
      const source = { client, member: record.member, signal: new AbortController().signal };
      if (!(await releaseLock(record, source, deps)))
        throw new HoldfastError(
          'SourceUnreachable',
          `The lock of run ${runId} on ${record.member} could not be given back.`,
        );
    } finally {
      await client.close();
    }
  }
}
