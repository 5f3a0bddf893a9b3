import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { compareTimestamps, type Timestamp } from '../../../src/domain/timestamp.ts';
import { arrayDocuments } from '../../../src/engine/bson/raw-values.ts';
import { findElement } from '../../../src/engine/bson/raw-document.ts';
import type { DumpPartResult } from '../../../src/engine/dump/dump-part.ts';
import {
  type OplogEntry,
  readOplogEntry,
  transactionKey,
  transactionRole,
} from '../../../src/engine/oplog/oplog-entry.ts';
import { readSlices } from '../../../src/engine/oplog/read-slices.ts';
import {
  captureUntilReached,
  decode,
  dumpHidden,
  keysOf,
  readBase,
  readRaw,
  stallingStore,
} from '../../support/dump-harness.ts';

const everywhere = { writeConcern: { w: 2 } };
const megabyte = 'x'.repeat(1024 * 1024);

/** Enough that a stalled storage stops the scan in the middle: more than queue, budget and batches hold. */
async function fillBig(client: MongoClient, name: string): Promise<void> {
  const documents = Array.from({ length: 120 }, (_, n) => ({ _id: n as never, megabyte }));
  for (let at = 0; at < documents.length; at += 40)
    await client
      .db('shop')
      .collection(name)
      .insertMany(documents.slice(at, at + 40), everywhere);
}

/** Inserts and deletes of one collection, taken from base and captured oplog, in a model that knows nothing else. */
class Model {
  readonly documents = new Map<string, Buffer>();
  readonly #uuid: string;
  readonly #pending = new Map<string, Buffer[]>();

  constructor(uuid: string, base: readonly Buffer[]) {
    this.#uuid = uuid;
    for (const document of base) this.#put(document);
  }

