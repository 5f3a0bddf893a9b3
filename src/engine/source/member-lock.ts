import type { Document } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import type { MemberLock } from '../../domain/member-lock.ts';
import { memberCommand, type Source } from './member-state.ts';

/** What a server says of its lock: facts of mongod 6.0.5 in reference/mongodb-verified.md §2. */
export interface LockState {
  readonly locked: boolean;
  /** Of the operation that holds it (`fsyncLockWorker`); null when there is none. */
  readonly opid: MemberLock['opid'];
  /** Whether a command to lock is still under way. */
  readonly pending: boolean;
}

/** @throws MissingPrivileges, SourceUnreachable */
export async function readLockState(source: Source): Promise<LockState> {
  const { fsyncLock } = await memberCommand(source, 'admin', { currentOp: 1, active: false, limit: 1 });
  const { cursor } = await memberCommand(source, 'admin', {
    aggregate: 1,
    pipeline: [
      { $currentOp: { allUsers: true, idleConnections: true } },
      { $match: { $or: [{ desc: 'fsyncLockWorker' }, { 'command.fsync': { $exists: true } }] } },
      { $project: { opid: 1, desc: 1 } },
    ],
    cursor: {},
  });
  const operations = (cursor as Document)['firstBatch'] as Document[];
  const opid: unknown = operations.find(({ desc }) => desc === 'fsyncLockWorker')?.['opid'];
  return {
    locked: fsyncLock === true,
    opid: typeof opid === 'number' || typeof opid === 'string' ? opid : null,
    pending: operations.some(({ desc }) => desc !== 'fsyncLockWorker'),
  };
}

/**
 * Blocks writes on the member, flushed to its files, until {@link unlockMember}.
 * @throws MemberLocked when somebody else holds a lock as well: then ours is given back
 */
export async function lockMember(source: Source): Promise<void> {
  const { lockCount } = await memberCommand(source, 'admin', { fsync: 1, lock: true });
  if (Number(lockCount) === 1) return;
  await memberCommand(source, 'admin', { fsyncUnlock: 1 });
  throw memberLocked(source.member);
}

/** @returns how many locks are left. @throws SnapshotFailed when there was none: somebody else has taken ours away */
export async function unlockMember(source: Source): Promise<number> {
  const reply = await source.client
    .db('admin')
    .command({ fsyncUnlock: 1 })
    .catch((error: unknown) => {
      if (error instanceof Error && /not locked/i.test(error.message)) return undefined;
      throw error;
    });
  if (reply !== undefined) return Number(reply['lockCount']);
  throw new HoldfastError(
    'SnapshotFailed',
    `${source.member} was unlocked by somebody else while it was copied: what was copied is of no use.`,
  );
}

export function memberLocked(member: string): HoldfastError {
  return new HoldfastError(
    'MemberLocked',
    `${member} is locked against writes already (currentOp shows fsyncLock), and not by this installation.`,
  );
}
