import { afterEach, expect, test } from 'vitest';
import { seedShop } from '../../local/demo/seed-shop.ts';
import { startShopWriter } from '../../local/demo/shop-writer.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { readDeploymentState } from '../../local/proof/deployment-state.ts';
import { findDifferences } from '../../local/proof/differences.ts';
import { copyWitness, freezeAt } from '../../local/servers/frozen-source.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { startReplicaSet } from '../../local/servers/replica-set.ts';
import { settingsFor, untilProgress, withBandwidth, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { onlyPart } from '../support/take-backup.ts';

const things: AsyncDisposableStack[] = [];
afterEach(async () => {
  await things.pop()?.disposeAsync();
});

test('a backup under load whose worker was killed restores to the source as it was at the restore time', async () => {
  const stack = new AsyncDisposableStack();
  things.push(stack);
  const directory = await makeOwnDirectory('killed-worker');
  stack.defer(() => removeOwnDirectory(directory));
  const set = await startReplicaSet({ members: [{}, {}, { hidden: true, votes: 0 }] });
  stack.defer(() => set.stop());
  await seedShop(set.client());
  const writer = startShopWriter(set.client());
  stack.defer(() => writer.stop());
  const primary = await set.primary();
  const [bystander = primary] = set.members.filter((member) => member !== primary && member !== set.hidden);
  const witness = await copyWitness(set, bystander);
  stack.defer(() => witness.discard());

  const settings = withBandwidth(settingsFor(set, directory), 2 ** 20);
  const client = await openEmbedded({ settings, logger: noLogger });
  stack.defer(() => client.close());
  const { runId } = await client.startBackup({});
  const pid = await workerPid(settings, { runId, attempt: 1 });
  await untilProgress(settings, runId);
  process.kill(pid, 'SIGKILL');
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });

  const [summary] = await client.listBackups({});
  const manifest = await client.describeBackup(summary?.backupId ?? '');
  expect(onlyPart(manifest).base.attempt).toBe(2);
  const target = await startReplicaSet({ members: [{}], name: 'target' });
  stack.defer(() => target.stop());
  const restore = await client.startRestore({ backup: 'orders', to: target.uri, users: true });
  expect(await client.waitForRun(restore.runId)).toMatchObject({ status: 'succeeded', error: null });

  const frozen = await freezeAt(witness, manifest.restoreTime ?? { t: 0, i: 0 });
  stack.defer(() => frozen.stop());
  const [expected, restored] = await Promise.all([
    readDeploymentState(frozen.client()),
    readDeploymentState(target.client()),
  ]);
  expect(Object.keys(expected.databases)).toContain('shop');
  expect(findDifferences(expected, restored)).toEqual([]);
});
