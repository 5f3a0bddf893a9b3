import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../local/servers/poll.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

interface Order {
  readonly _id: number;
  readonly total: number;
}

describe('a real set', () => {
  let set: ReplicaSetServers;
  let target: StandaloneServer;
  const orders = () => set.client().db('shop').collection<Order>('orders');
  beforeAll(async () => {
    [set, target] = await Promise.all([startReplicaSet({ members: [{}] }), startStandalone()]);
    await orders().insertMany(Array.from({ length: 50 }, (_, n) => ({ _id: n, total: n })));
    await set
      .client()
      .db('shop')
      .command({ collMod: 'orders', validator: { total: { $type: 'string' } }, validationLevel: 'moderate' });
  });
  afterAll(() => Promise.all([set.stop(), target.stop()]));

  async function equalsAfter(change: () => Promise<unknown>): Promise<void> {
    const store = new MemoryObjectStore();
    const manifest = await takeBackup({ set, store, afterBase: change });
    await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
    const [expected, restored] = await Promise.all([set, target].map((one) => readDeploymentState(one.client())));
    expect(expected && restored && findDifferences(expected, restored)).toEqual([]);
  }

  test('rule 14: documents older than their validator are restored, and changed by what came later', async () => {
    await equalsAfter(async () => {
      await orders().updateMany({ _id: { $lt: 10 } }, { $inc: { total: 100 } });
      await orders().insertOne({ _id: 100, total: 1 }, { bypassDocumentValidation: true });
      await orders().deleteOne({ _id: 49 });
    });
    // As a server takes it without the bypass (the fact behind the rule).
    const older = { op: 'i', ns: 'shop.orders', o: { _id: 200, total: 1 } };
    const refused = target
      .client()
      .db('admin')
      .command({ applyOps: [older] });
    await expect(refused).rejects.toMatchObject({ code: 121 });
  });

  test('rule 10: a dbCheck in the oplog changes nothing and ends no restore', async () => {
    await equalsAfter(async () => {
      await set.client().db('shop').command({ dbCheck: 'orders' });
      const oplog = set.client().db('local').collection('oplog.rs');
      await until('the oplog has its batches and its end', async () => {
        const kinds = await oplog.distinct('o.type', { op: 'c', 'o.dbCheck': { $exists: true } });
        return kinds.includes('batch') && kinds.includes('stop') ? true : undefined;
      });
    });
  });
});
