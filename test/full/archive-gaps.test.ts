import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { MongodProcess } from '../../local/servers/mongod-process.ts';
import { until } from '../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { compareTimestamps, type OpTime } from '../../src/domain/timestamp.ts';
import { oldestEntry } from '../../src/engine/oplog/oplog-source.ts';
import { ArchiveWorld, untilCaughtUp, write } from '../support/archive-world.ts';
import { dyingStore } from '../support/dying-store.ts';

let set: ReplicaSetServers;
let world: ArchiveWorld;
let id = 0;
afterEach(() => set.stop());

async function begin(options: Parameters<typeof startReplicaSet>[0]): Promise<void> {
  set = await startReplicaSet(options);
  world = new ArchiveWorld(set);
}
async function writeOne(member: MongodProcess): Promise<void> {
  await write(set, ++id);
  await untilCaughtUp(set, member);
}
const lastArchived = async (): Promise<OpTime> => {
  const last = (await world.slices()).at(-1);
  if (!last) throw new TypeError('nothing is archived');
  return last.header.to;
};

describe('an oplog that rolls over while no archiver runs', () => {
  const secondary = () => set.hidden;

  /** Until no member holds the last archived entry. */
  async function forget(): Promise<void> {
    const wanted = await lastArchived();
    const { signal } = new AbortController();
    await until('every member has forgotten it', async () => {
      const batch = Array.from({ length: 50 }, () => ({ payload: randomBytes(20_000) }));
      await set.client().db('shop').collection('load').insertMany(batch);
      const oldest = await Promise.all(
        set.members.map((member) => oldestEntry({ client: set.clientFor(member), member: member.host, signal })),
      );
      return oldest.every((entry) => entry && compareTimestamps(entry.ts, wanted.ts) > 0) ? true : undefined;
    });
    await untilCaughtUp(set, secondary());
  }

  test('is a gap with its reason, whoever dies when; nothing is restorable over it, and the short oplog is told', async () => {
    // The oplog is cut back to the last checkpoint; by default there is one in a minute.
    await begin({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 4, args: ['--syncdelay=1'] });
    await writeOne(secondary());
    await world.turn();
    const [begun] = await world.slices();
    const members = [secondary(), await set.primary()];
    await forget();
    const after = await lastArchived();
    expect(await world.turn({ members })).toMatchObject({ status: 'archived', slices: 1, baseDue: true });
    const first = (await world.slices()).at(-1);
    const gaps = await world.gaps();
    expect(gaps).toMatchObject([{ reason: 'rolledOver', after, before: first?.header.from, member: secondary().host }]);
    expect(world.events.map(({ detailType }) => detailType)).toEqual(['Recovery Gap Detected', 'Oplog Window Short']);
    const { remainingSeconds } = world.events[1]?.detail ?? {};
    expect(remainingSeconds).toBeLessThan(3600);
    const [gap] = gaps;
    if (!gap || !begun || !first) throw new TypeError('no gap');
    expect((await world.progress())?.wantsBase).toMatchObject({ from: gap.before, attempts: 0 });
    // A backup that was taken after it, and one before.
    const { window, serves } = await world.window([begun.header.from, gap.before]);
    expect(window.ranges.map(({ from, to }) => [from, to])).toEqual([
      [begun.header.from.ts, after.ts],
      [gap.before.ts, first.header.to.ts],
    ]);
    expect(window.holes).toMatchObject([{ gaps: [{ reason: 'rolledOver' }] }]);
    expect(serves({ t: after.ts.t, i: after.ts.i + 1 })).toBeUndefined();
    expect(serves(gap.before.ts)).toBeDefined();

    // Told once, and within the hour not again.
    await writeOne(secondary());
    await world.turn({ members });
    expect(world.events).toHaveLength(2);
    await writeOne(secondary());
    await world.turn({ members, now: () => new Date(Date.now() + 3_600_000) });
    expect(world.events.slice(2)).toMatchObject([{ detailType: 'Oplog Window Short' }]);

    // The archiver that begins anew dies after its first slice, before the gap is recorded.
    await forget();
    const second = await lastArchived();
    const dies: ObjectStore = {
      ...dyingStore(world.store, { left: Infinity, pace: [0] }),
      put: (key, ...rest) =>
        key.includes('gaps/') ? Promise.reject(new Error('killed')) : world.store.put(key, ...rest),
    };
    await expect(world.turn({ members, store: dies })).rejects.toThrow('killed');
    const left = (await world.slices()).at(-1);
    await writeOne(secondary());
    expect(await world.turn({ members })).toMatchObject({ status: 'archived' });
    expect((await world.gaps()).slice(1)).toMatchObject([
      { reason: 'rolledOver', after: second, before: left?.header.from },
    ]);
  });
});

describe('a member that was resynced', () => {
  test('makes no gap while another one holds the entry; when none does, it is one', async () => {
    await begin({ members: [{}, {}, { hidden: true, votes: 0 }] });
    const { hidden } = set;
    await writeOne(hidden);
    await world.turn();
    const resync = async () => {
      await hidden.stop();
      await rm(hidden.dbPath, { recursive: true });
      await mkdir(hidden.dbPath);
      await hidden.restart();
      await until('it is a secondary again', async () => {
        const { secondary } = await set.clientFor(hidden).db('admin').command({ hello: 1 });
        return secondary === true ? true : undefined;
      });
    };
    await writeOne(hidden);
    await resync();
    await writeOne(hidden);
    const primary = await set.primary();
    await untilCaughtUp(set, primary);
    expect(await world.turn({ members: [hidden, primary] })).toMatchObject({
      status: 'archived',
      member: primary.host,
    });
    await writeOne(hidden);
    expect(await world.turn({ members: [hidden, primary] })).toMatchObject({ status: 'archived', member: hidden.host });
    expect((await world.entries()).map(String)).toEqual((await world.oplog(primary)).map(String));
    expect(await world.gaps()).toEqual([]);

    await writeOne(hidden);
    await resync();
    await writeOne(hidden);
    const after = await lastArchived();
    // The others are not to be read: only what this one holds counts.
    expect(await world.turn({ members: [hidden] })).toMatchObject({ status: 'archived', baseDue: true });
    expect(await world.gaps()).toMatchObject([{ reason: 'rolledOver', after }]);
  });
});

