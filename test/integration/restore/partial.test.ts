import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { NamespaceSelection, type NamespaceRename } from '../../../src/domain/namespace-selection.ts';
import { readDeploymentState } from '../../support/deployment-hashes.ts';
import { everyEntryKind, seedForEntryKinds } from '../../support/every-entry-kind.ts';
import { markOf, restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

/** Some collections of a backup, brought back into the very set that it was taken from, beside everything else there. */
let set: ReplicaSetServers;
let client: MongoClient;
let manifest: Manifest;
const store = new MemoryObjectStore();

beforeAll(async () => {
  set = await startReplicaSet({ members: [{}], args: ['--setParameter=enableTestCommands=1'] });
  client = set.client();
  await seedForEntryKinds(client, 'shop');
  await everyEntryKind(client, 'shop', 1, false);
  await client
    .db('shop')
    .collection<{ _id: number }>('before')
    .insertMany([{ _id: 1 }, { _id: 2 }]);
  await client.db('crm').collection('people').insertOne({ name: 'Ada' });
  const afterBase = async () => {
    await everyEntryKind(client, 'shop', 2, false);
    await client.db('shop').collection<{ _id: number }>('before').insertOne({ _id: 3 });
    await client.db('shop').renameCollection('before', 'after');
    await client.db('shop').collection<{ _id: number }>('after').insertOne({ _id: 4 });
    await client.db('shop').collection<{ _id: number }>('before').insertOne({ _id: 99 });
    // The source goes on under this name, with another collection.
    await client.db('crm').collection('people').insertOne({ name: 'Grace' });
  };
  manifest = await takeBackup({ set, store, afterBase });
});
afterAll(() => set.stop());

const restore = (
  namespaces: readonly string[] | undefined,
  renames: readonly NamespaceRename[] = [],
  more: object = {},
) =>
  restoreBackup(client, store, manifest, {
    ...{ selection: new NamespaceSelection(namespaces, renames), overwrite: set.name, ...more },
  });
const idsOf = async (db: string, name: string) =>
  (await client.db(db).collection(name).find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id as unknown);
const databases = async () => (await client.db('admin').admin().listDatabases()).databases.map(({ name }) => name);

/** What a database holds, but the rows of its views, which name it. */
async function stateOf(db: string) {
  const { databases: all } = await readDeploymentState(client);
  const { collections = {}, collectionHashes = {} } = all[db] ?? {};
  const hashes = Object.entries(collectionHashes).filter(([name]) => name !== 'system.views');
  return { collections, hashes: Object.fromEntries(hashes) };
}

describe('a restore of some namespaces', () => {
  it('makes a whole database again under another name: every kind of collection, view and entry', async () => {
    const before = await stateOf('shop');
    const result = await restore(['shop.*'], [{ from: 'shop.*', to: 'copy.*' }]);
    expect(await stateOf('copy')).toEqual(before);
    expect(await stateOf('shop')).toEqual(before);
    expect(result.uuidsKept).toBe(false);
    expect(Object.keys(before.collections).length).toBeGreaterThan(20);
    const rows = client
      .db('copy')
      .collection<{ _id: string }>('system.views')
      .find({ _id: /^copy\./ });
    expect((await rows.toArray()).length).toBeGreaterThan(2);
    expect(await client.db('copy').collection('measured').countDocuments()).toBeGreaterThan(0);
  });

  it('means names at the restore time: what was renamed into one is whole, with all that it was before', async () => {
    await restore(['shop.after'], [{ from: 'shop.after', to: 'back.found' }]);
    expect(await idsOf('back', 'found')).toEqual([1, 2, 3, 4]);
    await restore(['shop.before'], [{ from: 'shop.before', to: 'back.other' }]);
    expect(await idsOf('back', 'other')).toEqual([99]);
    expect(await idsOf('back', 'found')).toEqual([1, 2, 3, 4]);
  });

  it('deletes only what it replaces', async () => {
    await client.db('mixed').collection<{ _id: number }>('found').insertOne({ _id: 1000 });
    await client.db('mixed').collection<{ _id: number }>('kept').insertOne({ _id: 1000 });
    await client.db('mixed').createCollection('view', { viewOn: 'kept', pipeline: [] });
    const renames = [
      { from: 'shop.after', to: 'mixed.found' },
      { from: 'shop.viewed', to: 'mixed.viewed' },
      { from: 'shop.measured', to: 'mixed.series' },
    ];
    await restore(['shop.after', 'shop.viewed', 'shop.measured'], renames);
    expect(await idsOf('mixed', 'found')).toEqual([1, 2, 3, 4]);
    expect(await idsOf('mixed', 'kept')).toEqual([1000]);
    expect(await client.db('mixed').collection('view').countDocuments()).toBe(1);
    const count = await client.db('shop').collection('measured').countDocuments();
    expect(await client.db('mixed').collection('series').countDocuments()).toBe(count);
    // Once more, over what is there now: views and time-series are replaced too.
    await restore(['shop.after', 'shop.viewed', 'shop.measured'], renames);
    expect(await client.db('mixed').collection('series').countDocuments()).toBe(count);
  });

  it('puts collections back in place', async () => {
    await client
      .db('shop')
      .collection<{ _id: number }>('after')
      .deleteMany({ _id: { $lt: 3 } });
    const people = await idsOf('crm', 'people');
    await restore(['shop.after']);
    expect(await idsOf('shop', 'after')).toEqual([1, 2, 3, 4]);
    expect(await idsOf('crm', 'people')).toEqual(people);
  });

  it('leaves no mark, no temporary collection, and users alone', async () => {
    expect(await markOf(client)).toBeNull();
    expect(await databases()).not.toContain('holdfast_restore');
    const options = await client.db('copy').listCollections({ 'options.temp': true }).toArray();
    expect(options).toEqual([]);
  });
});

describe('a restore of some namespaces is refused', () => {
  const refusal = async (...args: Parameters<typeof restore>) => {
    const before = await databases();
    const error = await restore(...args).catch((reason: unknown) => reason);
    expect(await databases()).toEqual(before);
    return error;
  };

  it('into names that are there, unless the target is named', async () => {
    const error = await refusal(['shop.after'], [], { overwrite: undefined });
    expect(error).toMatchObject({ name: 'TargetIsSource' });
    const other = {
      ...manifest,
      parts: manifest.parts.map((part) => ({ ...part, topology: { ...part.topology, replicaSetId: 'f'.repeat(24) } })),
    };
    const again = restoreBackup(client, store, other, { selection: new NamespaceSelection(['crm.*'], []) });
    await expect(again).rejects.toMatchObject({
      name: 'TargetNotEmpty',
      message: expect.stringContaining('crm') as string,
    });
    const renamed = new NamespaceSelection(['shop.after'], [{ from: 'shop.after', to: 'fresh.after' }]);
    await restoreBackup(client, store, other, { selection: renamed });
    expect(await idsOf('fresh', 'after')).toEqual([1, 2, 3, 4]);
  });

  it('for a name that nothing has at the restore time, whatever it was before', async () => {
    expect(await refusal(['shop.after', 'shop.swap_c', 'nothing.*'])).toMatchObject({
      name: 'InvalidInput',
      message: 'At the restore time there is no shop.swap_c, and no nothing.*.',
    });
  });

  it('where two would get one name', async () => {
    expect(await refusal(['shop.after', 'crm.people'], [{ from: 'crm.people', to: 'shop.after' }])).toMatchObject({
      name: 'InvalidInput',
      message: expect.stringMatching(/shop\.after and crm\.people|crm\.people and shop\.after/) as string,
    });
  });
});
