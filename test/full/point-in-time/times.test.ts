import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded } from '../../../local/embedded.ts';
import { until } from '../../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import type { HoldfastClient, RunStatus } from '../../../src/application/ports/holdfast-client.ts';
import { formatTimestamp, type Timestamp } from '../../../src/domain/timestamp.ts';
import { lastEntry } from '../../support/archive-oplog.ts';
import { untilCaughtUp } from '../../support/archive-world.ts';
import { noLogger } from '../../support/no-logger.ts';
import { takeClusterTimeAhead } from '../../support/cluster-time.ts';
import { archivedSettings, archiveToEnd } from '../../support/physical-set.ts';

/** What `--at` and `--before-drop` mean, on real servers: one collection is brought back under another name each time. */

let set: ReplicaSetServers;
let target: StandaloneServer;
let root: string;
let client: HoldfastClient;
let restores = 0;

const shop = () => set.client().db('shop');
const notes = () => shop().collection<{ _id: number }>('notes');
const latest = async (): Promise<Timestamp> => (await lastEntry(set)).ts;
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000', '');

async function write(_id: number): Promise<Timestamp> {
  await notes().insertOne({ _id });
  return latest();
}

/** The first entry of a second, which the source has not seen yet. */
async function writeInNewSecond(_id: number): Promise<Timestamp> {
  const { t } = await latest();
  await until('the source is in another second', () =>
    Promise.resolve(Date.now() / 1000 > t + 1.05 ? true : undefined),
  );
  return write(_id);
}

async function restore(request: object): Promise<{ status: RunStatus; ids: number[] }> {
  const name = `notes_${++restores}`;
  const { runId } = await client.startRestore({
    ...{ backup: 'orders', to: target.uri, namespaces: ['shop.notes'] },
    ...{ renames: [{ from: 'shop.notes', to: `back.${name}` }] },
    ...request,
  });
  const status = await client.waitForRun(runId);
  const found = await target.client().db('back').collection<{ _id: number }>(name).find().sort({ _id: 1 }).toArray();
  return { status, ids: found.map(({ _id }) => _id) };
}

async function idsAt(at: string): Promise<number[]> {
  const { status, ids } = await restore({ at });
  expect(status).toMatchObject({ status: 'succeeded', error: null });
  return ids;
}

async function backUp(): Promise<void> {
  const { runId } = await client.startBackup({ deployment: 'orders', method: 'logical' });
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
}

beforeAll(async () => {
  root = await makeOwnDirectory('times');
  [set, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] }),
    startStandalone(),
  ]);
  await notes().insertOne({ _id: 0 }, { writeConcern: { w: 'majority' } });
  client = await openEmbedded({ settings: archivedSettings(set, join(root, 'product')), logger: noLogger });
  await backUp();
});
afterAll(async () => {
  await client.close();
  await Promise.all([set.stop(), target.stop()]);
  await removeOwnDirectory(root);
});

describe('a time', () => {
  test('of a second is all of it; of an entry up to and with it; latest is everything', async () => {
    const first = await writeInNewSecond(1);
    const inSameSecond: number[] = [1];
    let [last, id] = [first, 1];
    // As many as fit: at least two more entries of the second.
    for (; id < 4; inSameSecond.push(id)) {
      id += 1;
      last = await write(id);
      if (last.t !== first.t) break;
    }
    const ofSecond = inSameSecond.filter((one) => one !== id || last.t === first.t);
    const next = await writeInNewSecond(50);
    const after = await writeInNewSecond(60);
    await untilCaughtUp(set, set.hidden);
    await archiveToEnd(client, set);
    const upTo = [0, ...ofSecond];
    expect(await idsAt(iso(first.t))).toEqual(last.t === first.t ? upTo : expect.arrayContaining(upTo));
    expect(await idsAt(iso(first.t - 1))).toEqual([0]);
    expect(await idsAt(formatTimestamp(first))).toEqual([0, 1]);
    // Nothing lies exactly there: everything before it.
    expect(await idsAt(formatTimestamp({ t: first.t, i: first.i - 1 }))).toEqual([0]);
    expect(await idsAt(formatTimestamp({ t: next.t, i: next.i - 1 }))).toEqual([0, ...inSameSecond]);
    expect(await idsAt(iso(next.t))).toEqual([0, ...inSameSecond, 50]);
    expect(await idsAt(formatTimestamp(after))).toEqual([0, ...inSameSecond, 50, 60]);
    expect(await idsAt('latest')).toEqual([0, ...inSameSecond, 50, 60]);
  });

  test('that has not been archived, or is before every base, is refused with the nearest that can be had', async () => {
    const { t } = await latest();
    for (const at of [iso(t + 3600), '2026-01-01T00:00:00Z']) {
      const { status, ids } = await restore({ at });
      expect(status).toMatchObject({
        status: 'failed',
        error: { name: 'TimeNotRestorable', message: expect.stringContaining('nearest to it') as string },
      });
      expect(ids).toEqual([]);
    }
  });
});

