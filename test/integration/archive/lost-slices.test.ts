import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { beginsWith } from '../../../src/application/archive-check-record.ts';
import type { ObjectStore } from '../../../src/application/ports/object-store.ts';
import { checkArchive } from '../../../src/application/use-cases/check-archive.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { isOpenGap } from '../../../src/domain/oplog-archive.ts';
import { archivePrefix, ArchiveWorld, setId, untilCaughtUp, write } from '../../support/archive-world.ts';
import { entryAt } from '../../support/archived-world.ts';
import { dyingStore } from '../../support/dying-store.ts';
import { damaging } from '../../support/failing-archive-store.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { storeSlice } from '../../support/made-slices.ts';
import { at } from '../../support/oplog-entries.ts';

const leaseKey = stateKeys.archiveLease('orders', 'rs0');
let set: ReplicaSetServers;
let world: ArchiveWorld;
let id = 0;
beforeAll(async () => {
  set = await startReplicaSet({
    members: [{}, { hidden: true, votes: 0 }],
    args: ['--setParameter=disableLogicalSessionCacheRefresh=1'],
  });
});
afterAll(() => set.stop());

const slices = () => world.slices();
async function writeOne(payload?: string): Promise<void> {
  await write(set, ++id, payload);
  await untilCaughtUp(set, set.hidden);
}
async function requireExact(): Promise<void> {
  expect((await world.entries()).map(String)).toEqual((await world.oplog()).map(String));
}
beforeEach(() => {
  world = new ArchiveWorld(set);
});

