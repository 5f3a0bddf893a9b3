import { type Document, type MongoClient, Timestamp } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { RestorePartInput } from '../../../src/engine/restore/restore-part.ts';
import { type HandmadeBackup, makeBackup } from '../../support/handmade-backup.ts';
import { at, rawEntry, transactionEntry, ui, uuidHex } from '../../support/oplog-entries.ts';
import { restoreBackup } from '../../support/restore-backup.ts';

let target: StandaloneServer;
let client: MongoClient;
beforeAll(async () => {
  target = await startStandalone();
  client = target.client();
});
afterAll(() => target.stop());

async function restore(backup: HandmadeBackup, input: Partial<RestorePartInput> = {}) {
  const store = new MemoryObjectStore();
  const manifest = await makeBackup(store, backup);
  return restoreBackup(client, store, manifest, { overwrite: target.host, ...input });
}

const documents = (name: string) =>
  client.db('db').collection<{ _id: number }>(name).find().sort({ _id: 1 }).toArray() as Promise<Document[]>;
const names = async () =>
  (await client.db('db').listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).toSorted();
const indexes = async (name: string) =>
  Object.fromEntries(
    (await client.db('db').collection(name).indexes()).map((spec) => [spec.name, spec['expireAfterSeconds'] ?? null]),
  ) as Record<string, number | null>;

const insert = (i: number, _id: number, name = 'c', uuid = 1) =>
  rawEntry(i, { op: 'i', ns: `db.${name}`, ui: ui(uuid), o: { _id, at: i }, o2: { _id } });
const update = (i: number, _id: number, name = 'c', uuid = 1) =>
  rawEntry(i, { op: 'u', ns: `db.${name}`, ui: ui(uuid), o: { $v: 2, diff: { u: { v: i } } }, o2: { _id } });
const remove = (i: number, _id: number, name = 'c', uuid = 1) =>
  rawEntry(i, { op: 'd', ns: `db.${name}`, ui: ui(uuid), o: { _id } });
const command = (i: number, o: Document, uuid?: number) =>
  rawEntry(i, { op: 'c', ns: 'db.$cmd', ...(uuid === undefined ? {} : { ui: ui(uuid) }), o });
const base = { ns: 'db.c', uuid: 1, documents: [{ _id: 1 }, { _id: 2 }] };

describe('rule 11, transactions', () => {
  it('applies a prepared one by its commitTimestamp, though its commit entry is after the restore time', async () => {
    const prepare = { applyOps: [{ op: 'i', ns: 'db.c', ui: ui(1), o: { _id: 7 } }], prepare: true };
    const commit = { commitTransaction: 1, commitTimestamp: new Timestamp({ t: 100, i: 3 }) };
    const entries = [
      transactionEntry(2, 1, undefined, prepare).raw,
      insert(3, 3),
      transactionEntry(4, 1, at(2), commit).raw,
      insert(5, 5),
    ];
    await restore({ collections: [base], entries, restoreTime: 3 });
    expect((await documents('c')).map(({ _id }) => _id as number)).toEqual([1, 2, 3, 7]);
    const later = { ...commit, commitTimestamp: new Timestamp({ t: 100, i: 4 }) };
    await restore({
      collections: [base],
      entries: entries.with(2, transactionEntry(4, 1, at(2), later).raw),
      restoreTime: 3,
    });
    expect((await documents('c')).map(({ _id }) => _id as number)).toEqual([1, 2, 3]);
  });
});

