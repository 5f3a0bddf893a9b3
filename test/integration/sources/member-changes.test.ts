import { mkdir, rm } from 'node:fs/promises';
import type { MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { SystemClock } from '../../../src/adapters/process/system-clock.ts';
import type { DumpPartResult } from '../../../src/engine/dump/dump-part.ts';
import { LoadBrake } from '../../../src/engine/source/load-brake.ts';
import { MemberLoadReader } from '../../../src/engine/source/member-load.ts';
import { type DumpOverrides, dumpHidden, readBase } from '../../support/dump-harness.ts';
import { seedDocuments } from '../../support/embedded-set.ts';
import { noLogger } from '../../support/no-logger.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { connectDirect } from '../../../src/adapters/mongodb/connect.ts';

const megabytes = 24;

describe('a hidden member that changes while it is dumped', () => {
  let set: ReplicaSetServers;
  let proxy: TcpProxy;
  let clients: MongoClient[];

  beforeAll(async () => {
    set = await startReplicaSet({
      members: [{}, { hidden: true, votes: 0 }],
      args: ['--setParameter=enableTestCommands=1'],
    });
    await seedDocuments(set, megabytes);
  });
  afterAll(() => set.stop());
  beforeEach(async () => {
    clients = [];
    proxy = await startTcpProxy(set.hidden.port);
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await proxy.close();
  });

  const hidden = () => set.clientFor(set.hidden).db('admin');
  const secondaryAgain = () =>
    until('the hidden member is a secondary again', async () => {
      const { secondary, lastWrite } = await hidden().command({ hello: 1 });
      const { majorityOpTime } = lastWrite as { majorityOpTime?: { t: unknown } };
      return secondary === true && Number(majorityOpTime?.t) > 0 ? true : undefined;
    });

  async function dump(overrides: DumpOverrides = {}, store = new MemoryObjectStore()): Promise<DumpPartResult> {
    const client = await connectDirect({
      host: proxy.host,
      settings: { uri: 'mongodb://db/?serverSelectionTimeoutMS=5000' },
      appName: 'holdfast test',
    });
    clients.push(client);
    return dumpHidden(set, store, { client, ...overrides });
  }
  async function expectWholeDump(): Promise<void> {
    const store = new MemoryObjectStore();
    const { documents } = await readBase(store, await dump({}, store));
    expect(documents.get('shop.orders')).toHaveLength(megabytes * 16);
  }

  /** Does something while the dump stands still in the middle of a reply. @returns how the dump ended */
  async function inTheMiddle(change: () => Promise<unknown>): Promise<unknown> {
    const stalled = proxy.after(8_000_000, 'stall');
    const ended = dump().catch((error: unknown) => error);
    await stalled;
    await change();
    proxy.release();
    return ended;
  }
  const oneOf = (...names: string[]) => expect.stringMatching(new RegExp(`^(${names.join('|')})$`)) as string;

  test('killed and started again: the dump is to be tried again, and is whole then', async () => {
    const failure = await inTheMiddle(async () => {
      await set.hidden.kill();
      await set.hidden.restart();
    });
    expect(failure).toMatchObject({ name: oneOf('SourceUnreachable', 'MemberStateChanged'), retryable: true });
    await secondaryAgain();
    await expectWholeDump();
  });

  test('in RECOVERING: the dump fails by that name, also at its start, and is whole when the member is back', async () => {
    const failure = await inTheMiddle(() => hidden().command({ replSetMaintenance: true }));
    expect(failure).toMatchObject({ name: 'MemberStateChanged', retryable: true });
    await expect(dump()).rejects.toMatchObject({ name: 'MemberStateChanged' });
    await hidden().command({ replSetMaintenance: false });
    await secondaryAgain();
    await expectWholeDump();
  });

  describe('rule 5, resynced', () => {
    const resync = async () => {
      await set.hidden.stop();
      await rm(set.hidden.dbPath, { recursive: true });
      await mkdir(set.hidden.dbPath);
      await set.hidden.restart();
      await secondaryAgain();
    };

    test('in the middle of a read: the dump is to be tried again, and is whole then', async () => {
      expect(await inTheMiddle(resync)).toMatchObject({
        name: oneOf('SourceUnreachable', 'MemberStateChanged'),
        retryable: true,
      });
      await expectWholeDump();
    });

    test('between two reads, so that none of them fails: the new initialSyncId tells, and the base is not trusted', async () => {
      const reached = Promise.withResolvers<undefined>();
      const resynced = Promise.withResolvers<undefined>();
      const store = new MemoryObjectStore();
      const putStream = store.putStream.bind(store);
      store.putStream = async (...args) => {
        const written = await putStream(...args);
        reached.resolve(undefined);
        await resynced.promise;
        return written;
      };
      // Capture takes its first step before, and its next one after.
      const clock = new SystemClock();
      clock.sleep = (_milliseconds, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        });
      const ended = dump({ clock }, store).catch((error: unknown) => error);
      await reached.promise;
      await resync();
      resynced.resolve(undefined);
      expect(await ended).toMatchObject({
        name: 'MemberStateChanged',
        retryable: true,
        message: expect.stringContaining('rolled back or resynced') as string,
      });
    });
  });

  test('read with a bandwidth limit: no faster than that', async () => {
    const brake = new LoadBrake({
      ...{ clock: new SystemClock(), logger: noLogger, bandwidth: 8 * 2 ** 20, limits: { maxLagSeconds: 60 } },
      ...{ readLoad: () => Promise.resolve({ lagSeconds: 0, dirtyFraction: 0 }), onChange: () => undefined },
    });
    const start = performance.now();
    const { base } = await dump({ brake, codec: 'none' });
    const seconds = (performance.now() - start) / 1000;
    expect(base.rawBytes / seconds).toBeLessThan(1.5 * 8 * 2 ** 20);
    expect(brake.summary).toBeUndefined();
  });

  test('lagging: reading stops while the lag is over the limit, says so, and goes on when the member has caught up', async () => {
    const states: (string | null)[] = [];
    const reader = new MemberLoadReader(noLogger);
    const brake = new LoadBrake({
      ...{ clock: new SystemClock(), logger: noLogger, bandwidth: undefined, limits: { maxLagSeconds: 2 } },
      readLoad: (source) => reader.read(source),
      onChange: (state) => states.push(state),
    });
    await hidden().command({ configureFailPoint: 'rsSyncApplyStop', mode: 'alwaysOn' });
    const writes = set.client().db('shop').collection('writes');
    await until('the hidden member lags', async () => {
      await writes.insertOne({});
      const { members } = await hidden().command({ replSetGetStatus: 1 });
      const [head, own] = (members as { optime: { ts: { t: number } } }[]).map(({ optime }) => optime.ts.t);
      return (head ?? 0) - (own ?? 0) > 3 ? true : undefined;
    });
    let read = 0;
    const onProgress = ({ rawBytes }: { rawBytes: number }) => (read = rawBytes);
    const store = new MemoryObjectStore();
    const running = dump({ brake, onProgress }, store);
    const looks = (count: number) =>
      until('the brake has looked', () =>
        Promise.resolve(states.filter((state) => state?.startsWith('stopped')).length >= count ? true : undefined),
      );
    await looks(2);
    const before = read;
    await looks(4);
    expect(read).toBe(before);
    expect(read).toBeLessThan(megabytes * 500_000);
    expect(states[0]).toMatch(/^stopped: replication lag \d+ s \(limit 2 s\)$/);
    await hidden().command({ configureFailPoint: 'rsSyncApplyStop', mode: 'off' });
    const { documents } = await readBase(store, await running);
    expect(documents.get('shop.orders')).toHaveLength(megabytes * 16);
    expect(brake.summary?.seconds).toBeGreaterThanOrEqual(2);
    expect(brake.summary?.reason).toContain('replication lag');
  });
});