describe('slices that the check finds lost', () => {
  const check = () => checkArchive({ deployment: 'orders', seconds: 60, now: true }, world.deps());
  const told = () => world.events.map(({ detailType }) => detailType);
  const keyOf = async (n: number) => (await slices()).map(({ key }) => key)[n] ?? '';
  const open = async () => (await world.gaps()).filter(isOpenGap);
  beforeEach(async () => {
    for (let n = 0; n < 5; n += 1) {
      await writeOne();
      await world.turn();
    }
  });
  async function requireWhole(count: number): Promise<void> {
    await requireExact();
    expect(await slices()).toHaveLength(count);
    expect(await check()).toMatchObject([{ status: 'whole', slices: count }]);
    expect(await open()).toEqual([]);
    expect(await world.progress()).not.toMatchObject({ lost: expect.anything() as unknown });
  }

  test('are written again from a member that has their entries: the window is whole, and no base is wished', async () => {
    const [before, window] = [await slices(), async () => world.window([(await slices())[0]?.header.to ?? at(1)])];
    await world.store.delete([await keyOf(2)]);
    expect(await check()).toMatchObject([{ status: 'lost' }]);
    expect((await world.progress())?.wantsBase).toBeDefined();
    expect((await window()).window.ranges.at(-1)?.to).toEqual(before[1]?.header.to.ts);
    expect(await world.turn()).toMatchObject({ baseDue: false });
    expect(told()).toEqual(['Recovery Gap Detected', 'Recovery Gap Filled']);
    expect((await world.progress())?.wantsBase).toBeUndefined();
    await requireWhole(before.length);
    expect((await slices()).map(({ header }) => header.sha256)).toEqual(before.map(({ header }) => header.sha256));
    expect((await window()).window.ranges.at(-1)?.to).toEqual(before.at(-1)?.header.to.ts);
    // The same is lost again: as new as the first time.
    await world.store.delete([await keyOf(2)]);
    await check();
    expect(await open()).toHaveLength(1);
    expect(told()).toHaveLength(3);
    await world.turn();
    await requireWhole(before.length);
  });

  test('beside damaged ones, the last one too: each is replaced, at its own place', async () => {
    const keys = (await slices()).map(({ key }) => key);
    await flipBit(world.store, keys[4] ?? '');
    await world.store.put(keys[2] ?? '', Buffer.from('nothing'));
    await world.store.delete([keys[1] ?? '']);
    await check();
    expect(await open()).toHaveLength(2);
    await world.turn();
    await requireWhole(keys.length);
    expect((await slices()).map(({ key }) => key)).toEqual(keys);
  });

  test('of which a turn has time for one only: each turn goes on where the one before came to, until they are all there', async () => {
    const keys = (await slices()).map(({ key }) => key);
    for (const key of keys.slice(1, 4)) await flipBit(world.store, key);
    await check();
    let later = 0;
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + later);
    const store: ObjectStore = {
      ...dyingStore(world.store, { left: Infinity, pace: [0] }),
      put: (key, ...rest) => {
        // More than a turn has for what is lost.
        if (keys.includes(key)) later += 15_000;
        return world.store.put(key, ...rest);
      },
    };
    try {
      for (const n of [2, 3]) {
        await world.turn({ store });
        expect((await world.gaps()).map(({ filledTo }) => filledTo?.ts)).toEqual([(await slices())[n]?.header.from.ts]);
        expect(told()).toEqual(['Recovery Gap Detected']);
      }
      await world.turn({ store });
    } finally {
      clock.mockRestore();
    }
    expect(told()).toEqual(['Recovery Gap Detected', 'Recovery Gap Filled']);
    await requireWhole(keys.length);
  });

  test('that an earlier turn wrote, and died before it noted that, are read and not written again', async () => {
    const keys = (await slices()).map(({ key }) => key);
    const bodies = await Promise.all(keys.map(async (key) => (await world.store.get(key)).body));
    await world.store.delete(keys.slice(1, 4));
    await check();
    for (const n of [1, 2]) await world.store.put(keys[n] ?? '', bodies[n] ?? Buffer.alloc(0));
    const put: string[] = [];
    const inner = dyingStore(world.store, { left: Infinity, pace: [0] });
    const store: ObjectStore = { ...inner, put: (key, ...rest) => (put.push(key), world.store.put(key, ...rest)) };
    await world.turn({ store });
    expect(put.filter((key) => keys.includes(key))).toEqual([keys[3]]);
    await requireWhole(keys.length);
  });

  test('are written again by a turn that follows one that died, wherever it died, and by two at once', async () => {
    const { length } = await slices();
    const members = [{ host: set.hidden.host }];
    for (let calls = 0, died = true; died; calls += 3) {
      await flipBit(world.store, await keyOf(3));
      await world.store.delete([await keyOf(2)]);
      await check();
      const life = { left: calls, pace: [0] };
      const mortal = { members, store: dyingStore(world.store, life), state: dyingStore(world.state, life) };
      died = await world.turn(mortal).then(
        () => life.left === 0,
        () => true,
      );
      // As its lease does, once five minutes are over.
      await world.state.delete([leaseKey]);
      await Promise.all([world.turn(), world.turn()]);
      await world.turn();
      await requireWhole(length);
    }
  });

  test('stay a gap where the oplog has forgotten them, and where they were pruned meanwhile; a member that is away is waited for', async () => {
    await world.store.delete((await slices()).slice(1, 3).map(({ key }) => key));
    const [first, second] = await slices();
    await check();
    const away = await world.turn({ members: [{ host: '127.0.0.1:1' }] }).catch(String);
    expect(away).toContain('SourceUnreachable');
    expect((await world.progress())?.lost).toEqual([first?.header.to]);
    const place = { deployment: 'orders', replicaSet: 'rs0', replicaSetId: setId, storage: 'laptop' };
    await beginsWith(world.state, place, second?.header.from ?? at(1));
    await world.turn();
    expect(await slices()).toHaveLength(3);
    expect((await world.progress())?.lost).toBeUndefined();

    world = new ArchiveWorld(set);
    await world.turn();
    const made = new MemoryObjectStore();
    for (const [from, to] of [
      [100, 200],
      [200, 300],
      [300, 400],
    ] as const) {
      const old = await storeSlice(made, [entryAt(from, 1), entryAt(to, 1)]);
      await world.store.put(artifactKeys.slice(archivePrefix, old.from.ts), (await made.get(old.key)).body);
    }
    await check();
    await world.store.delete([await keyOf(1)]);
    expect(await check()).toMatchObject([{ status: 'lost' }]);
    await world.turn();
    expect(await open()).toMatchObject([{ after: { ts: { t: 200 } } }, { after: { ts: { t: 400 } } }]);
    expect(await world.progress()).not.toMatchObject({ lost: expect.anything() as unknown });
    expect((await world.progress())?.wantsBase).toBeDefined();
  });
});

