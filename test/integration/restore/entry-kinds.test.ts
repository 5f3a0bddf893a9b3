import type { MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { changeAccess, everyEntryKind, seedForEntryKinds } from '../../support/every-entry-kind.ts';
import { mixBases, withBaseOf } from '../../support/mix-backups.ts';
import { connectRestorer, restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

/**
 * One history with every kind of entry, and three bases that it must lead from to the same end: one read before it, one
 * read in its middle while the oplog begins before it, and one of which half of the databases were read early, half late.
 */
let source: ReplicaSetServers;
let target: StandaloneServer;
let restorer: MongoClient;
let expected: DeploymentState;
let early: Manifest;
let late: Manifest;
const store = new MemoryObjectStore();
const access = { withoutUsers: ['admin.restorer'], withoutRoles: ['admin.holdfastRestore'] };

beforeAll(async () => {
  [source, target] = await Promise.all([
    startReplicaSet({
      members: [{}, { hidden: true, votes: 0 }],
      auth: true,
      oplogSizeMb: 500,
      args: ['--setParameter=enableTestCommands=1'],
    }),
    startStandalone({ auth: true }),
  ]);
  const client = source.client();
  for (const db of ['one', 'two']) await seedForEntryKinds(client, db);
  early = await takeBackup({
    set: source,
    store,
    member: source.hidden,
    backupId: '20261122T101530Z-logical-earl',
    afterBase: async () => {
      for (const db of ['one', 'two']) await everyEntryKind(client, db, 1, db === 'one');
      await changeAccess(client, 1);
      late = await takeBackup({ set: source, store, member: source.hidden });
      for (const db of ['one', 'two']) await everyEntryKind(client, db, 2, db === 'two');
      await changeAccess(client, 2);
    },
  });
  expected = await readDeploymentState(client);
  restorer = await connectRestorer(target.client(), target.host);
});
afterAll(async () => {
  await restorer.close();
  await Promise.all([source.stop(), target.stop()]);
});

describe('every kind of oplog entry', () => {
  it.each([
    ['a base read before all of them', () => early],
    ['a base read in their middle', () => withBaseOf(early, late)],
    [
      'a base read partly before, partly in their middle',
      () => mixBases(store, early, late, (ns) => ns.startsWith('two')),
    ],
  ])('leads from %s to the state of the source', async (_name, make) => {
    const manifest = await make();
    const result = await restoreBackup(restorer, store, manifest, { users: true, overwrite: target.host });
    const restored = await readDeploymentState(restorer, access);
    expect(findDifferences(expected, restored)).toEqual([]);
    expect(result.oplog.applied).toBeGreaterThan(500);
  });
});
