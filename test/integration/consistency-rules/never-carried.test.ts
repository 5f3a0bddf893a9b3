import type { Document, MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { restoreBackup } from '../../support/restore-backup.ts';

describe('rule 19, what belongs to the server that wrote it', () => {
  let target: StandaloneServer;
  let client: MongoClient;
  beforeAll(async () => {
    target = await startStandalone();
    client = target.client();
  });
  afterAll(() => target.stop());

  const insert = (i: number, ns: string, uuid: number) =>
    rawEntry(i, { op: 'i', ns, ui: ui(uuid), o: { _id: 'carried' } });
  const create = (i: number, db: string, name: string, uuid: number) =>
    rawEntry(i, { op: 'c', ns: `${db}.$cmd`, ui: ui(uuid), o: { create: name, idIndex: idIndex } as Document });
  const idIndex = { v: 2, key: { _id: 1 }, name: '_id_' };
  const own = [
    'config.transactions',
    'config.image_collection',
    'config.cache.chunks.x',
    'admin.system.keys',
    'admin.system.version',
  ];

  it.each(own)('is not replayed: %s', async (ns) => {
    const [db, name] = [ns.slice(0, ns.indexOf('.')), ns.slice(ns.indexOf('.') + 1)];
    const store = new MemoryObjectStore();
    const before = await client.db(db).collection(name).countDocuments();
    const manifest = await makeBackup(store, {
      collections: [{ ns: 'db.c', uuid: 1, documents: [{ _id: 1 }] }],
      entries: [create(2, db, name, 7), insert(3, ns, 7), insert(4, 'db.c', 1)],
    });
    const { oplog } = await restoreBackup(client, store, manifest, { overwrite: target.host });
    expect(oplog).toMatchObject({ applied: 1, skipped: 3 });
    expect(await client.db(db).collection(name).countDocuments()).toBe(before);
    expect(await client.db('db').collection('c').countDocuments()).toBe(2);
  });
});
