import type { Document } from 'mongodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { readIndex } from '../../../src/engine/packs/index-reader.ts';
import { findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { restoreBackup } from '../../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../../support/take-backup.ts';

describe('rule 16, a unique index whose build is under way while its collection is read', () => {
  let set: ReplicaSetServers;
  let target: StandaloneServer;
  let store: MemoryObjectStore;
  const users = () => set.client().db('shop').collection<{ _id: number; mail: string }>('users');
  const hang = (mode: 'alwaysOn' | 'off') =>
    set.client().db('admin').command({ configureFailPoint: 'hangAfterStartingIndexBuild', mode });

  beforeAll(async () => {
    [set, target] = await Promise.all([
      startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], args: ['--setParameter=enableTestCommands=1'] }),
      startStandalone(),
    ]);
  });
  afterAll(() => Promise.all([set.stop(), target.stop()]));
  afterEach(async () => {
    await hang('off');
    await users().drop();
  });

  /** A backup whose base is read while the index is being built; `decide` is what happens after the base was read. */
  async function backUpMeanwhile(decide: () => Promise<unknown>): Promise<Manifest> {
    store = new MemoryObjectStore();
    await users().insertMany([
      { _id: 1, mail: 'a' },
      { _id: 2, mail: 'b' },
    ]);
    await hang('alwaysOn');
    const building = users()
      .createIndex({ mail: 1 }, { name: 'mail', unique: true }, {})
      .then(
        () => 'built',
        () => 'aborted',
      );
    await until('the hidden member builds too', async () => {
      const [db, command] = [
        set.clientFor(set.hidden).db('shop'),
        { listIndexes: 'users', includeIndexBuildInfo: true },
      ];
      const { cursor } = (await db.command(command)) as { cursor: { firstBatch: Document[] } };
      return cursor.firstBatch.some((each) => each['indexBuildInfo'] !== undefined) ? true : undefined;
    });
    const plain = await set.clientFor(set.hidden).db('shop').command({ listIndexes: 'users' });
    const { firstBatch } = plain['cursor'] as { firstBatch: Document[] };
    expect(
      firstBatch.map(({ name }) => name as string),
      'the fact behind the rule: the plain list does not tell',
    ).toEqual(['_id_', 'mail']);
    return takeBackup({
      set,
      store,
      member: set.hidden,
      afterBase: async () => {
        await decide();
        await hang('off');
        await building;
      },
    });
  }

  async function restored(manifest: Manifest): Promise<string[]> {
    await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
    const difference = findDifferences(
      await readDeploymentState(set.client()),
      await readDeploymentState(target.client()),
    );
    expect(difference).toEqual([]);
    const indexes = await target.client().db('shop').collection('users').indexes();
    return indexes.map(({ name }) => name ?? '');
  }

  test('and aborts, is not built, and its duplicates are there', async () => {
    const manifest = await backUpMeanwhile(() => users().insertOne({ _id: 3, mail: 'a' }));
    const index = await readIndex(store, onlyPart(manifest).base.index);
    const line = index.namespaces.find(({ ns }) => ns === 'shop.users');
    expect([line?.indexes.length, line?.unfinishedIndexes.length]).toEqual([1, 1]);
    expect(await restored(manifest)).toEqual(['_id_']);
    expect(await target.client().db('shop').collection('users').countDocuments({ mail: 'a' })).toBe(2);
  });

  test('and commits, is built', async () => {
    const manifest = await backUpMeanwhile(() => users().insertOne({ _id: 3, mail: 'c' }));
    expect(await restored(manifest)).toEqual(['_id_', 'mail']);
  });
});
