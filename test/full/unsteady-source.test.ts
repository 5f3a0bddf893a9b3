import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { afterEach, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { readDeploymentState } from '../../local/proof/deployment-state.ts';
import { findDifferences } from '../../local/proof/differences.ts';
import { copyWitness, freezeAt } from '../../local/servers/frozen-source.ts';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { seedDocuments, settingsFor, workerPid } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { onlyPart } from '../support/take-backup.ts';

const things: AsyncDisposableStack[] = [];
afterEach(async () => {
  await things.pop()?.disposeAsync();
});

/** Writes, of which some may fail while there is no primary: whether they took place is the source's business. */
function startWriter(client: MongoClient): { stop: () => Promise<void> } {
  const items = client.db('shop').collection<{ _id: number; n: number }>('items');
  const stopped = new AbortController();
  const ended = (async () => {
    for (let n = 0; !stopped.signal.aborted; n += 1) {
      const write = n % 3 === 2 ? items.deleteOne({ _id: n - 2 }) : items.insertOne({ _id: n, n });
      await write.catch(() => undefined);
      await items.updateOne({ _id: n - 1 }, { $inc: { n: 1 } }).catch(() => undefined);
    }
  })();
  return {
    stop: () => {
      stopped.abort();
      return ended;
    },
  };
}

async function stepDown(set: ReplicaSetServers): Promise<void> {
  const before = await set.primary();
  const admin = set.clientFor(before).db('admin');
  // Refused while the other one has not caught up.
  await until('the primary steps down', async () => {
    await admin.command({ replSetStepDown: 60, secondaryCatchUpPeriodSecs: 30 });
    return true;
  });
  await until('another member is primary', async () => ((await set.primary()) === before ? undefined : true));
  // Who stepped down may be elected again: the next step-down needs it.
  await admin.command({ replSetFreeze: 0 });
}

test('a backup through a broken network, a killed member and two step-downs restores exactly', async () => {
  const stack = new AsyncDisposableStack();
  things.push(stack);
  const directory = await makeOwnDirectory('unsteady-source');
  stack.defer(() => removeOwnDirectory(directory));
  const proxies: TcpProxy[] = [];
  const set = await startReplicaSet({
    members: [{}, {}, { hidden: true, votes: 0 }],
    advertise: async (member, index) => {
      if (index !== 2) return member.host;
      proxies.push(await startTcpProxy(member.port));
      return proxies[0]?.host ?? '';
    },
  });
  stack.defer(() => set.stop());
  const [proxy] = proxies as [TcpProxy];
  stack.defer(() => proxy.close());
  await seedDocuments(set, 16);
  const writer = startWriter(set.client());
  stack.defer(() => writer.stop());
  const primary = await set.primary();
  const [bystander = primary] = set.members.filter((member) => member !== primary && member !== set.hidden);
  const witness = await copyWitness(set, bystander);
  stack.defer(() => witness.discard());

  const settings = settingsFor(set, directory);
  const client = await openEmbedded({ settings, logger: noLogger });
  stack.defer(() => client.close());

  const reset = proxy.after(6_000_000, 'drop');
  const { runId } = await client.startBackup({});
  await reset;
  const killed = proxy.after(6_000_000, 'stall');
  await workerPid(settings, { runId, attempt: 2 });
  await killed;
  await set.hidden.kill();
  await set.hidden.restart();
  proxy.release();
  const third = proxy.after(6_000_000, 'stall');
  await workerPid(settings, { runId, attempt: 3 });
  await third;
  await stepDown(set);
  proxy.release();
  const base = join(settings.stateDir, stateKeys.base(runId, set.name));
  await until('the base is complete', () => Promise.resolve(existsSync(base) ? true : undefined));
  await stepDown(set);
  expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });

  const [summary] = await client.listBackups({});
  const manifest = await client.describeBackup(summary?.backupId ?? '');
  expect(manifest.parts[0]).toMatchObject({ member: proxy.host, base: { member: proxy.host } });
  expect(onlyPart(manifest).base.attempt).toBeGreaterThanOrEqual(3);
  const target = await startReplicaSet({ members: [{}], name: 'target' });
  stack.defer(() => target.stop());
  const restore = await client.startRestore({ backup: 'orders', to: target.uri });
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
