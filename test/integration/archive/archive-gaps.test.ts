import type { ObjectId } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { archiveOplog } from '../../../src/application/use-cases/archive-oplog.ts';
import { makeWithMember } from '../../../src/composition/read-member.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { compareTimestamps, type OpTime } from '../../../src/domain/timestamp.ts';
import {
  archivePrefix,
  ArchiveWorld,
  setId,
  untilCaughtUp,
  untilServerIsIdle,
  write,
  writeEmptyEntry,
} from '../../support/archive-world.ts';
import { entryAt } from '../../support/archived-world.ts';
import { takeClusterTimeAhead } from '../../support/cluster-time.ts';
import { storeSlice } from '../../support/made-slices.ts';
import { dyingStore } from '../../support/dying-store.ts';

let set: ReplicaSetServers;
beforeAll(async () => {
  const parameters = ['disableLogicalSessionCacheRefresh=1', 'enableTestCommands=1'];
  set = await startReplicaSet({
    members: [{}, { hidden: true, votes: 0 }],
    args: parameters.map((each) => `--setParameter=${each}`),
  });
  await untilServerIsIdle(set);
});
afterAll(() => set.stop());

let world: ArchiveWorld;
let id = 0;
const slices = () => world.slices();
const caughtUp = (member = set.hidden) => untilCaughtUp(set, member);
async function writeOne(): Promise<void> {
  await write(set, ++id);
  await caughtUp();
}
async function requireExact(): Promise<void> {
  expect((await world.entries()).map(String)).toEqual((await world.oplog()).map(String));
}

beforeEach(async () => {
  world = new ArchiveWorld(set);
  await writeOne();
});

describe('a set whose history can not be replayed over', () => {
  const admin = () => set.client().db('admin');
  const setFcv = (version: string) =>
    admin().command({ setFeatureCompatibilityVersion: version, writeConcern: { w: 'majority' } });

  test('because of its feature compatibility version: one gap, told once, that cuts the window; a base is wished after it', async () => {
    await world.turn();
    const [first] = await slices();
    await setFcv('5.0');
    await writeOne();
    await caughtUp();
    // As a turn that dies after it recorded the gap: the next one sees more of the same event, and tells it no more.
    const dies: ObjectStore = {
      ...dyingStore(world.store, { left: Infinity, pace: [0] }),
      put: (key, ...rest) =>
        key.includes('gaps/') ? world.store.put(key, ...rest) : Promise.reject(new Error('killed')),
    };
    await expect(world.turn({ store: dies })).rejects.toThrow('killed');
    const [half] = await world.gaps();
    await setFcv('6.0');
    await writeOne();
    await caughtUp();
    expect(await world.turn()).toMatchObject({ status: 'archived', baseDue: true });
    const gaps = await world.gaps();
    expect(gaps).toMatchObject([{ reason: 'featureCompatibilityVersionChanged', after: half?.after }]);
    const [gap] = gaps;
    if (!gap || !half || !first) throw new TypeError('no gap');
    expect(compareTimestamps(gap.before.ts, half.before.ts)).toBeGreaterThan(0);
    expect(world.events.map(({ detailType }) => detailType)).toEqual(['Recovery Gap Detected']);
    expect((await world.progress())?.wantsBase).toMatchObject({ from: gap.before, attempts: 0 });
    await requireExact();
    const { window, serves } = await world.window([first.header.from, gap.before]);
    expect(window.ranges.map(({ to }) => to)).toEqual([gap.after.ts, (await slices()).at(-1)?.header.to.ts]);
    expect(window.holes).toMatchObject([{ from: gap.after.ts, to: gap.before.ts, gaps: [{ reason: gap.reason }] }]);
    expect(serves(half.before.ts)).toBeUndefined();
  });

  test("because Holdfast restored into it: its mark's many writes are one gap", async () => {
    await world.turn();
    const marks = set.client().db('holdfast_restore').collection<{ _id: string; state: string }>('run');
    for (const state of ['loading', 'replaying', 'loaded'])
      await marks.replaceOne({ _id: 'restore' }, { state }, { upsert: true });
    await set.client().db('holdfast_restore').dropDatabase();
    await writeOne();
    await world.turn();
    expect((await world.gaps()).map(({ reason }) => reason)).toEqual(['restore']);
    expect(world.events).toHaveLength(1);
  });
});

