import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import {
  findDifferences,
  readDeploymentState,
  readExpectedState,
  seedFixture,
} from '../../support/deployment-hashes.ts';
import { connectRestorer, restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

let source: ReplicaSetServers;
let target: StandaloneServer;
let restorer: MongoClient;
const store = new MemoryObjectStore();
let manifest: Manifest;

beforeAll(async () => {
  [source, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], auth: true, oplogSizeMb: 200 }),
    startStandalone({ auth: true }),
  ]);
  await seedFixture(source.client());
  manifest = await takeBackup({ set: source, store, member: source.hidden });
  restorer = await connectRestorer(target.client(), target.host);
});
afterAll(async () => {
  await restorer.close();
  await Promise.all([source.stop(), target.stop()]);
});

const withoutRestorer = { withoutUsers: ['admin.restorer'], withoutRoles: ['admin.holdfastRestore'] };

describe('a backup of the fixture, restored to a server with access control', () => {
  it('equals what was seeded, users and roles included, and does not lock the restorer out', async () => {
    const result = await restoreBackup(restorer, store, manifest, { users: true });
    const restored = await readDeploymentState(restorer, withoutRestorer);
    const { databases } = restored;
    expect(findDifferences(await readExpectedState(), { databases })).toEqual([]);
    expect(findDifferences(await readDeploymentState(source.client()), restored)).toEqual([]);
    expect(Object.keys(restored.users ?? {})).toEqual(['admin.ops', 'admin.root', 'shop.till']);
    expect(result).toMatchObject({ usersAndRoles: { users: 3, roles: 2 }, uuidsKept: true, warnings: [] });
    const names = (await restorer.db('admin').admin().listDatabases()).databases.map(({ name }) => name);
    expect(names).not.toContain('holdfast_restore');
  });

  it('refuses the target while it holds that, and replaces it when its name is typed', async () => {
    await expect(restoreBackup(restorer, store, manifest)).rejects.toMatchObject({ name: 'TargetNotEmpty' });
    await restorer.db('leftover').collection('x').insertOne({});
    const result = await restoreBackup(restorer, store, manifest, { overwrite: target.host });
    expect(result.usersAndRoles).toBeNull();
    const restored = await readDeploymentState(restorer, withoutRestorer);
    expect(findDifferences(await readDeploymentState(source.client()), restored)).toEqual([]);
  });
});
