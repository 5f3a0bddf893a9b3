import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Document, MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { DirectoryObjectStore } from '../../../src/adapters/directory/directory-object-store.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { connectRestorer, restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

/** Rule 18 and admin.system.version, on servers with access control. */
let source: ReplicaSetServers;
let target: StandaloneServer;
let restorer: MongoClient;
let folder: string;
let store: DirectoryObjectStore;
let manifest: Manifest;
const pwd = 'for this test';

beforeAll(async () => {
  [source, target, folder] = await Promise.all([
    startReplicaSet({ members: [{}], auth: true }),
    startStandalone({ auth: true }),
    mkdtemp(join(tmpdir(), 'holdfast-users-')),
  ]);
  store = new DirectoryObjectStore({ root: folder });
  const client = source.client();
  await client.db('admin').command({ createRole: 'auditor', privileges: [], roles: [] });
  await client.db('admin').command({ createUser: 'ops', pwd, roles: ['auditor'] });
  await client.db('shop').command({ createRole: 'clerk', privileges: [], roles: ['read'] });
  await client.db('crm').command({ createUser: 'agent', pwd, roles: ['read'] });
  const payload = 'x'.repeat(100_000);
  await client
    .db('shop')
    .collection('orders')
    .insertMany(Array.from({ length: 200 }, (_, n) => ({ n, payload })));
  const till = ['clerk', 'readWrite', { role: 'auditor', db: 'admin' }, { role: 'read', db: 'crm' }];
  await client.db('shop').command({ createUser: 'till', pwd, roles: till });
  await client.db('shop').command({ createUser: 'dropped', pwd, roles: [] });
  const afterBase = async () => {
    await client.db('shop').command({ createUser: 'late', pwd, roles: ['clerk'] });
    await client.db('shop').command({ dropUser: 'dropped' });
  };
  manifest = await takeBackup({ set: source, store, afterBase });
  restorer = await connectRestorer(target.client(), target.host);
});
afterAll(async () => {
  await restorer.close();
  await Promise.all([source.stop(), target.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const idsOf = async (collection: string): Promise<string[]> =>
  (await restorer.db('admin').collection(collection).find().toArray()).map(({ _id }) => String(_id)).toSorted();
const system = async (): Promise<Document[]> => restorer.db('admin').collection('system.version').find().toArray();

/** Whether the user gets in with its password, at its own database. */
async function logsIn(username: string, authSource: string): Promise<boolean> {
  const client = new MongoClient(target.uri, { auth: { username, password: pwd }, authSource });
  return client
    .db('shop')
    .command({ connectionStatus: 1 })
    .then(
      () => true,
      () => false,
    )
    .finally(() => client.close());
}

/** What the target has besides its root and the restorer. */
beforeEach(async () => {
  const root = restorer.db('admin');
  await root.collection('system.users').deleteMany({ user: { $nin: ['restorer', target.root?.username ?? ''] } });
  await root.collection('system.roles').deleteMany({ role: { $ne: 'holdfastRestore' } });
  for (const [db, user] of [
    ['shop', 'old'],
    ['crm', 'own'],
    ['admin', 'theirs'],
  ] as const)
    await restorer.db(db).command({ createUser: user, pwd, roles: [] });
  await restorer.db('shop').command({ createRole: 'old', privileges: [], roles: [] });
});

const rootId = () => `admin.${target.root?.username ?? ''}`;
const restore = (usersOf?: readonly string[]) =>
  restoreBackup(restorer, store, manifest, { overwrite: target.host, users: true, usersOf });

describe('users and roles of some databases', () => {
  it('replace those of their databases at the restore time, and nobody else’s', async () => {
    const before = await system();
    const result = await restore(['shop']);
    const others = ['admin.restorer', 'admin.theirs', 'crm.own', rootId()];
    expect(await idsOf('system.users')).toEqual([...others, 'shop.late', 'shop.till'].toSorted());
    expect(await idsOf('system.roles')).toEqual(['admin.holdfastRestore', 'shop.clerk']);
    expect([await logsIn('till', 'shop'), await logsIn('own', 'crm'), await logsIn('old', 'shop')]).toEqual([
      ...[true, true, false],
    ]);
    expect(result.usersAndRoles).toEqual({ users: 2, roles: 1 });
    expect(result.warnings).toEqual([expect.stringMatching(/lacks roles .*: admin\.auditor of shop\.till\. /)]);
    expect(await system(), 'admin.system.version is the target’s own').toEqual(before);
    expect(await idsOf('holdfast_users')).toEqual([]);
  });

  it('may be those of the restorer’s database: it stays, with its role, and the others there go', async () => {
    const result = await restore(['admin', 'shop']);
    const { username = '' } = source.root ?? {};
    const expected = ['admin.ops', `admin.${username}`, 'admin.restorer', 'crm.own', 'shop.late', 'shop.till'];
    expect(await idsOf('system.users')).toEqual(expected.toSorted());
    expect(await idsOf('system.roles')).toEqual(['admin.auditor', 'admin.holdfastRestore', 'shop.clerk']);
    expect(await logsIn('restorer', 'admin')).toBe(true);
    expect(result.warnings).toEqual([]);
    await putRootBack();
  });

  it('leave a database alone that the backup has nobody of, and say so', async () => {
    const before = [await idsOf('system.users'), await idsOf('system.roles')];
    const result = await restore(['shpo']);
    expect([await idsOf('system.users'), await idsOf('system.roles')]).toEqual(before);
    expect(result.warnings).toEqual([expect.stringContaining('no user and no role of the database shpo')]);
    expect(result.usersAndRoles).toEqual({ users: 0, roles: 0 });
  });
});

/** Tests that replace everyone of admin leave the target without the user that stops it. */
async function putRootBack(): Promise<void> {
  const { username = '', password = '' } = target.root ?? {};
  const users = await idsOf('system.users');
  const command = users.includes(rootId()) ? 'updateUser' : 'createUser';
  await restorer.db('admin').command({ [command]: username, pwd: password, roles: ['root'] });
}

describe('a restore of users whose worker is killed before the merge', () => {
  it('leaves everyone as they were, and begun again by the same run is whole', async () => {
    const before = await idsOf('system.users');
    const file = join(folder, 'manifest.json');
    await writeFile(file, JSON.stringify(manifest));
    const script = join(import.meta.dirname, '..', '..', 'support', 'restore-in-child.ts');
    const uri = `mongodb://restorer:${encodeURIComponent(pwd)}@${target.host}/?directConnection=true`;
    const input = { users: true, usersOf: ['shop'], overwrite: target.host };
    const child = spawn(process.execPath, [script, uri, folder, file, '1', JSON.stringify(input)], { stdio: 'ignore' });
    await until('users are in their temporary collection', async () => {
      expect(child.exitCode, 'it ended before it could be killed').toBeNull();
      return (await idsOf('holdfast_users')).length > 0 ? true : undefined;
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await idsOf('system.users')).toEqual(before);
    const refused = restoreBackup(restorer, store, manifest, { users: true, usersOf: ['shop'], runId: 'another' });
    await expect(refused).rejects.toMatchObject({ name: 'TargetNotEmpty' });

    const result = await restoreBackup(restorer, store, manifest, { users: true, usersOf: ['shop'] });
    expect(result.usersAndRoles).toEqual({ users: 2, roles: 1 });
    expect(await idsOf('system.users')).toEqual(
      [...before.filter((id) => id !== 'shop.old'), 'shop.late', 'shop.till'].toSorted(),
    );
  });
});

describe('a merge that does not know of the restorer', () => {
  it('locks it out, with everyone else: the fact behind the rule', async () => {
    const server = await startStandalone({ auth: true });
    const locked = await connectRestorer(server.client(), server.host);
    const admin = locked.db('admin');
    const temporary = { tempUsersCollection: 'admin.t_users', tempRolesCollection: 'admin.t_roles' };
    const merge = { _mergeAuthzCollections: 1, ...temporary, db: '', drop: true };
    await admin.command({ ...merge, writeConcern: { w: 1 } });
    await expect(admin.command({ listDatabases: 1 })).rejects.toMatchObject({ code: 13 });
    await locked.close();
    await server.stop();
  });
});

describe('admin.system.version', () => {
  const rows = (schema: number) => [
    { _id: 'authSchema', currentVersion: schema },
    { _id: 'featureCompatibilityVersion', version: '4.4' },
  ];
  const made = (at: MemoryObjectStore, schema: number) =>
    makeBackup(at, { collections: [{ ns: 'admin.system.version', uuid: 5, documents: rows(schema) }] });

  it('is never carried, whatever the source’s says', async () => {
    const [memory, before] = [new MemoryObjectStore(), await system()];
    const other = await made(memory, 5);
    await restoreBackup(restorer, memory, other, { overwrite: target.host, users: true, usersOf: ['none'] });
    expect(await system()).toEqual(before);
  });

  it('of another authorization schema is refused for users, naming both; without users it does not matter', async () => {
    const memory = new MemoryObjectStore();
    const old = await made(memory, 3);
    const input = { overwrite: target.host };
    await expect(restoreBackup(restorer, memory, old, { ...input, users: true })).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: expect.stringMatching(/schema 3, .* have 5/) as string,
    });
    expect(await restoreBackup(restorer, memory, old, input)).toMatchObject({ usersAndRoles: null });
  });
});