describe('a member', () => {
  test('of another set that has the same name is not read, and nothing of it gets into the archive', async () => {
    const { withMember } = makeWithMember();
    const input = { runId: 'turn', deployment: 'orders', replicaSet: 'rs0', replicaSetId: setId, seconds: 30 };
    const turn = archiveOplog({ ...input, members: [set.hidden.host] }, { ...world.deps(), withMember });
    await expect(turn).rejects.toMatchObject({ name: 'MemberStateChanged', details: { member: set.hidden.host } });
    expect(await slices()).toEqual([]);
    const { config } = await set.client().db('admin').command({ replSetGetConfig: 1 });
    const { replicaSetId } = (config as { settings: { replicaSetId: ObjectId } }).settings;
    const its = { ...input, replicaSetId: replicaSetId.toHexString(), members: [set.hidden.host] };
    expect(await archiveOplog(its, { ...world.deps(), withMember })).toMatchObject({ status: 'archived' });
    expect(await slices()).toEqual([]);
  });

  test('that stands still behind the archive holds nothing up: another one is read', async () => {
    const fetching = (mode: 'alwaysOn' | 'off') =>
      set.clientFor(set.hidden).db('admin').command({ configureFailPoint: 'stopReplProducer', mode });
    await world.turn();
    await fetching('alwaysOn');
    try {
      await write(set, ++id);
      const primary = await set.primary();
      await caughtUp(primary);
      await world.turn({ members: [primary] });
      expect(await world.turn()).toMatchObject({ status: 'behind' });
      await write(set, ++id);
      await caughtUp(primary);
      expect(await world.turn({ members: [set.hidden, primary] })).toMatchObject({ status: 'archived' });
    } finally {
      await fetching('off');
    }
    await caughtUp();
    await requireExact();
    expect(await world.gaps()).toEqual([]);
  });
});

