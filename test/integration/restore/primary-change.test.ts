import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { restoreBackup } from '../../support/restore-backup.ts';

// More than the sockets of stopped members hold for them; each collection is a read of its own.
const documents = Array.from({ length: 200 }, (_, n) => ({ _id: n, text: 'x'.repeat(100_000) }));

describe('a target whose primary changes during the restore', () => {
  let set: ReplicaSetServers;
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, {}, {}] });
  });
  afterAll(() => set.stop());

  it('fails: what the old primary alone had is gone, though the new one takes every further write', async () => {
    const store = new MemoryObjectStore();
    const manifest = await makeBackup(store, {
      collections: [
        { ns: 'shop.orders', uuid: 1, documents },
        { ns: 'shop.others', uuid: 2, documents },
      ],
      entries: [rawEntry(2, { op: 'i', ns: 'shop.orders', ui: ui(1), o: { _id: 'later' } })],
    });
    const client = set.client();
    const primaryHost = String((await client.db('admin').command({ hello: 1 }))['primary']);
    const primary = set.members.find(({ host }) => host === primaryHost);
    const others = set.members.filter((member) => member !== primary);
    const loseOrders = async () => {
      const orders = primary && set.clientFor(primary).db('shop').collection('orders');
      await expect.poll(() => orders?.countDocuments(), { timeout: 60_000 }).toBe(documents.length);
      await primary?.kill();
      for (const { pid } of others) process.kill(pid, 'SIGCONT');
      const newPrimary = () =>
        client
          .db('admin')
          .command({ ping: 1 })
          .then(() => client.db('admin').command({ hello: 1 }));
      const hostOf = () =>
        newPrimary().then(
          (hello) => String(hello['me']),
          () => primaryHost,
        );
      await expect.poll(hostOf, { timeout: 60_000 }).not.toBe(primaryHost);
    };
    const getRange = store.getRange.bind(store);
    let reads = 0;
    store.getRange = async (...range) => {
      if (++reads === 2) await loseOrders();
      if (reads > 1) return getRange(...range);
      await client
        .db('shop')
        .collection('before')
        .insertOne({}, { writeConcern: { w: 3 } });
      await client.db('shop').collection('before').drop();
      for (const { pid } of others) process.kill(pid, 'SIGSTOP');
      return getRange(...range);
    };
    const restoring = restoreBackup(client, store, manifest, { parallel: 1 }).catch((error: unknown) => error);
    expect(await restoring).toMatchObject({
      name: 'TargetUnreachable',
      message: expect.stringMatching(/primary/) as string,
    });
  });
});
