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

describe('a collMod', () => {
  it('of the validation action alone, which the server completes by a level (seed 1)', async () => {
    await restore({ collections: [base], entries: [command(2, { collMod: 'c', validationAction: 'warn' }, 1)] });
    expect(await optionsOf('c')).toEqual({ validationLevel: 'strict', validationAction: 'warn' });
  });
});
