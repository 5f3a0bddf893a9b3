import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { findDocument, writeDocument } from '../../../src/application/documents.ts';
import { withMemberLocked } from '../../../src/application/member-locks.ts';
import { ensureUnlocked, type LockDeps } from '../../../src/application/release-locks.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { watchLock } from '../../../src/application/use-cases/watch-lock.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { lockLeftAfter, longestLock, type MemberLock, memberLockSchema } from '../../../src/domain/member-lock.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { keysOf, worldSettings } from '../../support/backup-world.ts';
import { LockableMember } from '../../support/lockable-member.ts';
import { noLogger } from '../../support/no-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** Each order in which a function that locks, its death, its watchdog and its successors can come, on AWS. */

const host = 'h:1';
const key = stateKeys.lock(host);
const owner = { runId: 'run-1', deployment: 'orders' };
const gone = new HoldfastError('SourceUnreachable', 'it is away');

let clock: VirtualClock;
let state: MemoryObjectStore;
let member: LockableMember;
let connected: number;
let published: { detailType: string; detail: Readonly<Record<string, unknown>> }[];
let deps: LockDeps & { events: { publish: (event: (typeof published)[number]) => Promise<void> } };

beforeEach(async () => {
  clock = new VirtualClock({ start: new Date('2026-11-22T10:00:00Z'), autoAdvance: true });
  state = new MemoryObjectStore('state', () => clock.now().getTime());
  member = new LockableMember();
  connected = 0;
  published = [];
  deps = {
    ...{ state, clock, logger: noLogger, lockersOutlive: true },
    openMember: () => Promise.resolve(void (connected += 1)).then(() => member.client),
    events: { publish: (event) => Promise.resolve(void published.push(event)) },
  };
  for (const run of ['run-1', 'run-2']) await adoptConfig(state, run, worldSettings);
});

/** What a function leaves that dies with this lock. */
async function dieLocked(more: Partial<MemberLock> = {}): Promise<MemberLock> {
  member.lock();
  return writeRecord({ opid: member.opid, ...more });
}

async function writeRecord(more: Partial<MemberLock> = {}): Promise<MemberLock> {
  const record: MemberLock = {
    ...{ schemaVersion: 1, run: 'run-1', deployment: 'orders', member: host, process: member.process, seen: null },
    ...{ opid: null, at: clock.now().toISOString(), ...more },
  };
  await writeDocument(state, key, record);
  return record;
}

const watch = ({ run, at }: MemberLock) => watchLock({ run, member: host, at }, deps);
const records = () => keysOf(state, stateKeys.locks());
const elapsed = () => clock.now().getTime() - Date.parse('2026-11-22T10:00:00Z');

const lockAnd = <T>(work: () => Promise<T>, arm: () => Promise<unknown> = () => Promise.resolve()) =>
  withMemberLocked(
    owner,
    { client: member.client, member: host, signal: new AbortController().signal },
    { ...deps, watchdog: { arm: () => arm().then(() => ({ disarm: () => Promise.resolve() })) } },
    work,
  );

describe('the watchdog of a lock', () => {
  it('gives it back when its owner died, and tells of it; called twice it finds nothing', async () => {
    const record = await dieLocked();
    await clock.sleep(lockLeftAfter);
    expect(await watch(record)).toEqual({ unlocked: true });
    expect(member.lockCount).toBe(0);
    expect(await records()).toEqual([]);
    expect(published).toEqual([
      {
        detailType: 'Forgotten Lock Released',
        detail: { deployment: 'orders', member: host, runId: 'run-1', lockedAt: record.at },
      },
    ]);
    connected = 0;
    expect(await watch(record)).toEqual({ unlocked: false });
    expect({ connected, events: published.length }).toEqual({ connected: 0, events: 1 });
  });

  it('waits as long as the owner may rightly hold it, when it is called early', async () => {
    const record = await dieLocked();
    await clock.sleep(20_000);
    const watched = watch(record);
    expect(await watched).toEqual({ unlocked: true });
    expect(elapsed()).toBe(lockLeftAfter);
  });

  it('leaves it alone when the owner gives it back meanwhile, or did before', async () => {
    const record = await dieLocked();
    const watched = watch(record);
    await clock.sleep(30_000);
    member.unlock();
    await state.delete([key]);
    expect(await watched).toEqual({ unlocked: false });
    expect(connected).toBe(0);
  });

  it('leaves a later lock of the same run to the watchdog of that lock', async () => {
    const earlier = { ...(await writeRecord()), at: '2026-11-22T09:59:00.000Z' };
    member.lock();
    await clock.sleep(lockLeftAfter);
    expect(await watch(earlier)).toEqual({ unlocked: false });
    expect({ lockCount: member.lockCount, connected }).toEqual({ lockCount: 1, connected: 0 });
  });

  it('finds a lock whose owner died before it knew that it has it', async () => {
    const record = await writeRecord({ asked: true });
    member.lock();
    await clock.sleep(lockLeftAfter);
    expect(await watch(record)).toEqual({ unlocked: true });
    expect(member.lockCount).toBe(0);
  });

  it('leaves a lock alone that came when its own had not been asked for yet: it is somebody else’s', async () => {
    const record = await writeRecord();
    member.lock();
    await clock.sleep(lockLeftAfter);
    expect(await watch(record)).toEqual({ unlocked: false });
    expect({ lockCount: member.lockCount, left: await records() }).toEqual({ lockCount: 1, left: [] });
  });

  it('strikes out a lock that was never taken: its owner died before', async () => {
    const record = await writeRecord();
    expect(await watch(record)).toEqual({ unlocked: false });
    expect(await records()).toEqual([]);
    expect(published).toEqual([]);
  });

  it.each([
    [
      'taken by somebody else since',
      (one: LockableMember) => {
        one.unlock();
        one.lock();
      },
    ],
    ['of a server that was restarted since', (one: LockableMember) => (one.process = 'f'.repeat(24))],
  ])('leaves a lock alone that was %s', async (_what, change) => {
    const record = await dieLocked();
    change(member);
    await clock.sleep(lockLeftAfter);
    expect(await watch(record)).toEqual({ unlocked: false });
    expect(member.lockCount).toBe(1);
    expect(await records()).toEqual([]);
    expect(published).toEqual([]);
  });

  it('goes on while the member is away, and leaves the record when it gives up', async () => {
    const record = await dieLocked();
    let away = 3;
    const { openMember } = deps;
    const reached = {
      ...deps,
      openMember: () => ((away -= 1) < 0 ? openMember(undefined as never) : Promise.reject(gone)),
    };
    const watched = watchLock({ run: record.run, member: host, at: record.at }, reached);
    expect(await watched).toEqual({ unlocked: true });
    expect(elapsed()).toBe(lockLeftAfter + 3 * 5_000);

    const again = await dieLocked();
    const never = { ...deps, openMember: () => Promise.reject(new HoldfastError('AuthenticationFailed', 'no')) };
    await expect(watchLock({ run: again.run, member: host, at: again.at }, never)).rejects.toMatchObject({
      name: 'AuthenticationFailed',
    });
    expect(await records()).toEqual([key]);
  });
});

