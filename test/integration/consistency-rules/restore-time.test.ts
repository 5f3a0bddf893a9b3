import type { Document } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MongodProcess } from '../../../local/servers/mongod-process.ts';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { compareTimestamps, sameOpTime } from '../../../src/domain/timestamp.ts';
import { captureTo } from '../../../src/engine/oplog/capture-to.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { readSlices } from '../../../src/engine/oplog/read-slices.ts';
import { readMemberState } from '../../../src/engine/source/member-state.ts';
import { dumpHidden, partPrefix } from '../../support/dump-harness.ts';

/** Two votes, of which one stops: what is written then reaches the hidden member, and no majority. */
describe('rules 1, 3 and 4, the restore time of a set whose majority stands still', () => {
  let set: ReplicaSetServers;
  let secondary: MongodProcess;
  beforeAll(async () => {
    set = await startReplicaSet({
      members: [{}, {}, { hidden: true, votes: 0 }],
      electionTimeoutMillis: 120_000,
      args: ['--setParameter=enableTestCommands=1'],
    });
    const primary = await set.primary();
    secondary = set.members.find((member) => member !== primary && member !== set.hidden) ?? primary;
    await set.clientFor(set.hidden).db('admin').command({ replSetSyncFrom: primary.host });
    await items().insertOne({ _id: 1 }, { writeConcern: { w: 3 } });
  });
  afterAll(() => set.stop());

  const items = () => set.client().db('shop').collection<{ _id: number }>('items');
  const fetching = (on: boolean) =>
    set
      .clientFor(secondary)
      .db('admin')
      .command({ configureFailPoint: 'stopReplProducer', mode: on ? 'off' : 'alwaysOn' });
  const hiddenState = () =>
    readMemberState(
      { client: set.clientFor(set.hidden), member: set.hidden.host, signal: new AbortController().signal },
      set.name,
    );

  test('is the optime after the last document that was read, and is reached when a majority has passed it', async () => {
    await fetching(false);
    await items().insertOne({ _id: 2 }, { writeConcern: { w: 1 } });
    await until('the hidden member has what no majority has', async () => {
      const { lastApplied, majority } = await hiddenState();
      const found = await set.clientFor(set.hidden).db('shop').collection('items').countDocuments();
      return found === 2 && compareTimestamps(lastApplied.ts, majority.ts) > 0 ? true : undefined;
    });
    const store = new MemoryObjectStore();
    const dumped = await dumpHidden(set, store);
    const { base, point } = dumped;
    expect(base.namespaces.find(({ ns }) => ns === 'shop.items')?.documents).toBe(2);
    expect(compareTimestamps(point.ts, (await hiddenState()).majority.ts)).toBeGreaterThan(0);

    const input = {
      ...{ oplogPrefix: artifactKeys.oplog(partPrefix), from: base.captureFrom, applyFrom: base.applyFrom, point },
      ...{ restoreTime: point.ts, member: set.hidden.host, replicaSet: set.name, runId: 'run', fence: 7 },
    };
    const { signal } = new AbortController();
    const capture = () =>
      captureTo(input, { client: set.clientFor(set.hidden), store, signal, checkFence: () => Promise.resolve() });
    for (let turn = 0; turn < 3; turn++) expect((await capture()).reached).toBe(false);

    await fetching(true);
    const { slices } = await until('the restore time is reached', async () => {
      const result = await capture();
      return result.reached ? result : undefined;
    });
    let held = false;
    for await (const entries of readSlices(store, slices))
      held ||= entries.some((raw) => sameOpTime(readOplogEntry(raw).opTime, point));
    expect(held, 'the entry of the restore time, same term, is in the captured oplog').toBe(true);
  });

  test('is reached on an idle set by its own no-op writer: nothing is written to make it so', async () => {
    const oplog = set.client().db('local').collection('oplog.rs');
    const [written] = await oplog.find({ op: 'i', ns: 'shop.items' }).sort({ $natural: -1 }).limit(1).toArray();
    const later = (await oplog.find({ ts: { $gt: (written as Document)['ts'] as unknown } }).toArray()) as Document[];
    const notes = later.filter(({ op, o }) => op !== 'n' || (o as Document)['msg'] !== 'periodic noop');
    expect(notes.map((note) => JSON.stringify(note))).toEqual([]);
  });
});
