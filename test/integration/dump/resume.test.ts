import type { Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { until } from '../../../local/servers/poll.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { DumpPartInput } from '../../../src/engine/dump/dump-input.ts';
import { readCheckpoint } from '../../../src/engine/dump/read-checkpoint.ts';
import { decode, hiddenDump, keysOf, partPrefix, readBase, readRaw } from '../../support/dump-harness.ts';
import { gateScans } from '../../support/gated-scans.ts';
import { type AttemptOptions, attemptDump } from '../../support/killed-dump.ts';

interface Item {
  readonly _id: number;
  readonly text: string;
}

const names = ['one', 'two'];
const prefix = stateKeys.checkpoints('run', 'rs0');

let set: ReplicaSetServers;
beforeAll(async () => {
  // No checkpoint of the storage engine but those that are asked for: one now, or a crash would undo the initial sync.
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], args: ['--syncdelay=3600'] });
  await makeStable();
  for (const name of names) await fill(name);
});
afterAll(() => set.stop());

/** The storage engine's checkpoint passes everything that a majority has now. */
async function makeStable(): Promise<void> {
  const admin = set.clientFor(set.hidden).db('admin');
  const time = async (field: 'lastStableRecoveryTimestamp' | 'optimes') => {
    const { [field]: found } = await admin.command({ replSetGetStatus: 1 });
    return (
      field === 'optimes' ? (found as { lastCommittedOpTime: { ts: Timestamp } }).lastCommittedOpTime.ts : found
    ) as Timestamp;
  };
  const now = await time('optimes');
  await until('the checkpoint is stable', async () => {
    await admin.command({ fsync: 1 });
    return (await time('lastStableRecoveryTimestamp')).greaterThanOrEqual(now) || undefined;
  });
}

async function fill(name: string): Promise<void> {
  const documents = Array.from({ length: 6000 }, (_, _id) => ({ _id, text: 'x'.repeat(60) }));
  await set
    .client()
    .db('shop')
    .collection<Item>(name)
    .insertMany(documents, { writeConcern: { w: 2 } });
}

/** A run: its storages, and workers that follow each other. */
class Run {
  readonly store = new MemoryObjectStore();
  readonly state = new MemoryObjectStore();

  /** The first worker is told to end in the middle of both scans. @param meanwhile what happens before */
  async begin(collections = names, meanwhile: () => Promise<unknown> = () => Promise.resolve()) {
    const gate = gateScans(set.clientFor(set.hidden), collections);
    const terminated = new AbortController();
    const options = { attempt: 1, client: gate.client, signal: terminated.signal };
    const attempt = this.attempt(options);
    await Promise.race([gate.held, attempt]);
    await meanwhile();
    terminated.abort(new HoldfastError('WorkerLost', 'told to end'));
    gate.release();
    return attempt;
  }

  attempt(options: Partial<AttemptOptions & DumpPartInput> & Pick<AttemptOptions, 'attempt'> & { client?: unknown }) {
    const { input, deps } = hiddenDump(set, this.store);
    const own = { ...deps, ...(options.client !== undefined && { client: options.client as typeof deps.client }) };
    return attemptDump({ ...input, parallel: 3, ...options }, own, { state: this.state, ...options });
  }

  checkpoint() {
    return readCheckpoint({ store: this.state, prefix }, partPrefix);
  }

  /** The next worker completes a base that holds what the member does, in packs of those attempts. */
  async expectComplete(attempt: Awaited<ReturnType<Run['attempt']>>, attempts: readonly number[]) {
    if (!attempt.result) throw attempt.error;
    const { documents } = await readBase(this.store, attempt.result);
    for (const name of names) {
      const [held, has] = [documents.get(`shop.${name}`), await readRaw(set.clientFor(set.hidden), `shop.${name}`)];
      const ids = (of: readonly Buffer[] = []) => of.map((raw) => Number(decode(raw)['_id'])).toSorted((a, b) => a - b);
      expect(ids(held)).toEqual(ids(has));
    }
    const packs = attempt.result.base.packs.map(({ key }) => Number(/packs\/(\d{4})-/.exec(key)?.[1]));
    expect([...new Set(packs)]).toEqual(attempts);
  }
}

