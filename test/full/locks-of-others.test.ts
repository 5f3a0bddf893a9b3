import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { withMemberLocked } from '../../src/application/member-locks.ts';
import { longestLock } from '../../src/domain/member-lock.ts';
import { keysOf } from '../support/backup-world.ts';
import { noLogger } from '../support/no-logger.ts';
import { isLocked } from '../support/physical-set.ts';
import { systemClock } from '../support/take-backup.ts';

describe('a lock that is not ours alone', () => {
  let set: ReplicaSetServers;
  let state: MemoryObjectStore;
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] });
  });
  afterAll(() => set.stop());
  beforeEach(() => {
    state = new MemoryObjectStore();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    expect(await keysOf(state), 'records of locks').toEqual([]);
  });

  const admin = () => set.clientFor(set.hidden).db('admin');
  const lock = () => admin().command({ fsync: 1, lock: true });
  const unlock = () => admin().command({ fsyncUnlock: 1 });

  const lockAnd = <T>(
    work: (signal: AbortSignal) => Promise<T>,
    onArm: () => Promise<unknown> = () => Promise.resolve(),
  ) =>
    withMemberLocked(
      { runId: 'run-1', deployment: 'orders' },
      { client: set.clientFor(set.hidden), member: set.hidden.host, signal: new AbortController().signal },
      {
        ...{ state, clock: systemClock, logger: noLogger },
        openMember: () => Promise.reject(new TypeError('not used')),
        watchdog: { arm: () => onArm().then(() => ({ disarm: () => Promise.resolve() })) },
      },
      work,
    );

  test('was taken while we looked: ours is given back, theirs stays', async () => {
    const work = vi.fn(() => Promise.resolve());
    await expect(lockAnd(work, lock)).rejects.toMatchObject({ name: 'MemberLocked' });
    expect(work).not.toHaveBeenCalled();
    expect(await unlock()).toMatchObject({ lockCount: 0 });
  });

  test('was put on top of ours: ours is given back, theirs stays', async () => {
    await lockAnd(lock);
    expect(await unlock()).toMatchObject({ lockCount: 0 });
  });

  test('was taken away from us: what was copied is of no use', async () => {
    await expect(lockAnd(unlock)).rejects.toMatchObject({ name: 'SnapshotFailed' });
    expect(await isLocked(set.clientFor(set.hidden))).toBe(false);
  });

  test('was replaced by another: ours is gone, and theirs stays when the work fails', async () => {
    const failing = async () => {
      await unlock();
      await lock();
      throw new TypeError('the disk is full');
    };
    await expect(lockAnd(failing)).rejects.toThrow('the disk is full');
    expect(await unlock()).toMatchObject({ lockCount: 0 });
  });

  test('ours is not held for longer than it may: the work is given up, the member unlocked', async () => {
    const limit = new AbortController();
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => (ms === longestLock ? limit.signal : timeout(ms)));
    const endless = async (signal: AbortSignal) => {
      limit.abort(new DOMException('the time is up', 'TimeoutError'));
      signal.throwIfAborted();
      return Promise.resolve();
    };
    await expect(lockAnd(endless)).rejects.toMatchObject({
      name: 'VolumeLayoutUnsupported',
      next: expect.stringContaining('reflink') as string,
    });
    expect(await isLocked(set.clientFor(set.hidden))).toBe(false);
  });
});
