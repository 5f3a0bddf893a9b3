import type { Db } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { restoreBackup } from '../../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../../support/take-backup.ts';
import { compareIdentities, readIdentities } from '../../support/workload/collection-identities.ts';
import { slowedClient } from '../../support/workload/slowed-client.ts';

interface Item {
  readonly _id: number;
  readonly round?: number;
}

let set: ReplicaSetServers;
let target: StandaloneServer;
const shop = (): Db => set.client().db('shop');
beforeAll(async () => {
  [set, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] }),
    startStandalone(),
  ]);
  await shop().createCollection('ring', { capped: true, size: 1_000_000, max: 700 });
  for (const name of ['items', 'ring'])
    await shop()
      .collection<Item>(name)
      .insertMany(
        Array.from({ length: 700 }, (_, n) => ({ _id: n })),
        { writeConcern: { w: 2 } },
      );
});
afterAll(() => Promise.all([set.stop(), target.stop()]));

/** Between two batches of its scan: documents that were read, and others that will be, go and come again. */
async function reinsert(name: string): Promise<void> {
  for (const _id of [...Array(30).keys(), 690]) {
    await shop().collection<Item>(name).deleteOne({ _id });
    await shop().collection<Item>(name).insertOne({ _id, round: 1 });
  }
  // A capped one forgets its oldest meanwhile.
  for (let n = 0; n < 10; n += 1)
    await shop()
      .collection<Item>(name)
      .insertOne({ _id: 1000 + n });
  await shop()
    .collection<Item>(name)
    .updateOne({ _id: 5 }, { $set: { round: 2 } }, { writeConcern: { w: 2 } });
}

test('documents that are deleted and inserted again while their collection is read are restored, each once', async () => {
  const store = new MemoryObjectStore();
  const begun = new Set<string>();
  const slowed = slowedClient(set.clientFor(set.hidden), async (_db, command) => {
    const name = command['collection'] as string | undefined;
    if (!('getMore' in command) || name === undefined || !['items', 'ring'].includes(name) || begun.has(name)) return;
    begun.add(name);
    await reinsert(name);
  });
  const scanned = Object.create(set, {
    clientFor: { value: () => slowed },
    hidden: { value: set.hidden },
  }) as ReplicaSetServers;
  const manifest = await takeBackup({ set: scanned, store, member: set.hidden });
  expect([...begun].toSorted()).toEqual(['items', 'ring']);
  const items = onlyPart(manifest).base.namespaces.find(({ ns }) => ns === 'shop.items');
  expect(items?.documents, 'more than there are: the fact behind the test').toBeGreaterThan(710);

  await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
  const [expected, restored] = await Promise.all(
    [set.client(), target.client()].map((one) => readDeploymentState(one)),
  );
  expect(expected && restored && findDifferences(expected, restored)).toEqual([]);
  const [source, copy] = await Promise.all([set.client(), target.client()].map((one) => readIdentities(one, ['shop'])));
  expect(source && copy && compareIdentities(source, copy)).toEqual([]);
});