describe('the attempt after one that ended', () => {
  test('goes on behind its last stored frames, and reads nothing of them again', async () => {
    const run = new Run();
    const { report } = await run.begin();
    expect(report.ended).toBe('failed');
    const second = await run.attempt({ attempt: 2 });
    expect(second.report).toMatchObject({ ended: 'completed', savedBytes: report.readBytes, complaints: [] });
    expect(second.report.readBytes + report.readBytes).toBe(second.result?.base.rawBytes);
    await run.expectComplete(second, [1, 2]);
    const third = await run.attempt({ attempt: 3 });
    expect(third.report, 'a base whose answer got lost').toMatchObject({ readBytes: 0 });
    await run.expectComplete(third, [1, 2]);
  });

  test('begins anew when the member was resynced', async () => {
    const run = new Run();
    await run.begin();
    // What an initial sync does; a member's local database takes writes at any time.
    const local = set.clientFor(set.hidden).db('local');
    await local.command({ update: 'replset.initialSyncId', updates: [{ q: {}, u: { $set: { changed: true } } }] });
    const second = await run.attempt({ attempt: 2 });
    expect(second.report).toMatchObject({ savedBytes: 0, complaints: [expect.stringContaining('rolled back')] });
    await run.expectComplete(second, [2]);
  });

  test('begins anew, and says so, when its checkpoint is damaged, a pack is gone, or another member is read', async () => {
    const flip = async ({ state }: Run) => {
      const key = (await keysOf(state)).findLast((one) => one.startsWith(prefix)) ?? '';
      const { body } = await state.get(key);
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 4;
      await state.put(key, body);
    };
    const lose = async ({ store }: Run) => {
      await store.delete([(await keysOf(store)).find((key) => key.endsWith('.pack')) ?? '']);
    };
    for (const [spoil, complaint] of [
      [flip, 'cannot be used'],
      [lose, 'is missing'],
    ] as const) {
      const run = new Run();
      await run.begin();
      await spoil(run);
      const second = await run.attempt({ attempt: 2 });
      expect(second.report).toMatchObject({ savedBytes: 0, complaints: [expect.stringContaining(complaint)] });
      await run.expectComplete(second, [2]);
    }
    const run = new Run();
    await run.begin();
    const primary = await set.primary();
    const other = { member: primary.host, client: set.clientFor(primary) };
    const second = await run.attempt({ attempt: 2, ...other });
    expect(second.report).toMatchObject({ savedBytes: 0, complaints: [expect.stringContaining('its member was')] });
    await run.expectComplete(second, [2]);
  });

  test('begins anew when the feature compatibility version was changed: going on would meet the change again', async () => {
    const run = new Run();
    const change = async (version: string) => {
      const command = { setFeatureCompatibilityVersion: version, writeConcern: { w: 'majority' } };
      await set.client().db('admin').command(command);
    };
    const gate = gateScans(set.clientFor(set.hidden), names);
    const first = run.attempt({ attempt: 1, client: gate.client });
    await gate.held;
    expect(await run.checkpoint()).toBeDefined();
    await change('5.0');
    await change('6.0');
    await set
      .client()
      .db('shop')
      .collection('last')
      .insertOne({}, { writeConcern: { w: 2 } });
    gate.release();
    expect((await first).error).toMatchObject({ name: 'FeatureCompatibilityVersionChanged' });
    expect(await run.checkpoint()).toBeUndefined();
    await run.expectComplete(await run.attempt({ attempt: 2 }), [2]);
  });

  test('begins anew when the member crashed: it counts that as a rollback', async () => {
    const run = new Run();
    await run.begin();
    await set.hidden.kill();
    await set.hidden.restart();
    await set.healthy();
    const second = await run.attempt({ attempt: 2 });
    expect(second.report).toMatchObject({ savedBytes: 0, complaints: [expect.stringContaining('rolled back')] });
    await run.expectComplete(second, [2]);
  });

  test('after a restart of the member reads again what may have other RecordIds, and only that', async () => {
    const db = set.client().db('shop');
    await db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true } });
    await fill('clustered');
    for (const durable of [false, true]) {
      const run = new Run();
      await run.begin([...names, 'clustered'], async () => {
        if (durable) await makeStable();
      });
      expect((await run.checkpoint())?.member.durable, 'the fact behind the test').toBe(durable);
      await set.hidden.restart();
      await set.healthy();
      const second = await run.attempt({ attempt: 2 });
      expect(second.report).toMatchObject({ ended: 'completed', complaints: [] });
      const found = await run.checkpoint();
      const kept = (name: string): number => {
        const uuid = found?.catalog.find((entry) => entry.ns === `shop.${name}`)?.uuid ?? '';
        const frames = [...(found?.collections.get(uuid)?.frames ?? [])];
        return frames.filter(({ pack }) => pack.startsWith('0001-')).length;
      };
      expect(kept('clustered')).toBeGreaterThan(0);
      expect(kept('one') > 0).toBe(durable);
      if (!second.result) throw second.error;
      const { documents } = await readBase(run.store, second.result);
      for (const name of [...names, 'clustered'])
        expect(new Set(documents.get(`shop.${name}`)?.map((raw) => Number(decode(raw)['_id']))).size).toBe(6000);
    }
  });
});