describe('rule 13, collections by UUID', () => {
  it('replays entries with an old name onto the collection that was read under its new one', async () => {
    const rename = command(3, { renameCollection: 'db.old', to: 'db.c', stayTemp: false }, 1);
    const backup = { collections: [base], entries: [insert(2, 3, 'old'), rename, insert(4, 4)], point: 4 };
    await restore(backup);
    expect((await documents('c')).map(({ _id }) => _id as number)).toEqual([1, 2, 3, 4]);
    expect(await names()).toEqual(['c']);
    // As a server alone would take it (the fact behind the rule).
    const stale = { op: 'i', ns: 'db.old', ui: ui(1), o: { _id: 9 } };
    await expect(client.db('admin').command({ applyOps: [stale] })).rejects.toMatchObject({ code: 26 });
  });

  it('swaps two collections whose names were read at different times', async () => {
    const swap = [
      command(2, { renameCollection: 'db.a', to: 'db.t', stayTemp: false }, 1),
      command(3, { renameCollection: 'db.b', to: 'db.a', stayTemp: false }, 2),
      command(4, { renameCollection: 'db.t', to: 'db.b', stayTemp: false }, 1),
    ];
    // The first was read as t, in the middle of it all; the second at the start.
    const collections = [
      { ns: 'db.t', uuid: 1, documents: [{ _id: 1 }] },
      { ns: 'db.b', uuid: 2, documents: [{ _id: 2 }] },
    ];
    await restore({ collections, entries: swap, point: 4 });
    expect(await names()).toEqual(['a', 'b']);
    expect([await documents('a'), await documents('b')]).toEqual([[{ _id: 2 }], [{ _id: 1 }]]);
  });

  it('makes room for a collection that was dropped while its successor was read under the same name', async () => {
    const entries = [
      command(2, { create: 'before', idIndex: {} }, 3),
      command(3, { renameCollection: 'db.before', to: 'db.c', stayTemp: false, dropTarget: ui(1) }, 3),
      insert(4, 4, 'c', 3),
      command(5, { renameCollection: 'db.c', to: 'db.after', stayTemp: false }, 3),
      command(6, { create: 'c', idIndex: { v: 2, key: { _id: 1 }, name: '_id_' } }, 2),
      insert(7, 5, 'c', 2),
    ];
    const collections = [{ ns: 'db.c', uuid: 2, documents: [{ _id: 5, at: 7 }] }];
    const unknown = restore({ collections, entries: entries.slice(1), point: 7 });
    await expect(unknown).rejects.toMatchObject({ name: 'VerificationFailed' });
    const created = command(2, { create: 'before', idIndex: { v: 2, key: { _id: 1 }, name: '_id_' } }, 3);
    await restore({ collections, entries: entries.with(0, created), point: 7 });
    expect(await names()).toEqual(['after', 'c']);
    expect([await documents('after'), await documents('c')]).toEqual([[{ _id: 4, at: 4 }], [{ _id: 5, at: 7 }]]);
  });

  it('keeps the source’s UUIDs', async () => {
    await restore({ collections: [base] });
    const [info] = await client.db('db').listCollections({ name: 'c' }, { nameOnly: false }).toArray();
    expect(info?.info?.uuid?.toString('hex').replaceAll('-', '')).toBe(uuidHex(1));
  });

  it('skips entries of a collection that was dropped before it was read, and only those', async () => {
    const gone = [insert(2, 1, 'gone', 8), update(3, 1, 'gone', 8)];
    const drop = command(4, { drop: 'gone' }, 8);
    const result = await restore({ collections: [base], entries: [...gone, drop], point: 4 });
    expect(result.oplog).toMatchObject({ entries: 4, skipped: 3 });
    await expect(restore({ collections: [base], entries: gone })).rejects.toMatchObject({ name: 'VerificationFailed' });
    await expect(restore({ collections: [base], entries: [...gone, drop], restoreTime: 3 })).rejects.toThrow(
      /db\.gone/,
    );
  });
});

describe('rules 14 and 15, validators and missing documents', () => {
  const invalid = { ...base, options: { validator: { a: { $type: 'string' } } } };

  it('replays documents that predate their validator', async () => {
    await restore({ collections: [invalid], entries: [insert(2, 3), update(3, 1)] });
    expect(await documents('c')).toEqual([{ _id: 1, v: 3 }, { _id: 2 }, { _id: 3, at: 2 }]);
  });

  it('lets updates up to the point miss their document, which the oplog then removes', async () => {
    await restore({ collections: [base], entries: [update(2, 9), remove(3, 9), update(4, 1)], point: 3 });
    expect(await documents('c')).toEqual([{ _id: 1, v: 4 }, { _id: 2 }]);
  });

  it('fails for an update after the point whose document is missing, naming the entry', async () => {
    const failing = restore({ collections: [base], entries: [insert(2, 3), update(3, 9)], point: 2 });
    await expect(failing).rejects.toMatchObject({ name: 'RestoreRejected', details: { ts: '100:3', ns: 'db.c' } });
  });
});