describe('the storage', () => {
  test('that damages a slice is found out by reading it back, and gets it once more', async () => {
    await world.turn();
    await writeOne('z'.repeat(1000));
    expect(await world.turn({ store: damaging(world.store, 1) })).toMatchObject({ status: 'archived' });
    await requireExact();
  });

  test('that damages it twice fails the turn; the next one writes it again', async () => {
    await world.turn();
    await writeOne('z'.repeat(1000));
    await expect(world.turn({ store: damaging(world.store, 2) })).rejects.toMatchObject({ name: 'VerificationFailed' });
    await writeOne();
    await world.turn();
    await requireExact();
  });

  test('that loses the last slice gets it again, while the source still has the entries', async () => {
    await world.turn();
    await writeOne();
    await world.turn();
    await world.store.delete([(await slices()).at(-1)?.key ?? '']);
    await writeOne();
    await world.turn();
    await requireExact();
    expect(await world.gaps()).toEqual([]);
  });

  test('of the state that hangs at the end of a turn does not keep it', async () => {
    await world.turn();
    await writeOne();
    const inner = dyingStore(world.state, { left: Infinity, pace: [0] });
    let writes = 0;
    const state: ObjectStore = {
      ...inner,
      put: async (key, ...rest) => {
        const written = await inner.put(key, ...rest);
        if (key.startsWith('archives/')) writes += 1;
        return written;
      },
      get: (key) => (writes > 0 && key.startsWith('leases/') ? new Promise(() => undefined) : inner.get(key)),
    };
    expect(await world.turn({ state })).toMatchObject({ status: 'archived' });
    expect(writes).toBe(1);
  });

  test('that does not answer fails the turn, and nothing is lost', async () => {
    await world.turn();
    await writeOne();
    const silent: ObjectStore = {
      ...dyingStore(world.store, { left: Infinity, pace: [0] }),
      put: () => Promise.reject(new Error('no answer')),
    };
    await expect(world.turn({ store: silent })).rejects.toThrow('no answer');
    expect(world.events).toEqual([]);
    const now = () => new Date(Date.now() + 16 * 60_000);
    await expect(world.turn({ store: silent, now })).rejects.toThrow('no answer');
    expect(world.events).toMatchObject([
      {
        detailType: 'Oplog Archive Stalled',
        detail: { explanation: expect.stringContaining('no answer') as string },
      },
    ]);
    expect(await world.turn()).toMatchObject({ status: 'archived' });
    expect((await world.progress())?.stalled).toBeUndefined();
    await requireExact();
  });

  test('that damages a slice while its archiver hangs: what another one wrote over it stays', async () => {
    await world.turn();
    await writeOne();
    const [read, go] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const damaged = damaging(world.store, 1);
    const store: ObjectStore = {
      ...damaged,
      get: async (key) => {
        const found = await damaged.get(key);
        read.resolve(undefined);
        await go.promise;
        return found;
      },
    };
    const late = world.turn({ store }).catch((error: unknown) => error);
    await read.promise;
    await world.state.delete(['leases/orders.archive.rs0.json']);
    await writeOne();
    expect(await world.turn()).toMatchObject({ status: 'archived' });
    const before = (await slices()).map(({ header }) => header.sha256);
    go.resolve(undefined);
    expect(await late).toMatchObject({ name: 'LeaseLost' });
    expect((await slices()).map(({ header }) => header.sha256)).toEqual(before);
    await requireExact();
  });
});
