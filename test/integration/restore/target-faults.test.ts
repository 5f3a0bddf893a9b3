import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { markOf, restoreBackup } from '../../support/restore-backup.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

/** Whatever happens to the target in the middle: the restore says so, the mark stays, and the next restore is whole. */
let set: ReplicaSetServers;
let store: MemoryObjectStore;
let manifest: Manifest;
beforeAll(async () => {
  set = await startReplicaSet({ members: [{}], name: 'target' });
});
afterAll(() => set.stop());

const anew = { overwrite: 'target' };
const documents = Array.from({ length: 50 }, (_, n) => ({ _id: n, text: 'x'.repeat(200_000) }));
beforeEach(async () => {
  store = new MemoryObjectStore();
  manifest = await makeBackup(store, {
    collections: [
      { ns: 'shop.orders', uuid: 1, documents },
      { ns: 'shop.others', uuid: 2, documents },
    ],
    entries: [3, 4, 5].map((i) => rawEntry(i, { op: 'i', ns: 'shop.orders', ui: ui(1), o: { _id: `later ${i}` } })),
  });
});

function member() {
  const [first] = set.members;
  if (!first) throw new TypeError('the set has a member');
  return first;
}
const client = () => set.clientFor(member());
const orders = () => client().db('shop').collection('orders');

/** Lets something happen before the nth read of a kind of object. */
function before(kind: 'packs' | 'oplog', nth: number, happen: () => Promise<unknown>): void {
  const [get, getRange] = [store.get.bind(store), store.getRange.bind(store)];
  let reads = 0;
  const count = async (key: string) => {
    if (key.includes(`/${kind}/`) && ++reads === nth) await happen();
  };
  store.get = async (key) => count(key).then(() => get(key));
  store.getRange = async (...range) => count(range[0]).then(() => getRange(...range));
}

/** @param at where in the restore it was */
async function expectFailure(restoring: Promise<unknown>, message: RegExp, at: RegExp): Promise<void> {
  const failure = { name: 'TargetUnreachable', message: expect.stringMatching(message) as string };
  await expect(restoring).rejects.toMatchObject(failure);
  await set.healthy();
  const mark = await markOf(client());
  expect(mark).toMatchObject({ run: 'restore-1', state: expect.stringMatching(at) as string });
  store = new MemoryObjectStore();
  manifest = await makeBackup(store, { collections: [{ ns: 'shop.orders', uuid: 1, documents }] });
  await restoreBackup(client(), store, manifest, { ...anew, runId: 'restore-2' });
  expect(await orders().countDocuments()).toBe(documents.length);
  expect(await markOf(client())).toBeNull();
}

const ordersLoaded = () => expect.poll(() => orders().countDocuments(), { timeout: 60_000 }).toBe(documents.length);
const stepDown = () =>
  client().db('admin').command({ replSetStepDown: 600, secondaryCatchUpPeriodSecs: 0, force: true });
const stepUp = () => client().db('admin').command({ replSetFreeze: 0 });

describe('a target', () => {
  it('that steps down while collections are loaded', async () => {
    before('packs', 2, stepDown);
    const restoring = restoreBackup(client(), store, manifest, { ...anew, parallel: 1 });
    await expect(restoring).rejects.toMatchObject({ details: {} });
    await stepUp();
    await expectFailure(restoring, /stopped being a writable primary during an insert into shop/, /loading/);
  });

  it('that steps down while the oplog is replayed', async () => {
    before('oplog', 2, stepDown);
    const restoring = restoreBackup(client(), store, manifest, anew);
    await expect(restoring).rejects.toMatchObject({ details: {} });
    await stepUp();
    await expectFailure(restoring, /stopped being a writable primary during the replay/, /replaying/);
  });

  it('that steps down and up again in between', async () => {
    before('packs', 2, async () => {
      await ordersLoaded();
      await stepDown();
      await stepUp();
      await set.healthy();
    });
    await expectFailure(
      restoreBackup(client(), store, manifest, { ...anew, parallel: 1 }),
      /another primary/,
      /loading|replay/,
    );
  });

  it('that is killed and started again in between', async () => {
    before('packs', 2, async () => {
      await ordersLoaded();
      await member().kill();
      await member().restart();
      await set.healthy();
    });
    const restoring = restoreBackup(client(), store, manifest, { ...anew, parallel: 1 });
    await expectFailure(restoring, /another primary|stopped answering/, /loading|replay/);
  });

  it('whose connection is cut in the middle of an insert', async () => {
    const proxy = await startTcpProxy(member().port);
    await using through = new MongoClient(`mongodb://${proxy.host}/?directConnection=true`);
    let cut = false;
    before('packs', 2, () => {
      void proxy.afterRequests(1_000_000).then(() => {
        cut = true;
      });
      return Promise.resolve();
    });
    const restoring = restoreBackup(through, store, manifest, { ...anew, parallel: 1 });
    await expectFailure(restoring, /stopped answering during an insert into shop/, /loading/);
    expect(cut).toBe(true);
    await proxy.close();
  });

  it('that dies while the oplog is replayed', async () => {
    before('oplog', 2, () => member().kill());
    await using impatient = new MongoClient(`mongodb://${member().host}/?directConnection=true`, {
      serverSelectionTimeoutMS: 500,
    });
    const restoring = restoreBackup(impatient, store, manifest, anew);
    await expect(restoring).rejects.toMatchObject({ details: {} });
    await member().restart();
    await expectFailure(restoring, /stopped answering during/, /replaying/);
  });
});