describe('capped collections, which forget their oldest documents by themselves', () => {
  const capped = { capped: true, size: 4096, max: 3 };
  const held = [{ _id: 2 }, { _id: 3 }, { _id: 4, at: 4 }];
  const order = async () =>
    (await client.db('db').collection<{ _id: number }>('c').find().sort({ $natural: 1 }).toArray()).map(
      ({ _id }) => _id,
    );

  it('get back nothing that was forgotten before they were read, and all that came later, in its order', async () => {
    // The server logs the delete of what it forgets right after the insert (since 5.0).
    const rolled = [update(2, 1), update(3, 2), insert(4, 4), remove(5, 1), update(6, 3)];
    const collections = [{ ...base, options: capped, documents: held }];
    await restore({ collections, entries: [...rolled, insert(7, 5), remove(8, 2)], point: 6 });
    expect(await order()).toEqual([3, 4, 5]);
    expect((await documents('c'))[0]).toEqual({ _id: 3, v: 6 });
    await restore({ collections, entries: rolled, point: 6 });
    expect(await order()).toEqual([2, 3, 4]);
    expect((await documents('c'))[0]).toEqual({ _id: 2, v: 3 });
  });
});

describe('rule 16, indexes', () => {
  const spec = { v: 2, key: { a: 1 }, name: 'a', unique: true };

  it('builds an unfinished index only if its commit is in the oplog by the restore time', async () => {
    const unfinished = [{ indexBuildUUID: ui(50), specs: [spec] }];
    const collections = [{ ...base, unfinished }];
    const twice = [insert(2, 3), insert(3, 4)];
    await restore({ collections, entries: [...twice, command(4, { abortIndexBuild: 'c' }, 1)] });
    expect(Object.keys(await indexes('c'))).toEqual(['_id_']);
    const commit = command(4, { commitIndexBuild: 'c', indexes: [{ ...spec, unique: undefined }] }, 1);
    await restore({ collections, entries: [...twice, commit], restoreTime: 3 });
    expect(Object.keys(await indexes('c'))).toEqual(['_id_']);
    const result = await restore({ collections, entries: [...twice, commit] });
    expect(Object.keys(await indexes('c'))).toEqual(['_id_', 'a']);
    expect(result.indexes).toBe(1);
  });

  it('fails when documents and a unique index of the restore time do not go together', async () => {
    const collections = [{ ...base, indexes: [spec] }];
    await expect(restore({ collections })).rejects.toMatchObject({
      name: 'RestoreRejected',
      message: expect.stringMatching(/indexes of db\.c/) as string,
    });
  });
});

describe('rule 17, expiry', () => {
  const expired = { _id: 1, at: new Date(0) };
  const collections = [
    { ...base, documents: [expired], indexes: [{ v: 2, key: { at: 1 }, name: 'ttl', expireAfterSeconds: 100 }] },
  ];

  it('is set at the end, or left off when expired documents are to be kept', async () => {
    await restore({ collections }, { keepExpired: true });
    expect(await indexes('c')).toEqual({ _id_: null, ttl: 2147483647 });
    expect(await documents('c')).toEqual([expired]);
    await restore({ collections });
    expect(await indexes('c')).toEqual({ _id_: null, ttl: 100 });
  });

  it('never turns the NaN of old servers into 0, which would delete all', async () => {
    const indexes_ = [{ v: 2, key: { at: 1 }, name: 'ttl', expireAfterSeconds: NaN }];
    await restore({ collections: [{ ...base, documents: [expired], indexes: indexes_ }] });
    expect(await indexes('c')).toEqual({ _id_: null, ttl: 2147483647 });
  });
});
