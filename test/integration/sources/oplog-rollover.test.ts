import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readDeploymentState } from '../../../local/proof/deployment-state.ts';
import { findDifferences } from '../../../local/proof/differences.ts';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { SystemClock } from '../../../src/adapters/process/system-clock.ts';
import { compareTimestamps, type Timestamp } from '../../../src/domain/timestamp.ts';
import { LoadBrake } from '../../../src/engine/source/load-brake.ts';
import { dumpHidden, stallingStore } from '../../support/dump-harness.ts';
import { noLogger } from '../../support/no-logger.ts';
import { restoreBackup } from '../../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../../support/take-backup.ts';

/** Rule 9, as far as it concerns a base: an oplog of 4 MB, which a busy application turns over in seconds. */
describe('an oplog that rolls over under a slow dump', () => {
  let set: ReplicaSetServers;
  let writing: AbortController;
  const items = () => set.client().db('shop').collection<{ _id: number; n: number; payload: Buffer }>('items');

  beforeAll(async () => {
    // The oplog is cut back to the last checkpoint; by default there is one in a minute.
    set = await startReplicaSet({ members: [{}], oplogSizeMb: 4, args: ['--syncdelay=1'] });
    await items().insertMany(
      Array.from({ length: 1500 }, (_, n) => ({ _id: n, n: 0, payload: randomBytes(8000) })),
      { writeConcern: { w: 1 } },
    );
  });
  afterAll(() => set.stop());
  afterEach(() => {
    writing.abort();
  });

  /** About 800 KB/s: the oplog holds some five seconds of it, and capture asks every second. */
  function startWriting(): { stop: () => Promise<void> } {
    writing = new AbortController();
    const { signal } = writing;
    const ended = (async () => {
      for (let n = 0; !signal.aborted; n += 1) {
        const payload = randomBytes(8000);
        await items().updateOne({ _id: n % 1500 }, { $inc: { n: 1 }, $set: { payload } });
        if (n % 3 === 0) await items().deleteOne({ _id: (n * 7) % 1500 });
        await delay(10);
      }
    })();
    return {
      stop: () => {
        writing.abort();
        return ended;
      },
    };
  }
  async function oplogEnd(direction: 1 | -1): Promise<Timestamp> {
    const [entry] = await set
      .client()
      .db('local')
      .collection<{ ts: { t: number; i: number } }>('oplog.rs')
      .find()
      .sort({ $natural: direction })
      .limit(1)
      .toArray();
    return { t: entry?.ts.t ?? 0, i: entry?.ts.i ?? 0 };
  }
  const forgotten = (ts: Timestamp) =>
    until('the oplog has forgotten it', async () => (compareTimestamps(await oplogEnd(1), ts) > 0 ? true : undefined));

  test('is captured meanwhile: the start is forgotten long before the end, and the restore is exact', async () => {
    const writer = startWriting();
    const { store, stalled, release } = stallingStore(new MemoryObjectStore());
    const taking = takeBackup({ set, store, codec: 'none', afterBase: () => writer.stop() });
    await stalled;
    await forgotten(await oplogEnd(-1));
    release();
    const manifest = await taking;
    const { base } = onlyPart(manifest);
    expect(compareTimestamps(await oplogEnd(1), base.captureFrom.ts)).toBeGreaterThan(0);
    await using target = await startTarget();
    await restoreBackup(target.client, store, manifest);
    const [expected, restored] = await Promise.all([
      readDeploymentState(set.client()),
      readDeploymentState(target.client),
    ]);
    expect(findDifferences(expected, restored)).toEqual([]);
  });

  async function startTarget() {
    const target = await startReplicaSet({ members: [{}], name: 'target' });
    return { client: target.client(), [Symbol.asyncDispose]: () => target.stop() };
  }

  test('and that capture falls behind, because the storage stood still: OplogRolledOver as soon as it goes on, not at the end', async () => {
    const writer = startWriting();
    const store = new MemoryObjectStore();
    const put = store.put.bind(store);
    const storing = Promise.withResolvers<undefined>();
    const goOn = Promise.withResolvers<undefined>();
    store.put = async (...args) => {
      storing.resolve(undefined);
      await goOn.promise;
      return put(...args);
    };
    // A clock by which a slice is due after a second; and collections that are read for as long as this test lasts.
    const start = Date.now();
    const clock = new SystemClock();
    clock.now = () => new Date(start + (Date.now() - start) * 60);
    const limits = { maxLagSeconds: 1000 };
    const load = { lagSeconds: 0, dirtyFraction: 0 };
    const brake = new LoadBrake({
      ...{ clock: new SystemClock(), logger: noLogger, bandwidth: 100_000, limits },
      ...{ readLoad: () => Promise.resolve(load), onChange: () => undefined },
    });
    let read = 0;
    const [primary] = set.members;
    const dumping = dumpHidden(Object.create(set, { hidden: { value: primary } }) as ReplicaSetServers, store, {
      ...{ clock, brake, codec: 'none', onProgress: ({ rawBytes }: { rawBytes: number }) => (read = rawBytes) },
    }).catch((error: unknown) => error);
    await storing.promise;
    await forgotten(await oplogEnd(-1));
    goOn.resolve(undefined);
    expect(await dumping).toMatchObject({
      name: 'OplogRolledOver',
      retryable: false,
      message: expect.stringMatching(/begins at \d+:\d+ \(term \d+\); \d+:\d+ \(term \d+\) is needed next/) as string,
    });
    expect(read).toBeLessThan(10_000_000);
    await writer.stop();
  });
});
