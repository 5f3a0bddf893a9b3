import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { MongodProcess } from '../../../local/servers/mongod-process.ts';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import type { OpTime, Timestamp } from '../../../src/domain/timestamp.ts';
import type { DumpPartResult } from '../../../src/engine/dump/dump-part.ts';
import { captureTo } from '../../../src/engine/oplog/capture-to.ts';
import { decode, dumpHidden, partPrefix, readBase, stallingStore } from '../../support/dump-harness.ts';

/**
 * Consistency rule 5, as it ran when the rule was found: a member is dumped that holds 20 documents which no majority
 * has; the others elect a new primary without them, and go on.
 */
describe('rule 5, a member that is rolled back', () => {
  let set: ReplicaSetServers;
  let dumped: MongodProcess;
  let others: readonly MongodProcess[];
  const items = (member: MongodProcess) =>
    set.clientFor(member).db('shop').collection<{ _id: number; big?: string }>('items');
  const fetching = (member: MongodProcess, on: boolean) =>
    set
      .clientFor(member)
      .db('admin')
      .command({ configureFailPoint: 'stopReplProducer', mode: on ? 'off' : 'alwaysOn' });
  const alone = { writeConcern: { w: 1 } };

  beforeEach(async () => {
    // Nobody but this test decides who is primary, and (by test commands) who fetches from whom.
    set = await startReplicaSet({
      members: [{}, {}, {}],
      electionTimeoutMillis: 120_000,
      args: ['--setParameter=enableTestCommands=1'],
    });
    dumped = await set.primary();
    others = set.members.filter((member) => member !== dumped);
    const documents = Array.from({ length: 100 }, (_, n) => ({ _id: n, big: 'x'.repeat(600_000) }));
    for (let at = 0; at < 100; at += 20)
      await items(dumped).insertMany(documents.slice(at, at + 20), { writeConcern: { w: 3 } });
    await Promise.all(others.map((member) => fetching(member, false)));
    await items(dumped).insertMany(
      Array.from({ length: 20 }, (_, n) => ({ _id: 1000 + n })),
      alone,
    );
  });
  afterEach(() => set.stop());

  /** The others go on without the 20; then the dumped member comes back to them. */
  async function failOver(): Promise<void> {
    dumped.signal('SIGSTOP');
    const [next, third] = others as [MongodProcess, MongodProcess];
    const admin = set.clientFor(next).db('admin');
    await until('another member is primary', async () => {
      const { isWritablePrimary } = await admin.command({ hello: 1 });
      if (isWritablePrimary === true) return true;
      await admin.command({ replSetStepUp: 1 });
      // It would wait for what the old primary has, and it does not.
      await admin.command({ replSetAbortPrimaryCatchUp: 1 });
      return undefined;
    });
    // By itself it might choose the one that stands still, which is ahead, and wait for it.
    await set.clientFor(third).db('admin').command({ replSetSyncFrom: next.host });
    await Promise.all(others.map((member) => fetching(member, true)));
    for (let n = 0; n < 30; n += 1) await items(next).insertOne({ _id: 2000 + n }, { writeConcern: { w: 2 } });
    dumped.signal('SIGCONT');
    await until('the old primary has rolled back', async () => {
      const found = await items(dumped).findOne({ _id: 2029 }, { readPreference: 'nearest' });
      const { secondary } = await set.clientFor(dumped).db('admin').command({ hello: 1 });
      return found !== null && secondary === true ? true : undefined;
    });
  }

  /** The harness dumps the hidden member; here it is to be this one. */
  const dumpedSet = () => Object.create(set, { hidden: { value: dumped } }) as ReplicaSetServers;

  function capture(store: MemoryObjectStore, { base, point }: DumpPartResult, restoreTime: Timestamp | undefined) {
    const { signal } = new AbortController();
    return captureTo(
      {
        ...{ oplogPrefix: artifactKeys.oplog(partPrefix), from: base.captureFrom, applyFrom: base.applyFrom, point },
        ...{ restoreTime, member: dumped.host, replicaSet: set.name, runId: 'run', fence: 7 },
      },
      { client: set.clientFor(dumped), store, signal, checkFence: () => Promise.resolve() },
    );
  }

  async function majority(member: MongodProcess): Promise<Timestamp> {
    const { lastWrite } = await set.clientFor(member).db('admin').command({ hello: 1 });
    const { ts } = (lastWrite as { majorityOpTime: OpTime }).majorityOpTime;
    return { t: ts.t, i: ts.i };
  }

  test('after its dump: the base, which holds 20 phantoms, is never captured to a restore time', async () => {
    const store = new MemoryObjectStore();
    const result = await dumpHidden(dumpedSet(), store);
    const { documents } = await readBase(store, result);
    const ids = (documents.get('shop.items') ?? []).map((raw) => Number(decode(raw)['_id']));
    expect(
      ids.filter((id) => id >= 1000),
      'the fact behind the rule',
    ).toHaveLength(20);

    await failOver();
    expect(await items(dumped).countDocuments({ _id: { $gte: 1000, $lt: 2000 } })).toBe(0);
    await vi.waitFor(async () => {
      const [now, { ts: point }] = [await majority(dumped), result.point];
      expect(now.t > point.t || (now.t === point.t && now.i > point.i)).toBe(true);
    });
    await expect(capture(store, result, await majority(dumped))).rejects.toMatchObject({
      name: 'MemberStateChanged',
      retryable: true,
    });
  });

  test('during its dump: the dump fails as one to take again', async () => {
    const { store, stalled, release } = stallingStore(new MemoryObjectStore());
    const dumping = dumpHidden(dumpedSet(), store, { codec: 'none' });
    const outcome = dumping.then(
      () => 'a base',
      (error: unknown) => error,
    );
    await stalled;
    await failOver();
    release();
    const error = await outcome;
    expect(error).toMatchObject({ retryable: true });
    expect(['MemberStateChanged', 'SourceUnreachable']).toContain((error as Error).name);
  });
});
