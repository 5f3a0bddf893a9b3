import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { ArchiveWorld, untilCaughtUp, untilServerIsIdle, write, writeEmptyEntry } from '../../support/archive-world.ts';
import { dyingStore } from '../../support/dying-store.ts';
import { stalled, unreleasable } from '../../support/failing-archive-store.ts';

let set: ReplicaSetServers;
beforeAll(async () => {
  set = await startReplicaSet({
    members: [{}, {}, { hidden: true, votes: 0 }],
    oplogSizeMb: 256,
    // Every five minutes the server would write the sessions of the drivers: no set would be idle by then.
    args: ['--setParameter=disableLogicalSessionCacheRefresh=1'],
  });
  await untilServerIsIdle(set);
});
afterAll(() => set.stop());

let world: ArchiveWorld;
let id = 0;
const slices = () => world.slices();
const caughtUp = (member = set.hidden) => untilCaughtUp(set, member);
async function writeOne(payload?: string): Promise<void> {
  await write(set, ++id, payload);
  await caughtUp();
}
async function requireExact(): Promise<void> {
  expect((await world.entries()).map(String)).toEqual((await world.oplog()).map(String));
}

beforeEach(async () => {
  world = new ArchiveWorld(set);
  await writeOne();
});

describe('an idle set', () => {
  test('gets its first slice, and then none while nothing but empty entries happens', async () => {
    const toBegin = stateKeys.archiveToBegin('orders');
    const since = '2026-11-22T10:00:00.000Z';
    await world.state.put(toBegin, Buffer.from(JSON.stringify({ schemaVersion: 1, stalled: { since } })));
    expect(await world.turn()).toMatchObject({ status: 'archived', slices: 1 });
    // Its turns failed before it began: that is over.
    expect(JSON.parse((await world.state.get(toBegin)).body.toString())).toEqual({ schemaVersion: 1 });
    await writeEmptyEntry(set);
    await caughtUp();
    const idle = await world.turn();
    expect(idle).toMatchObject({ status: 'idle', slices: 0, more: false });
    expect(await slices()).toHaveLength(1);
    // The archive is known to hold everything up to there all the same.
    const [only] = await slices();
    expect((await world.progress())?.checkedTo.ts).not.toEqual(only?.header.to.ts);
    await writeOne();
    await world.turn();
    expect(await slices()).toHaveLength(2);
    await requireExact();
  });

  test('takes no lease for it, and gives back the one of a slice', async () => {
    await world.turn();
    const lease = async () => (await world.state.get('leases/orders.archive.rs0.json')).body.toString();
    expect(JSON.parse(await lease())).toMatchObject({ released: true, fence: 1 });
    await writeEmptyEntry(set);
    await caughtUp();
    await world.turn();
    expect(JSON.parse(await lease())).toMatchObject({ fence: 1 });
  });
});

describe('a busy set', () => {
  test('is archived entry for entry, in slices that follow one another, while it is written to', async () => {
    const writing = new AbortController();
    const writer = (async () => {
      while (!writing.signal.aborted) await write(set, ++id, 'x'.repeat(10_000));
    })();
    try {
      for (let turn = 0; turn < 5; turn += 1) {
        const before = (await slices()).length;
        await until('a turn archives something', async () => ((await world.turn()).slices > 0 ? true : undefined));
        expect((await slices()).length).toBeGreaterThan(before);
      }
    } finally {
      writing.abort();
      await writer;
    }
    await requireExact();
  });

  test('is caught up with in turns that are as short as they may be, large transactions included', async () => {
    await world.turn();
    const session = set.client().startSession();
    await session.withTransaction(async () => {
      const big = set.client().db('shop').collection<{ _id: number; payload: string }>('items');
      for (let n = 0; n < 40; n += 1) await big.insertOne({ _id: ++id, payload: 'y'.repeat(1_000_000) }, { session });
    });
    await session.endSession();
    for (let n = 0; n < 600; n += 1) await set.client().db('shop').collection('many').insertOne({ n });
    await caughtUp();
    const turns = [];
    do turns.push(await world.turn({ seconds: 0.000_001 }));
    while (turns.at(-1)?.more === true);
    expect(turns.length).toBeGreaterThan(1);
    expect((await slices()).every(({ header }) => header.rawBytes < 64 * 1024 * 1024)).toBe(true);
    expect((await slices()).length).toBeGreaterThan(3);
    await requireExact();
  });

  test('goes on after an election, from another member too', async () => {
    await world.turn();
    const before = await set.primary();
    await set
      .client()
      .db('admin')
      .command({ replSetStepDown: 10, secondaryCatchUpPeriodSecs: 10 })
      .catch(() => undefined);
    await until('another member is primary', async () => ((await set.primary()) === before ? undefined : true));
    await writeOne();
    await caughtUp(before);
    await world.turn({ members: [before, set.hidden] });
    const terms = (await slices()).map(({ header }) => header.to.t);
    expect(terms.at(-1)).toBeGreaterThan(terms[0] ?? Infinity);
    await requireExact();
    expect(await world.gaps()).toEqual([]);
  });
});