describe('a lock that may still come', () => {
  it('keeps its record as long as it may, so that it is found when it has come', async () => {
    await writeRecord();
    await expect(ensureUnlocked('run-1', deps)).rejects.toMatchObject({ name: 'SourceUnreachable' });
    expect(await records()).toEqual([key]);
    await clock.sleep(longestLock);
    expect(await ensureUnlocked('run-1', deps)).toEqual([]);
    expect(await records()).toEqual([]);
  });

  it('is not waited for where its owner is known to be gone', async () => {
    await writeRecord();
    const embedded: LockDeps = { state, clock, logger: noLogger, openMember: deps.openMember };
    expect(await ensureUnlocked('run-1', embedded)).toEqual([]);
    expect(await records()).toEqual([]);
  });

  it('is not taken beside it by a second try of the same step', async () => {
    await writeRecord();
    await expect(lockAnd(() => Promise.resolve())).rejects.toMatchObject({ name: 'SourceUnreachable' });
    expect(member.commands).not.toContain('fsync');
  });

  it('is given back at once when its record was struck out before it came', async () => {
    member.before = async (command) => {
      if (command === 'fsync') await state.delete([key]);
    };
    let worked = false;
    const work = () => Promise.resolve(void (worked = true));
    await expect(lockAnd(work)).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(/was ended while/) as string,
    });
    expect({ worked, lockCount: member.lockCount, left: await records() }).toEqual({
      worked: false,
      lockCount: 0,
      left: [],
    });
  });

  it('is given back at once when another run has written itself down instead', async () => {
    member.before = async (command) => {
      if (command === 'fsync') await writeRecord({ run: 'run-2' });
    };
    await expect(lockAnd(() => Promise.resolve())).rejects.toMatchObject({ name: 'SnapshotFailed' });
    expect(member.lockCount).toBe(0);
    expect((await findDocument(state, key, memberLockSchema))?.run).toBe('run-2');
  });
});

describe('a lock on AWS', () => {
  it('is not taken when nobody watches it', async () => {
    const arm = () => Promise.reject(new HoldfastError('WorkerLost', 'throttled'));
    await expect(lockAnd(() => Promise.resolve(), arm)).rejects.toMatchObject({ name: 'WorkerLost' });
    expect(member.commands).not.toContain('fsync');
    expect(await records()).toEqual([]);
  });

  it('is written down before it is watched, and watched before it is taken', async () => {
    const arm = async () => {
      expect(await records()).toEqual([key]);
      expect(member.commands).not.toContain('fsync');
    };
    expect(await lockAnd(() => Promise.resolve(member.lockCount), arm)).toMatchObject({ result: 1 });
    expect({ lockCount: member.lockCount, left: await records() }).toEqual({ lockCount: 0, left: [] });
  });

  it('is asked for in its record right before it is sent, and known by that if nobody hears of it', async () => {
    let asked: boolean | undefined;
    const arm = async () => {
      asked = (await findDocument(state, key, memberLockSchema))?.asked;
    };
    const seen: (boolean | undefined)[] = [];
    member.before = async (command) => {
      if (command === 'fsync') seen.push((await findDocument(state, key, memberLockSchema))?.asked);
    };
    await lockAnd(() => Promise.resolve(), arm);
    expect({ asked, seen }).toEqual({ asked: undefined, seen: [true] });
  });

  it.each([
    ['is struck out', () => state.delete([key])],
    ['is of another run', () => writeRecord({ run: 'run-2' })],
  ])('is not sent when its record %s before', async (_, change) => {
    await expect(lockAnd(() => Promise.resolve(), change)).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(/was ended before/) as string,
    });
    expect(member.commands).not.toContain('fsync');
  });

  it('of a later run is not given back by a function that outlived its own', async () => {
    const work = async () => {
      await ensureUnlocked('run-1', deps);
      await writeRecord({ run: 'run-2' });
      member.lock();
    };
    await expect(lockAnd(work)).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(/locked again/) as string,
    });
    expect(member.lockCount).toBe(1);
    expect(await records()).toEqual([key]);
  });
});
