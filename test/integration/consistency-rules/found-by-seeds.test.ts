import { type Document, type MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { RestorePartInput } from '../../../src/engine/restore/restore-part.ts';
import { type HandmadeBackup, makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { restoreBackup } from '../../support/restore-backup.ts';

/** What seeds of the exactness workload (test/full/exactness) found, each made as small as it gets. */
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

const command = (i: number, o: Document, uuid: number) => rawEntry(i, { op: 'c', ns: 'db.$cmd', ui: ui(uuid), o });
const base = { ns: 'db.c', uuid: 1, documents: [{ _id: 1 }, { _id: 2 }] };
const optionsOf = async (name: string) =>
  (await client.db('db').listCollections({ name }, { nameOnly: false }).toArray())[0]?.options;

const documents = (name: string) =>
  client.db('db').collection<Document & { _id: number }>(name).find().sort({ $natural: 1 }).toArray() as Promise<
    Document[]
  >;
const insert = (i: number, o: Document) =>
  rawEntry(i, { op: 'i', ns: 'db.c', ui: ui(1), o, o2: { _id: o['_id'] as number } });
const remove = (i: number, _id: number) => rawEntry(i, { op: 'd', ns: 'db.c', ui: ui(1), o: { _id } });

describe('a document that is deleted and inserted again', () => {
  it('while its collection is read comes twice in the base, and once in the target', async () => {
    const twice = { ...base, documents: [{ _id: 1 }, { _id: 2 }, { _id: 1, at: 3 }] };
    await restore({ collections: [twice], entries: [remove(2, 1), insert(3, { _id: 1, at: 3 })], point: 3 });
    expect(await documents('c')).toEqual([{ _id: 2 }, { _id: 1, at: 3 }]);
  });

  it('is refused where the oplog does not tell of it', async () => {
    const twice = { ...base, documents: [{ _id: 1 }, { _id: 2 }, { _id: 1 }] };
    await expect(restore({ collections: [twice], entries: [insert(2, { _id: 5 })] })).rejects.toMatchObject({
      name: 'VerificationFailed',
    });
  });

  it('in a capped collection comes twice too, and takes its later place', async () => {
    const options = { capped: true, size: 4096 };
    const capped = { ...base, options, documents: [{ _id: 1 }, { _id: 2 }, { _id: 1, at: 3 }, { _id: 3, at: 4 }] };
    const entries = [remove(2, 1), insert(3, { _id: 1, at: 3 }), insert(4, { _id: 3, at: 4 })];
    await restore({ collections: [capped], entries, point: 4 });
    expect(await documents('c')).toEqual([{ _id: 2 }, { _id: 1, at: 3 }, { _id: 3, at: 4 }]);
  });

  it('in a capped collection, both before the last document that was read, is not lost (seed 12)', async () => {
    const options = { capped: true, size: 4096 };
    const capped = { ...base, options, documents: [{ _id: 2 }, { _id: 1, at: 4 }, { _id: 3, at: 5 }] };
    const entries = [
      insert(2, { _id: 1, at: 2 }),
      remove(3, 1),
      insert(4, { _id: 1, at: 4 }),
      insert(5, { _id: 3, at: 5 }),
    ];
    await restore({ collections: [capped], entries, point: 5 });
    expect(await documents('c')).toEqual([{ _id: 2 }, { _id: 1, at: 4 }, { _id: 3, at: 5 }]);
  });
});

describe('a collMod', () => {
  it('of a capped collection sets the limits that the restored one has', async () => {
    const capped = { ...base, options: { capped: true, size: 4096, max: 10 } };
    const limits = command(2, { collMod: 'c', cappedSize: 8192, cappedMax: 3 }, 1);
    await restore({ collections: [capped], entries: [limits, insert(3, { _id: 3 })] });
    expect(await optionsOf('c')).toEqual({ capped: true, size: 8192, max: 3 });
    await client.db('db').collection<{ _id: number }>('c').insertOne({ _id: 4 });
    expect((await documents('c')).map(({ _id }) => _id as number)).toEqual([2, 3, 4]);
  });

  it('of the validation action alone, which the server completes by a level (seed 1)', async () => {
    await restore({ collections: [base], entries: [command(2, { collMod: 'c', validationAction: 'warn' }, 1)] });
    expect(await optionsOf('c')).toEqual({ validationLevel: 'strict', validationAction: 'warn' });
  });
});