describe('an archiver that is killed', () => {
  test('at each of its calls leaves nothing that the next one does not put right', async () => {
    await world.turn();
    let kills = 0;
    for (let left = 0; left <= kills; left += 1) {
      await writeOne();
      const life = { left, pace: [0] };
      const dying = { state: dyingStore(world.state, life), store: dyingStore(world.store, life) };
      const now = () => new Date(Date.now() + left * 3_600_000);
      kills += await world.turn({ ...dying, now }).then(
        () => 0,
        () => 1,
      );
      // The killed one's lease is taken over by who comes later; here, at once.
      await world.state.delete(['leases/orders.archive.rs0.json']);
      await writeOne();
      expect(await world.turn()).toMatchObject({ status: 'archived' });
    }
    expect(kills).toBeGreaterThan(5);
    await requireExact();
    expect(await world.gaps()).toEqual([]);
  });

  test('without its progress, the slices tell where to go on', async () => {
    await world.turn();
    await writeOne();
    await world.turn();
    for (const damaged of ['{', '{"schemaVersion":2}']) {
      await writeOne();
      for await (const { key } of world.state.list('archives/')) await world.state.put(key, Buffer.from(damaged));
      expect(await world.turn()).toMatchObject({ status: 'archived' });
    }
    await requireExact();
  });
});

describe('two archivers', () => {
  test('at once make one chain; who comes second does no harm and no noise', async () => {
    await world.turn();
    for (let round = 0; round < 8; round += 1) {
      await writeOne();
      const life = (n: number) => ({ left: Infinity, pace: [round % 3, n] });
      const turns = await Promise.all(
        [0, 1, 2].map((n) =>
          world.turn({ store: dyingStore(world.store, life(n)), state: dyingStore(world.state, life(n)) }),
        ),
      );
      expect(turns.some(({ status }) => status === 'archived')).toBe(true);
      expect(turns.every(({ status }) => ['archived', 'busy', 'idle'].includes(status))).toBe(true);
    }
    await requireExact();
    expect(await world.gaps()).toEqual([]);
  });

  test('of which one lost its lease: what it writes late is refused, or the very slice that follows', async () => {
    await world.turn();
    await writeOne();
    // No lease holds the other back: as if it had stood still for longer than five minutes, just before it writes.
    const held = stalled(world.store);
    const late = world.turn({ store: held.store });
    await held.reached;
    await world.state.delete(['leases/orders.archive.rs0.json']);
    await writeOne();
    expect(await world.turn()).toMatchObject({ status: 'archived' });
    held.release();
    expect(await late).toMatchObject({ status: 'archived', more: true });
    await writeOne();
    await world.turn();
    await requireExact();
  });

  test('follow one another by the clock of the storage, however wrong their own clocks are', async () => {
    let storageNow = 1_000_000;
    world = new ArchiveWorld(set, () => storageNow);
    await world.turn();
    await writeOne();
    const dead = { left: 1, pace: [0] };
    const store = dyingStore(world.store, { left: Infinity, pace: [0] });
    const dies: ObjectStore = { ...store, put: () => Promise.reject(new Error('killed')) };
    await expect(world.turn({ store: dies, state: unreleasable(world.state) })).rejects.toThrow('killed');
    expect(dead.left).toBe(1);
    for (const hours of [-10, 10]) {
      const now = () => new Date(Date.now() + hours * 3_600_000);
      storageNow = 1_000_000 + 5 * 60_000 - 1;
      expect(await world.turn({ now })).toMatchObject({ status: 'busy' });
    }
    storageNow += 2;
    expect(await world.turn({ now: () => new Date(0) })).toMatchObject({ status: 'archived' });
    expect((await slices()).at(-1)?.header.fence).toBe(3);
    // The storage's own clock was hours ahead, and is put right.
    await writeOne();
    await expect(world.turn({ store: dies, state: unreleasable(world.state) })).rejects.toThrow('killed');
    storageNow -= 2 * 3_600_000;
    expect(await world.turn()).toMatchObject({ status: 'archived' });
  });

  test('of which one holds the lease and comes no further: the other does not stay silent', async () => {
    await world.turn();
    await writeOne();
    const held = stalled(world.store);
    const stuck = world.turn({ store: held.store });
    await held.reached;
    const inMinutes = (minutes: number) => ({ now: () => new Date(Date.now() + minutes * 60_000) });
    for (const minutes of [0, 14]) expect(await world.turn(inMinutes(minutes))).toMatchObject({ status: 'busy' });
    expect(world.events).toEqual([]);
    expect(await world.turn(inMinutes(16))).toMatchObject({ status: 'busy' });
    expect(world.events).toMatchObject([
      {
        detailType: 'Oplog Archive Stalled',
        detail: { explanation: expect.stringContaining('archives it since') as string },
      },
    ]);
    held.release();
    expect(await stuck).toMatchObject({ status: 'archived' });
    expect((await world.progress())?.stalled).toBeUndefined();
    await requireExact();
  });
});
