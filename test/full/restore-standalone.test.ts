import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import type { HoldfastClient } from '../../src/application/ports/holdfast-client.ts';
import type { RestoreRequest } from '../../src/domain/run.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { noLogger } from '../support/no-logger.ts';

const sizes = { orders: 500, customers: 100, products: 100, measurements: 100, events: 100, accounts: 50 };

describe("a standalone's snapshot", () => {
  let source: StandaloneServer;
  let target: StandaloneServer;
  let client: HoldfastClient;
  let root: string;
  let expected: DeploymentState;

  beforeAll(async () => {
    root = await makeOwnDirectory('standalone');
    [source, target] = await Promise.all([startStandalone(), startStandalone()]);
    await seedShop(source.client(), sizes);
    const alone = {
      ...{ name: 'alone', uri: `mongodb://${source.host}/`, storage: 'local', lock: true },
      volumes: { [source.host]: source.process.dbPath },
      ...{ member: {}, compression: { level: 1 }, limits: { parallel: 1 } },
    };
    const settings = settingsSchema.parse({
      ...{ schemaVersion: 1, stage: 'test', stateDir: join(root, 'state') },
      storages: { local: { name: 'local', type: 'directory', path: join(root, 'storage') } },
      deployments: { alone },
    });
    client = await openEmbedded({ settings, logger: noLogger });
    const { runId } = await client.startBackup({ deployment: 'alone' });
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
    expected = await readDeploymentState(source.client());
    await source.client().db('shop').collection('orders').deleteMany({});
  });
  afterAll(async () => {
    await client.close();
    await Promise.all([source.stop(), target.stop()]);
    await removeOwnDirectory(root);
  });
  afterEach(async () => {
    for (const db of ['shop', 'copy', 'holdfast_restore']) await target.client().db(db).dropDatabase();
  });

  async function restore(request: Omit<RestoreRequest, 'backup'>) {
    const { runId } = await client.startRestore({ backup: 'alone', ...request });
    return client.waitForRun(runId);
  }

  test('is loaded into a running server, whole', async () => {
    expect(await restore({ to: target.uri, at: 'latest' })).toMatchObject({
      ...{ status: 'succeeded', error: null, output: { restoreTime: null } },
    });
    const { databases } = await readDeploymentState(target.client());
    expect(findDifferences({ databases: expected.databases }, { databases })).toEqual([]);
  });

  test('gives it one collection under another name', async () => {
    const renames = [{ from: 'shop.orders', to: 'copy.orders' }];
    expect(await restore({ to: target.uri, namespaces: ['shop.orders'], renames })).toMatchObject({
      ...{ status: 'succeeded', error: null },
    });
    const { databases } = await readDeploymentState(target.client());
    expect(Object.keys(databases)).toEqual(['copy']);
    expect(databases['copy']?.collections['orders']).toEqual(expected.databases['shop']?.collections['orders']);
    expect(databases['copy']?.collectionHashes['orders']).toBe(expected.databases['shop']?.collectionHashes['orders']);
  });

  test('is not restored into its source by mistake, nor to another time than its own', async () => {
    expect((await restore({ to: source.uri })).error).toMatchObject({ name: 'TargetIsSource' });
    for (const request of [{ at: '2026-01-01T00:00:00Z' }, { beforeDrop: 'shop.orders' }])
      expect((await restore({ to: target.uri, ...request })).error).toMatchObject({
        name: 'TimeNotRestorable',
        message: expect.stringContaining('its own time only') as string,
      });
  });
});
