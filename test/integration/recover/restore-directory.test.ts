import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../../local/demo/seed-shop.ts';
import { makeOwnDirectory } from '../../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { lookAt, restoreToDirectory } from '../../support/recovered-files.ts';
import { takeBackup } from '../../support/take-backup.ts';

const sizes = { orders: 500, customers: 100, products: 100, measurements: 100, events: 100, accounts: 50 };

let set: ReplicaSetServers;
let manifest: Manifest;
const store = new MemoryObjectStore();

beforeAll(async () => {
  set = await startReplicaSet({ members: [{}], auth: true });
  await seedShop(set.client(), sizes);
  manifest = await takeBackup({
    set,
    store,
    afterBase: () =>
      set
        .client()
        .db('shop')
        .collection('orders')
        .deleteMany({ customer: { $lt: 2000 } }),
  });
});
afterAll(() => set.stop());

describe('collections restored to a directory', () => {
  test('are files that hold exactly the source, its users and nothing of its set', async () => {
    const directory = join(await makeOwnDirectory('target'), 'data');
    const result = await restoreToDirectory(store, manifest, directory);
    expect(result).toMatchObject({ target: directory, restoreTime: manifest.restoreTime });
    expect(result.steps?.[0]).toContain(directory);
    const state = await lookAt(directory, readDeploymentState);
    expect(findDifferences(await readDeploymentState(set.client()), state)).toEqual([]);
  });
});
