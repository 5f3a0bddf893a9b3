import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { markOf, restoreBackup } from '../../support/restore-backup.ts';

// More than the sockets of stopped members hold for them.
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
      collections: [{ ns: 'shop.orders', uuid: 1, documents }],
      entries: [rawEntry(2, { op: 'i', ns: 'shop.orders', ui: ui(1), o: { _id: 'later' } })],
    });
    const client = set.client();
    const primaryHost = String((await client.db('admin').command({ hello: 1 }))['primary']);
    const primary = set.members.find(({ host }) => host === primaryHost);
    const others = set.members.filter((member) => member !== primary);
    const loseOrders = async () => {
      // Written, and waiting for the majority that cannot confirm it, nor what was loaded before.
      const state = async () => primary && String((await markOf(set.clientFor(primary)))?.['state']);
      await expect.poll(state, { timeout: 60_000 }).toBe('replaying');
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
    let lost: Promise<void> | undefined;
    store.getRange = async (...range) => {
      if (lost) return getRange(...range);
      await client
        .db('shop')
        .collection('before')
        .insertOne({}, { writeConcern: { w: 3 } });
      await client.db('shop').collection('before').drop();
      for (const { pid } of others) process.kill(pid, 'SIGSTOP');
      lost = loseOrders();
      return getRange(...range);
    };
    const restoring = restoreBackup(client, store, manifest, { parallel: 1 }).catch((error: unknown) => error);
    const result = await restoring;
    await lost;
    // The driver writes the mark again, to the new primary, when it finds that in time; else the mark itself fails.
    expect(result).toMatchObject({
      name: 'TargetUnreachable',
      message: expect.stringMatching(/another primary|stopped answering during the restore mark/) as string,
    });
  });
});
