import { type ClientSession, type Document, Long } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { compareTimestamps, formatTimestamp } from '../../../src/domain/timestamp.ts';
import type { DumpPartResult } from '../../../src/engine/dump/dump-part.ts';
import { captureTo, type CaptureToInput, type CaptureToResult } from '../../../src/engine/oplog/capture-to.ts';
import { readOplogEntry, transactionRole } from '../../../src/engine/oplog/oplog-entry.ts';
import { readSlices } from '../../../src/engine/oplog/read-slices.ts';
import { captureUntilReached, dumpHidden, keysOf, partPrefix } from '../../support/dump-harness.ts';

const everywhere = { writeConcern: { w: 2 } };

describe('capturing to the restore time', () => {
  let set: ReplicaSetServers;
  let store: MemoryObjectStore;
  let dumped: DumpPartResult;
  let written = 0;
  const items = () => set.client().db('shop').collection('items');
  /** Until the hidden member knows that what it has is majority-committed. */
  const settled = () =>
    vi.waitFor(
      async () => {
        const { lastWrite } = await set.clientFor(set.hidden).db('admin').command({ hello: 1 });
        const { opTime, majorityOpTime } = lastWrite as Document;
        expect(majorityOpTime).toEqual(opTime);
      },
      { timeout: 20_000, interval: 20 },
    );
  const write = async (): Promise<void> => {
    await items().insertOne({ _id: `item ${++written}` as never }, everywhere);
    await settled();
  };
  beforeAll(async () => {
    // Test commands: only with them a plain set prepares a transaction.
    set = await startReplicaSet({
      members: [{}, { hidden: true, votes: 0 }],
      args: ['--setParameter=enableTestCommands=1'],
    });
    await write();
  });
  afterAll(() => set.stop());
  beforeEach(async () => {
    store = new MemoryObjectStore();
    dumped = await dumpHidden(set, store);
  });

  function capture(changes: Partial<CaptureToInput> = {}): Promise<CaptureToResult> {
    const { base, point } = dumped;
    const input: CaptureToInput = {
      ...{ oplogPrefix: artifactKeys.oplog(partPrefix), from: base.captureFrom, applyFrom: base.applyFrom, point },
      ...{ restoreTime: point.ts, member: set.hidden.host, replicaSet: set.name, runId: 'run', fence: 7, ...changes },
    };
    const { signal } = new AbortController();
    return captureTo(input, { client: set.clientFor(set.hidden), store, signal, checkFence: () => Promise.resolve() });
  }

  test('rule 8: without a restore time it takes what is committed, step by step, into one chain', async () => {
    const slices = [];
    for (let n = 0; n < 3; n++) {
      await write();
      slices.push((await capture({ restoreTime: undefined })).slices);
    }
    expect(slices.map(({ length }) => length)).toEqual([1, 2, 3]);
    const ids: string[] = [];
    for await (const entries of readSlices(store, slices[2] ?? []))
      for (const raw of entries) ids.push(formatTimestamp(readOplogEntry(raw).opTime.ts));
    expect(new Set(ids).size).toBe(ids.length);
    expect((await capture({ restoreTime: undefined })).waitingFor).toBe('the restore time');
  });

  test('rules 8 and 9: a start that the oplog forgot is OplogRolledOver, one of another term OplogGap, both with both times', async () => {
    const { captureFrom } = dumped.base;
    const old = { ts: { t: captureFrom.ts.t - 1000, i: 1 }, t: captureFrom.t };
    await expect(capture({ from: old })).rejects.toMatchObject({
      name: 'OplogRolledOver',
      message: expect.stringMatching(new RegExp(`begins at \\d+:\\d+.*${formatTimestamp(old.ts)}`)) as string,
    });
    await write();
    const other = { ...captureFrom, t: captureFrom.t + 1 };
    await expect(capture({ from: other, restoreTime: undefined })).rejects.toMatchObject({
      name: 'OplogGap',
      message: expect.stringMatching(/term 2\).*\(term 1\)/) as string,
    });
    expect(await keysOf(store)).not.toContainEqual(expect.stringContaining('/oplog/'));
  });

  test('rules 8 and 9: a slice lost from the storage is OplogGap', async () => {
    for (let n = 0; n < 3; n++) {
      await write();
      await capture({ restoreTime: undefined });
    }
    const middle = (await keysOf(store)).filter((key) => key.includes('/oplog/'))[1] ?? '';
    await store.delete([middle]);
    await expect(capture({ restoreTime: undefined })).rejects.toMatchObject({ name: 'OplogGap' });
  });

  test('rule 4: a point that is not in the history of the majority fails the base as one to take again', async () => {
    const point = { ...dumped.point, t: dumped.point.t + 1 };
    await expect(capture({ point })).rejects.toMatchObject({ name: 'MemberStateChanged', retryable: true });
  });

  test('rule 9: a change of the feature compatibility version up to the restore time fails the base, a later one does not', async () => {
    const admin = set.client().db('admin');
    for (const version of ['5.0', '6.0'])
      await admin.command({ setFeatureCompatibilityVersion: version, ...everywhere });
    await settled();
    expect((await capture()).reached).toBe(true);
    const { lastWrite } = await set.clientFor(set.hidden).db('admin').command({ hello: 1 });
    const { ts } = (lastWrite as { opTime: { ts: { t: number; i: number } } }).opTime;
    store = new MemoryObjectStore();
    await expect(capture({ restoreTime: { t: ts.t, i: ts.i } })).rejects.toMatchObject({
      name: 'FeatureCompatibilityVersionChanged',
      retryable: true,
    });
  });

  test('it goes on until a transaction that is prepared at the restore time is decided, and holds all of its entries', async () => {
    const session = set.client().startSession();
    const prepareTimestamp = await prepare(session);
    await write();
    store = new MemoryObjectStore();
    dumped = await dumpHidden(set, store);
    expect(compareTimestamps(dumped.base.captureFrom.ts, dumped.base.applyFrom.ts)).toBeLessThan(0);
    await write();
    const waiting = await capture();
    expect(waiting).toMatchObject({ reached: false, waitingFor: expect.stringContaining('prepared at') as string });
    await set.client().db('admin').command({ commitTransaction: 1, commitTimestamp: prepareTimestamp }, { session });
    await write();
    const { slices } = await captureUntilReached(set, store, dumped);
    const roles: unknown[] = [];
    for await (const entries of readSlices(store, slices))
      for (const raw of entries) roles.push(transactionRole(readOplogEntry(raw)));
    expect(roles.filter(Boolean)).toEqual(['prepare', 'commit']);
    await session.endSession();
  });

  test('a transaction that began before the chain, and was not seen then, puts slices in front', async () => {
    const session = set.client().startSession();
    const prepareTimestamp = await prepare(session);
    await write();
    dumped = await dumpHidden(set, (store = new MemoryObjectStore()));
    // As if config.transactions had been read before the transaction was in it.
    const { applyFrom } = dumped.base;
    store = new MemoryObjectStore();
    await write();
    await capture({ from: applyFrom, restoreTime: undefined });
    await set.client().db('admin').command({ commitTransaction: 1, commitTimestamp: prepareTimestamp }, { session });
    await write();
    const { slices } = await capture({ from: applyFrom, restoreTime: undefined });
    expect(slices[0]?.from).toEqual(dumped.base.captureFrom);
    expect(slices.map(({ from }) => from)).toContainEqual(applyFrom);
    expect((await capture({ from: applyFrom })).slices).toEqual(slices);
    await session.endSession();
  });

  async function prepare(session: ClientSession): Promise<unknown> {
    session.startTransaction();
    await items().insertOne({ _id: `prepared ${++written}` as never }, { session });
    const reply = await set
      .client()
      .db('admin')
      .command({ prepareTransaction: 1, txnNumber: Long.fromNumber(session.serverSession.txnNumber) }, { session });
    return (reply as { prepareTimestamp: unknown }).prepareTimestamp;
  }
});
