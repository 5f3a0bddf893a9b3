import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedShop } from '../../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../../local/embedded.ts';
import { until } from '../../../local/servers/poll.ts';
import { makeOwnDirectory } from '../../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import type { HoldfastClient } from '../../../src/application/ports/holdfast-client.ts';
import type { Settings } from '../../../src/domain/settings.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { settingsFor, workerPid } from '../../support/embedded-set.ts';
import { noLogger } from '../../support/no-logger.ts';
import { lookAt } from '../../support/recovered-files.ts';

/** The oracle is the same backup of files, by two ways that share nothing after the recovery, and a writer's own count. */

const sizes = { orders: 1000, customers: 100, products: 200, measurements: 200, events: 200, accounts: 100 };
let set: ReplicaSetServers;
let target: StandaloneServer;
let client: HoldfastClient;
let settings: Settings;
let directory: string;
let state: DeploymentState;

beforeAll(async () => {
  const root = await makeOwnDirectory('physical');
  directory = join(root, 'data');
  [set, target] = await Promise.all([
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] }),
    startStandalone(),
  ]);
  await seedShop(set.client(), sizes);
  const base = settingsFor(set, root);
  const orders = base.deployments['orders'];
  if (!orders) throw new Error('no deployment');
  const volumes = { [set.hidden.host]: set.hidden.dbPath };
  settings = { ...base, deployments: { orders: { ...orders, method: 'physical', lock: true, volumes } } };
  client = await openEmbedded({ settings, logger: noLogger });
  const writer = startShopWriter(set.client(), { lanes: 2, restMs: 0 });
  const { runId } = await client.startBackup({});
  const status = await client.waitForRun(runId);
  await writer.stop();
  expect(status).toMatchObject({ status: 'succeeded' });
});
afterAll(async () => {
  await client.close();
  await Promise.all([set.stop(), target.stop()]);
});

describe('a backup by files, taken under load', () => {
  test('becomes a data directory, also when its worker is killed while it recovers', async () => {
    const { runId } = await client.startRestore({ backup: 'orders', to: directory });
    const pid = await workerPid(settings, { runId, attempt: 1 }, 'restore');
    const mark = () => readFile(join(directory, 'HOLDFAST_INCOMPLETE'), 'utf8').catch(() => '');
    await until('the files are being recovered', async () => (await mark()).includes('recovering') || undefined);
    process.kill(pid, 'SIGKILL');
    const status = await client.waitForRun(runId);
    expect(status).toMatchObject({ status: 'succeeded', output: { target: directory } });
    expect(await mark()).toBe('');
    state = await lookAt(directory, readDeploymentState);
    expect(Object.keys(state.databases)).toContain('shop');
  });

  test('is loaded into a running server, which then holds the same', async () => {
    const { runId } = await client.startRestore({ backup: 'orders', to: target.uri });
    expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded' });
    expect(findDifferences(state, { ...(await readDeploymentState(target.client())), ...noAccess(state) })).toEqual([]);
  });
});

/** Users and roles were not asked for. */
function noAccess({ users, roles }: DeploymentState): Pick<DeploymentState, 'users' | 'roles'> {
  return { ...(users && { users }), ...(roles && { roles }) };
}