describe('an archive that does not go on', () => {
  const inMinutes = (minutes: number) => ({ now: () => new Date(Date.now() + minutes * 60_000) });
  const told = () => world.events.map(({ detailType }) => detailType);

  test('because the member that is asked first stands at its end: another one is asked; without another it is told', async () => {
    const fetching = (mode: 'alwaysOn' | 'off') =>
      set.clientFor(set.hidden).db('admin').command({ configureFailPoint: 'stopReplProducer', mode });
    const primary = await set.primary();
    const members = [set.hidden, primary];
    await world.turn();
    await fetching('alwaysOn');
    try {
      // At the very end of the archive.
      expect(await world.turn({ members })).toMatchObject({ status: 'idle' });
      await write(set, ++id);
      await caughtUp(primary);
      expect(await world.turn({ members })).toMatchObject({ status: 'archived', member: primary.host });
      await fetching('off');
      await caughtUp();
      // Some empty entries after it.
      await writeEmptyEntry(set);
      await caughtUp();
      expect(await world.turn()).toMatchObject({ status: 'idle' });
      await fetching('alwaysOn');
      await write(set, ++id);
      await caughtUp(primary);
      expect(await world.turn()).toMatchObject({ status: 'idle' });
      expect(await world.turn(inMinutes(14))).toMatchObject({ status: 'idle' });
      expect(told()).toEqual([]);
      await world.turn(inMinutes(16));
      await world.turn(inMinutes(20));
      expect(world.events).toMatchObject([{ detailType: 'Oplog Archive Stalled', detail: { replicaSet: 'rs0' } }]);
      expect(await world.turn({ members })).toMatchObject({ status: 'archived', member: primary.host });
      expect((await world.progress())?.stalled).toBeUndefined();
    } finally {
      await fetching('off');
    }
    await caughtUp();
    await requireExact();
  });

  /** An archive whose last entry no member holds any more. @returns that entry */
  async function archiveLongForgotten(): Promise<OpTime> {
    await world.turn();
    await world.store.delete((await slices()).map(({ key }) => key));
    const made = new MemoryObjectStore();
    const old = await storeSlice(made, [entryAt(100, 1), entryAt(200, 1)]);
    await world.store.put(artifactKeys.slice(archivePrefix, old.from.ts), (await made.get(old.key)).body);
    return old.to;
  }
  const unanswering = { members: () => [{ host: '127.0.0.1:1' }, set.hidden] };
  const down = { members: () => [set.hidden], away: ['127.0.0.1:1: the set sees it as unhealthy (DOWN)'] };

  test.each([
    ['does not answer', unanswering],
    ['was down when the set was looked at', down],
  ])(
    'because who may hold its last entry %s, and the others forgot it: told at once, and a gap in the end',
    async (_, who) => {
      const after = await archiveLongForgotten();
      const turn = (minutes: number) => world.turn({ ...who, members: who.members(), ...inMinutes(minutes) });
      const lost = expect.stringMatching(/Oplog is being lost: 200:1 .*127\.0\.0\.1:1/) as string;
      const waits = (minutes: number) =>
        expect(turn(minutes)).rejects.toMatchObject({ name: 'OplogRolledOver', message: lost });
      for (const minutes of [0, 9]) await waits(minutes);
      expect(told()).toEqual(['Oplog Archive Stalled']);
      // One clock alone may have been set: that of the archiver, and then that of the source.
      await waits(11);
      await takeClusterTimeAhead(set, 11 * 60);
      await writeOne();
      await waits(9);
      expect(await turn(11)).toMatchObject({ status: 'archived', baseDue: true });
      expect(await world.gaps()).toMatchObject([{ reason: 'objectLost', after }]);
      expect(told()).toEqual(['Oplog Archive Stalled', 'Recovery Gap Detected']);
      expect((await world.progress())?.stalled).toBeUndefined();
    },
  );
});

test('a member that is away is waited for also where nobody noted how far the archive is', async () => {
  await world.turn();
  await world.store.delete((await slices()).map(({ key }) => key));
  const made = new MemoryObjectStore();
  const old = await storeSlice(made, [entryAt(100, 1), entryAt(200, 1)]);
  await world.store.put(artifactKeys.slice(archivePrefix, old.from.ts), (await made.get(old.key)).body);
  await world.state.delete([`archives/orders/rs0-${setId}.json`]);
  const turn = () => world.turn({ away: ['127.0.0.1:1: the set sees it as unhealthy (DOWN)'] });
  for (let n = 0; n < 2; n += 1) await expect(turn()).rejects.toMatchObject({ name: 'OplogRolledOver' });
  expect(await world.gaps()).toEqual([]);
  expect(await world.progress()).toMatchObject({ last: { to: old.to }, checkedTo: old.to });
});

test('a storage that lost all slices: the archive begins anew, and says that it is none', async () => {
  await world.turn();
  await writeOne();
  await world.turn();
  const last = (await slices()).at(-1)?.header.to;
  await world.store.delete((await slices()).map(({ key }) => key));
  await writeOne();
  expect(await world.turn()).toMatchObject({ status: 'archived', baseDue: true });
  const [first] = await slices();
  expect(await world.gaps()).toMatchObject([{ reason: 'objectLost', after: last, before: first?.header.from }]);
  expect(world.events).toHaveLength(1);
  await writeOne();
  await world.turn();
  expect(await world.gaps()).toHaveLength(1);
  await requireExact();
});
