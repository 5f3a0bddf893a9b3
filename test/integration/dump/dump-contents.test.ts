import type { CollectionInfo } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { findLeftOutCollections } from '../../../src/engine/dump/left-out-collections.ts';
import { estimateBytes } from '../../../src/engine/dump/list-namespaces.ts';
import type { DumpPartResult } from '../../../src/engine/dump/dump-part.ts';
import { readSlices } from '../../../src/engine/oplog/read-slices.ts';
import { readOplogEntry } from '../../../src/engine/oplog/oplog-entry.ts';
import { seedFixture } from '../../support/deployment-hashes.ts';
import { captureUntilReached, decode, dumpHidden, keysOf, readBase, readRaw } from '../../support/dump-harness.ts';

describe('what a dump of the fixture holds', () => {
  let set: ReplicaSetServers;
  let dumped: DumpPartResult;
  let base: Awaited<ReturnType<typeof readBase>>;
  const store = new MemoryObjectStore();
  const hidden = () => set.clientFor(set.hidden);
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], auth: true });
    await seedFixture(set.client());
    // The last write carries a majority that includes the hidden member, so that nothing is on its way any more.
    await set
      .client()
      .db('shop')
      .collection('last')
      .insertOne({ _id: 1 as never }, { writeConcern: { w: 2 } });
    dumped = await dumpHidden(set, store);
    base = await readBase(store, dumped);
  });
  afterAll(() => set.stop());

  test('every document of every namespace, byte by byte, in natural order', async () => {
    const collections = base.index.namespaces.filter(({ documents }) => documents !== null);
    for (const { ns, documents, rawBytes } of collections) {
      const source = await readRaw(hidden(), ns);
      const held = base.documents.get(ns) ?? [];
      expect(held.length, ns).toBe(source.length);
      expect(Buffer.concat(held).equals(Buffer.concat(source)), ns).toBe(true);
      expect({ ns, documents, rawBytes }).toEqual({
        ns,
        documents: source.length,
        rawBytes: Buffer.concat(source).length,
      });
    }
    expect(dumped.base.documents).toBe(collections.reduce((sum, { documents }) => sum + (documents ?? 0), 0));
    expect(dumped.usersAndRoles).toBe(true);
  });

  test('options, index specs and UUIDs as the catalog has them, and nothing that a server makes anew', async () => {
    const names = base.index.namespaces.map(({ ns }) => ns);
    for (const db of ['admin', 'files', 'shop', 'tenants']) {
      for (const info of await hidden().db(db).listCollections().toArray()) {
        const ns = `${db}.${info.name}`;
        const line = base.index.namespaces.find((namespace) => namespace.ns === ns);
        if (ns === 'admin.system.keys') expect(line).toBeUndefined();
        else {
          expect(line?.type, ns).toBe(info.type);
          expect(decode(Buffer.from(line?.options ?? '', 'base64')), ns).toEqual((info as CollectionInfo).options);
          const uuid = (info as { info?: { uuid?: { toHexString(dashes: boolean): string } } }).info?.uuid;
          expect(line?.uuid, ns).toBe(uuid?.toHexString(false) ?? null);
        }
      }
    }
    const orders = base.index.namespaces.find(({ ns }) => ns === 'shop.orders');
    const specs = (orders?.indexes ?? []).map((spec) => decode(Buffer.from(spec, 'base64')));
    expect(specs).toEqual(await hidden().db('shop').collection('orders').indexes());
    expect(names).toEqual(
      expect.arrayContaining(['shop.system.js', 'shop.system.views', 'shop.system.buckets.weather']),
    );
    expect(names.filter((ns) => /^(local|config)\./.test(ns))).toEqual([]);
  });

  test('an index on keys that look like integers keeps their order', async () => {
    const key = new Map([
      ['b', 1],
      ['0', 1],
    ]);
    await set
      .client()
      .db('shop')
      .command({ createIndexes: 'empty', indexes: [{ key, name: 'odd' }] });
    await set
      .client()
      .db('shop')
      .collection('last')
      .insertOne({ _id: 2 as never }, { writeConcern: { w: 2 } });
    const shared = new MemoryObjectStore();
    const { index } = await readBase(shared, await dumpHidden(set, shared));
    const spec = index.namespaces.find(({ ns }) => ns === 'shop.empty')?.indexes[1];
    const names = [
      ...Buffer.from(spec ?? '', 'base64')
        .toString('latin1')
        .matchAll(/\x10([b0])\0/g),
    ].map(([, name]) => name);
    expect(names).toEqual(['b', '0']);
  });

  test('a collection that became a view since it was listed has no size, and does not end the dump', async () => {
    const source = { client: hidden(), member: set.hidden.host, signal: new AbortController().signal };
    const [view] = (await hidden().db('shop').listCollections({ type: 'view' }).toArray()).map(({ name }) => name);
    expect(await estimateBytes(source, `shop.${view ?? ''}`)).toBe(0);
    await expect(
      hidden()
        .db('shop')
        .command({ dataSize: `shop.${view ?? ''}` }),
    ).rejects.toMatchObject({ code: 166 });
  });

  test('collections of config that are not the server’s are named as left out', async () => {
    const source = { client: hidden(), member: set.hidden.host, signal: new AbortController().signal };
    expect(await findLeftOutCollections(source)).toEqual([]);
    const config = set.client().db('config');
    for (const name of ['mine', 'settings']) await config.collection(name).insertOne({}, { writeConcern: { w: 2 } });
    expect(await findLeftOutCollections(source)).toEqual([
      expect.stringMatching(/: config\.mine is not in the backup/),
    ]);
    for (const name of ['mine', 'settings']) await config.collection(name).drop();
  });

  test('packs and index agree with what the storage says of them', async () => {
    for (const object of [dumped.base.index, ...dumped.base.packs]) {
      expect(await store.checksum(object.key)).toBe(object.crc32);
      expect((await store.head(object.key))?.size).toBe(object.size);
    }
    expect(dumped.base.storedBytes).toBe(dumped.base.packs.reduce((sum, { size }) => sum + size, 0));
  });

  test('of an idle set the captured oplog is the one entry at the restore time', async () => {
    const idle = new MemoryObjectStore();
    const result = await dumpHidden(set, idle);
    const captured = await captureUntilReached(set, idle, result);
    const entries = [];
    for await (const slice of readSlices(idle, captured.slices))
      entries.push(...slice.map((raw) => readOplogEntry(raw).opTime));
    expect(entries[0]).toEqual(result.base.captureFrom);
    expect(entries).toContainEqual(result.point);
    const before = await keysOf(idle);
    expect((await captureUntilReached(set, idle, result)).slices).toEqual(captured.slices);
    expect(await keysOf(idle)).toEqual(before);
  });
});