describe('a member that is rolled back', () => {
  test('has nothing archived that is rolled back: the archive goes on, from another member and from it, without a gap', async () => {
    // Nobody but this test decides who is primary, and (by test commands) who fetches from whom.
    await begin({
      members: [{}, {}, {}],
      electionTimeoutMillis: 120_000,
      args: ['--setParameter=enableTestCommands=1'],
    });
    const items = (member: MongodProcess) => set.clientFor(member).db('shop').collection<{ _id: number }>('items');
    const fetching = (member: MongodProcess, on: boolean) =>
      set
        .clientFor(member)
        .db('admin')
        .command({ configureFailPoint: 'stopReplProducer', mode: on ? 'off' : 'alwaysOn' });
    const old = await set.primary();
    const [next, third] = set.members.filter((member) => member !== old) as [MongodProcess, MongodProcess];
    await items(old).insertOne({ _id: 1 }, { writeConcern: { w: 3 } });
    await world.turn({ members: [old] });
    await Promise.all([next, third].map((member) => fetching(member, false)));
    const phantoms = Array.from({ length: 20 }, (_, n) => ({ _id: 1000 + n }));
    await items(old).insertMany(phantoms, { writeConcern: { w: 1 } });
    // Whatever the majority has of it by now; of the phantoms nothing.
    await world.turn({ members: [old] });
    old.signal('SIGSTOP');
    await until('another member is primary', async () => {
      const admin = set.clientFor(next).db('admin');
      if ((await admin.command({ hello: 1 }))['isWritablePrimary'] === true) return true;
      await admin.command({ replSetStepUp: 1 });
      await admin.command({ replSetAbortPrimaryCatchUp: 1 });
      return undefined;
    });
    await set.clientFor(third).db('admin').command({ replSetSyncFrom: next.host });
    await Promise.all([next, third].map((member) => fetching(member, true)));
    for (let n = 0; n < 10; n += 1) await items(next).insertOne({ _id: 2000 + n }, { writeConcern: { w: 2 } });
    expect(await world.turn({ members: [next] })).toMatchObject({ status: 'archived', member: next.host });
    old.signal('SIGCONT');
    await until('the old primary has rolled back', async () => {
      const found = await items(old).findOne({ _id: 2009 }, { readPreference: 'nearest' });
      const { secondary } = await set.clientFor(old).db('admin').command({ hello: 1 });
      return found !== null && secondary === true ? true : undefined;
    });
    await items(next).insertOne({ _id: 3000 }, { writeConcern: { w: 3 } });
    await until('it is archived from the old primary', async () =>
      (await world.turn({ members: [old] })).status === 'archived' ? true : undefined,
    );
    const archived = (await world.entries()).map(String);
    expect(archived).toEqual((await world.oplog(next)).map(String));
    expect(await world.gaps()).toEqual([]);
    expect(await items(next).countDocuments({ _id: { $gte: 1000, $lt: 2000 } })).toBe(0);
  });
});

describe('elections while the archiver works', () => {
  test('by primaries that are killed under load: one chain of every entry that lasted, from whoever can be read, and no gap', async () => {
    await begin({ members: [{}, {}, {}], oplogSizeMb: 990, electionTimeoutMillis: 2_000 });
    const stopping = new AbortController();
    const isOver = () => stopping.signal.aborted;
    const items = set.client().db('shop').collection<{ _id: number }>('items');
    await items.insertOne({ _id: 0 }, { writeConcern: { w: 3 } });
    let acknowledged = 0;
    const writer = (async () => {
      for (let _id = 1; !isOver(); _id += 1)
        await items.insertOne({ _id }, { writeConcern: { w: 'majority', wtimeoutMS: 5_000 } }).then(
          () => (acknowledged += 1),
          () => undefined,
        );
    })();
    const turns = { archived: 0, failed: 0 };
    const archiver = (async () => {
      while (!isOver())
        await world.turn({ members: set.members }).then(
          ({ status }) => (turns.archived += status === 'archived' ? 1 : 0),
          () => (turns.failed += 1),
        );
    })();
    try {
      for (let round = 0; round < 3; round += 1) {
        const archived = turns.archived;
        await until('the archive goes on', () => Promise.resolve(turns.archived > archived + 1 || undefined));
        const killed = await set.primary();
        const before = acknowledged;
        await killed.kill();
        await until('writes go on', () => Promise.resolve(acknowledged > before + 5 || undefined));
        await killed.restart();
      }
    } finally {
      stopping.abort();
      await Promise.all([writer, archiver]);
    }
    await items.insertOne({ _id: -1 }, { writeConcern: { w: 3 } });
    const primary = await set.primary();
    await untilCaughtUp(set, primary);
    await until('everything is archived', async () =>
      (await world.turn({ members: [primary] })).more ? undefined : true,
    );
    const terms = new Set((await world.slices()).map(({ header }) => header.to.t));
    console.log(
      `${turns.archived} turns archived, ${turns.failed} failed, ${acknowledged} writes, ${terms.size} terms`,
    );
    expect(terms.size).toBeGreaterThan(2);
    expect((await world.entries()).map(String)).toEqual((await world.oplog(primary)).map(String));
    expect(await world.gaps()).toEqual([]);
  });
});
