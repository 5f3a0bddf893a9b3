import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { Settings } from '../../src/domain/settings.ts';
import { settingsFor } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';

let set: ReplicaSetServers;
let directory: string;
let count = 0;

function newSettings(): Settings {
  count += 1;
  const settings = settingsFor(set, join(directory, String(count)));
  const orders = settings.deployments['orders'];
  if (!orders) throw new Error('no deployment');
  return {
    ...settings,
    deployments: { orders: { ...orders, lock: true, volumes: { [set.hidden.host]: set.hidden.dbPath } } },
  };
}

beforeAll(async () => {
  directory = await makeOwnDirectory('physical');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] });
  await set
    .client()
    .db('shop')
    .collection('orders')
    .insertMany(
      Array.from({ length: 1000 }, (_, n) => ({ n })),
      { writeConcern: { w: 2 } },
    );
});
afterAll(async () => {
  await set.stop();
  await removeOwnDirectory(directory);
});

test('physical', async () => {
  const settings = newSettings();
  const client = await openEmbedded({ settings, logger: { ...noLogger, warn: console.log, error: console.log } });
  const { runId } = await client.startBackup({});
  const status = await client.waitForRun(runId);
  console.log(JSON.stringify(status.error), status.state);
  expect(status.status).toBe('succeeded');
  const [newest] = await client.listBackups({});
  const manifest: Manifest = await client.describeBackup(newest?.backupId ?? '');
  console.log(JSON.stringify(manifest.parts[0]?.base, null, 1), manifest.methodReason);
  await client.close();
});