describe('before a drop', () => {
  test('is right before the last one of that name, up to a time when one is given; renames over it are drops', async () => {
    const before = await notes().find().sort({ _id: 1 }).toArray();
    await notes().drop();
    await shop().collection<{ _id: number }>('incoming').insertOne({ _id: 100 });
    await notes().insertOne({ _id: 90 });
    const between = await latest();
    await shop().collection('incoming').rename('notes', { dropTarget: true });
    await notes().insertOne({ _id: 101 });
    await archiveToEnd(client, set);
    const last = await restore({ beforeDrop: 'shop.notes' });
    expect(last).toMatchObject({ status: { status: 'succeeded' }, ids: [90] });
    const first = await restore({ beforeDrop: 'shop.notes', at: formatTimestamp(between) });
    expect(first).toMatchObject({ status: { status: 'succeeded' }, ids: before.map(({ _id }) => _id) });
    expect(await idsAt('latest')).toEqual([100, 101]);
    const never = await restore({ beforeDrop: 'shop.never' });
    expect(never.status).toMatchObject({ status: 'failed', error: { name: 'TimeNotRestorable' } });
  });
});

describe('a change of the feature compatibility version', () => {
  test('is crossed by no restore; before it and after the next base everything is', async () => {
    const admin = set.client().db('admin');
    const before = await write(200);
    for (const version of ['5.0', '6.0'])
      await admin.command({ setFeatureCompatibilityVersion: version, writeConcern: { w: 'majority' } });
    const across = await write(201);
    await archiveToEnd(client, set);
    expect(await idsAt(formatTimestamp(before))).toContain(200);
    const refused = await restore({ at: formatTimestamp(across) });
    expect(refused.status).toMatchObject({
      status: 'failed',
      error: {
        name: 'TimeNotRestorable',
        message: expect.stringContaining('feature compatibility version was changed') as string,
      },
    });
    expect(refused.ids).toEqual([]);
    // The gap has started it by itself.
    await until('there is another base', async () => ((await client.listBackups({})).length > 1 ? true : undefined));
    const after = await write(202);
    await archiveToEnd(client, set);
    expect((await idsAt(formatTimestamp(after))).slice(-3)).toEqual([200, 201, 202]);
    expect((await restore({ at: formatTimestamp(across) })).status).toMatchObject({ status: 'failed' });
    expect((await restore({ at: formatTimestamp(before) })).status).toMatchObject({ status: 'succeeded' });
  });
});

describe('a set whose clocks were put back by hours', () => {
  test('has entries of one second, which `t:i` tells apart; times in the future of this machine are restored', async () => {
    const hours = 3;
    const before = await write(300);
    await takeClusterTimeAhead(set, hours * 3600);
    const [first, second] = [await write(301), await write(302)];
    expect(second).toEqual({ t: first.t, i: first.i + 1 });
    expect(first.t).toBeGreaterThan(Date.now() / 1000 + (hours - 1) * 3600);
    await archiveToEnd(client, set);
    expect((await idsAt(formatTimestamp(before))).at(-1)).toBe(300);
    expect((await idsAt(formatTimestamp(first))).slice(-2)).toEqual([300, 301]);
    expect((await idsAt(formatTimestamp(second))).slice(-2)).toEqual([301, 302]);
    expect((await idsAt(iso(first.t - 1))).at(-1)).toBe(300);
    // More may come in that second, for hours.
    expect((await restore({ at: iso(first.t) })).status).toMatchObject({ error: { name: 'TimeNotRestorable' } });
    const [window] = (await client.recoveryWindow({ deployment: 'orders' })).replicaSets;
    expect(window?.latest?.t).toBe(first.t);
    expect(window?.rpoSeconds).toBeLessThan(-(hours - 1) * 3600);
    await backUp();
    await takeClusterTimeAhead(set, 2);
    const third = await write(303);
    await archiveToEnd(client, set);
    expect((await idsAt(iso(first.t))).slice(-2)).toEqual([301, 302]);
    expect((await idsAt(iso(third.t - 1))).at(-1)).toBe(302);
    expect((await idsAt('latest')).at(-1)).toBe(303);
    const gaps = (window?.holes ?? []).flatMap((hole) => hole.gaps.map(({ reason }) => reason));
    expect(new Set(gaps)).toEqual(new Set(['featureCompatibilityVersionChanged']));
  });
});