  #put(document: Buffer): void {
    this.documents.set(String(decode(document)['_id']), document);
  }

  apply(entry: OplogEntry): void {
    const role = transactionRole(entry);
    if (!role) {
      this.#operation(entry);
      return;
    }
    const element = entry.o && findElement(entry.o, 'applyOps');
    const operations = entry.o && element ? [...arrayDocuments(entry.o, element)] : [];
    const pending = [...(this.#pending.get(transactionKey(entry)) ?? []), ...operations];
    this.#pending.set(transactionKey(entry), pending);
    if (role === 'partial' || role === 'prepare') return;
    this.#pending.delete(transactionKey(entry));
    // Operations inside a transaction have no ts of their own.
    if (role !== 'abort')
      for (const raw of pending) {
        const { op, o } = decode(raw) as { op: string; o: { _id: unknown } };
        if (op === 'i') this.documents.set(String(o._id), Buffer.alloc(0));
      }
  }

  #operation(entry: OplogEntry): void {
    if (entry.ui !== this.#uuid || !entry.o) return;
    if (entry.op === 'i') this.#put(entry.o);
    if (entry.op === 'd') this.documents.delete(String(decode(entry.o)['_id']));
  }
}

async function entriesTo(
  store: MemoryObjectStore,
  slices: DumpPartResult['slices'],
  to: Timestamp,
): Promise<OplogEntry[]> {
  const entries: OplogEntry[] = [];
  for await (const slice of readSlices(store, slices))
    for (const raw of slice) {
      const entry = readOplogEntry(raw);
      if (compareTimestamps(entry.opTime.ts, to) <= 0) entries.push(entry);
    }
  return entries;
}

describe('a dump of a set that changes', () => {
  let set: ReplicaSetServers;
  const shop = () => set.client().db('shop');
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 990 });
    await fillBig(set.client(), 'big');
  });
  afterAll(() => set.stop());

  test('base and captured oplog together hold every insert and delete up to the restore time, of transactions too', async () => {
    await shop()
      .collection('hot')
      .insertMany(
        Array.from({ length: 500 }, (_, n) => ({ _id: n as never })),
        everywhere,
      );
    const session = set.client().startSession();
    session.startTransaction();
    await shop()
      .collection('hot')
      .insertOne({ _id: 'open at the start' as never }, { session });
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    const dumping = dumpHidden(set, store, { codec: 'none' });
    await stalled;
    const large = set.client().startSession();
    await large.withTransaction(async () => {
      for (let n = 0; n < 20; n++)
        await shop()
          .collection('hot')
          .insertOne({ _id: `large ${n}` as never, megabyte }, { session: large });
    });
    for (let n = 500; n < 900; n++)
      await shop()
        .collection('hot')
        .insertOne({ _id: n as never });
    await shop()
      .collection('hot')
      .deleteMany({ _id: { $lt: 100 as never } });
    await session.commitTransaction();
    release();
    const result = await dumping;
    await shop()
      .collection('hot')
      .insertOne({ _id: 'after the point' as never }, everywhere);
    await Promise.all([session.endSession(), large.endSession()]);

    const captured = await captureUntilReached(set, memory, result);
    const { index, documents } = await readBase(memory, result);
    const uuid = index.namespaces.find(({ ns }) => ns === 'shop.hot')?.uuid;
    const model = new Model(uuid ?? '', documents.get('shop.hot') ?? []);
    const entries = await entriesTo(memory, captured.slices, result.point.ts);
    for (const entry of entries) model.apply(entry);
    const source = (await readRaw(set.client(), 'shop.hot')).map((raw) => String(decode(raw)['_id']));
    expect([...model.documents.keys(), 'after the point'].toSorted()).toEqual(source.toSorted());
    expect(source).toHaveLength(500 + 20 + 400 - 100 + 2);
    const partial = entries.filter((entry) => transactionRole(entry) === 'partial');
    expect(partial.length, 'a transaction of more than 16 MiB is a chain of entries').toBeGreaterThan(0);
  });

  test('a collection renamed while it is read comes whole, once; one that is dropped is left out', async () => {
    await fillBig(set.client(), 'renamed');
    await fillBig(set.client(), 'dropped');
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    // Three lanes: each of the three large collections has its cursor open when the storage stalls.
    const dumping = dumpHidden(set, store, { codec: 'none', parallel: 3 });
    await stalled;
    await set.client().db('admin').command({ renameCollection: 'shop.renamed', to: 'shop.other' });
    await shop().collection('dropped').drop();
    await shop()
      .collection('hot')
      .insertOne({ _id: 'replicated' as never }, everywhere);
    release();
    const result = await dumping;
    const { documents } = await readBase(memory, result);
    expect([...documents.keys()].filter((ns) => ns.startsWith('shop.'))).toEqual([
      'shop.big',
      'shop.hot',
      'shop.renamed',
    ]);
    const renamed = (documents.get('shop.renamed') ?? []).map((raw) => Number(decode(raw)['_id']));
    expect(renamed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 120 }, (_, n) => n));
    expect(result.base.documents).toBe([...documents.values()].flat().length);
    await shop().collection('other').drop();
  });

  test('an abort ends it at once, leaves nothing in the storage and no cursor on the member', async () => {
    const open = async () => {
      const status = await set.clientFor(set.hidden).db('admin').command({ serverStatus: 1 });
      return (status as unknown as { metrics: { cursor: { open: { noTimeout: number } } } }).metrics.cursor.open
        .noTimeout;
    };
    const before = await open();
    const memory = new MemoryObjectStore();
    const { store, stalled } = stallingStore(memory);
    const abort = new AbortController();
    const dumping = dumpHidden(set, store, { codec: 'none', signal: abort.signal });
    await stalled;
    expect(await open()).toBeGreaterThan(before);
    const started = performance.now();
    abort.abort(new HoldfastError('Cancelled', 'cancelled by the test'));
    await expect(dumping).rejects.toMatchObject({ name: 'Cancelled' });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(await keysOf(memory)).toEqual([]);
    await vi.waitFor(async () => {
      expect(await open()).toBe(before);
    }, 5000);
  });

  test('a member that was resynced meanwhile fails the base as one to take again', async () => {
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    const dumping = dumpHidden(set, store, { codec: 'none' }).catch((error: unknown) => error);
    await stalled;
    // What an initial sync does; a member's local database takes writes at any time.
    const updates = [{ q: {}, u: { $set: { resynced: true } } }];
    await set.clientFor(set.hidden).db('local').command({ update: 'replset.initialSyncId', updates });
    release();
    expect(await dumping).toMatchObject({ name: 'MemberStateChanged', retryable: true });
    expect((await keysOf(memory)).filter((key) => key.endsWith('index.ndjson.zst'))).toEqual([]);
  });

  test('a fence that is lost before a pack ends the dump with LeaseLost', async () => {
    const store = new MemoryObjectStore();
    const checkFence = () => Promise.reject(new HoldfastError('LeaseLost', 'another run took over'));
    await expect(dumpHidden(set, store, { checkFence })).rejects.toMatchObject({ name: 'LeaseLost' });
    expect(await keysOf(store)).toEqual([]);
  });

  test('a capture that fails ends the dump with its error', async () => {
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    let calls = 0;
    const checkFence = () => {
      // The first call is for the pack; the next one for a slice.
      calls += 1;
      return calls === 1 ? Promise.resolve() : Promise.reject(new HoldfastError('LeaseLost', 'another run took over'));
    };
    const dumping = dumpHidden(set, store, { codec: 'none', checkFence });
    const outcome = dumping.catch((error: unknown) => error);
    await stalled;
    // More than one slice holds, so that one is written while the scans wait for the storage.
    await shop()
      .collection('hot')
      .insertMany(
        Array.from({ length: 20 }, (_, n) => ({ _id: `slice ${n}` as never, megabyte })),
        everywhere,
      );
    expect(await outcome).toMatchObject({ name: 'LeaseLost' });
    release();
    expect(await keysOf(memory)).toEqual([]);
  });

  test('a member that restarts ends the dump with a retryable error; the next attempt continues the captured oplog', async () => {
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    const dumping = dumpHidden(set, store, { codec: 'none' }).catch((error: unknown) => error);
    await stalled;
    await set.hidden.restart();
    release();
    const error = await dumping;
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).retryable).toBe(true);
    expect(['SourceUnreachable', 'MemberStateChanged']).toContain((error as HoldfastError).name);
    expect(await keysOf(memory)).toEqual([]);

    await set.healthy();
    const next = stallingStore(memory);
    const dumpingAgain = dumpHidden(set, next.store, { attempt: 2 });
    await next.stalled;
    await shop()
      .collection('hot')
      .insertOne({ _id: 'attempt 2' as never }, everywhere);
    next.release();
    const second = await dumpingAgain;
    expect(second.slices).not.toEqual([]);
    await shop()
      .collection('hot')
      .insertOne({ _id: 'between attempts' as never }, everywhere);
    const third = await dumpHidden(set, memory, { attempt: 3 });
    expect(third.base.packs.every(({ key }) => key.includes('/packs/0003-'))).toBe(true);
    const captured = await captureUntilReached(set, memory, third);
    expect(captured.slices.slice(0, second.slices.length)).toEqual(second.slices);
    const entries = await entriesTo(memory, captured.slices, third.point.ts);
    for (const id of ['attempt 2', 'between attempts'])
      expect(entries.filter(({ op, raw }) => op === 'i' && raw.includes(id))).toHaveLength(1);
  });
});
