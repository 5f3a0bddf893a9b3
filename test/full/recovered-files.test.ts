import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeRandom } from '../../local/demo/random.ts';
import { until } from '../../local/servers/poll.ts';
import { removeOwnDirectory } from '../../local/servers/reaper.ts';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { copyFiles, type Stillness } from '../support/copied-files.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { handOver, lookAt, recover } from '../support/recovered-files.ts';
import { restoreBackup } from '../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../support/take-backup.ts';
import { compareIdentities, readIdentities } from '../support/workload/collection-identities.ts';
import { seedsFromEnvironment } from '../support/workload/exactness-suite.ts';
import { type ExactnessServers, startExactnessServers } from '../support/workload/exactness.ts';
import { removeData, seedData } from '../support/workload/seed-data.ts';
import { SpanningTransactions } from '../support/workload/spanning-transactions.ts';
import { Workload } from '../support/workload/workload.ts';

/**
 * Files of a member, copied while a random workload writes, with transactions over several collections and prepared ones
 * that are decided after the restore time: recovered, they equal the source. Two oracles, neither of which is a recovery:
 * the source itself, which nobody writes to any more at that time, and a logical restore of the same backup to it.
 */

let servers: ExactnessServers;
const seeds = seedsFromEnvironment('1-4');

beforeAll(async () => {
  servers = await startExactnessServers();
});
afterAll(() => servers.stop());

/** A member that was started again knows the majority's point once it has heard from the others. */
async function untilReadable(set: ReplicaSetServers): Promise<void> {
  await set.healthy();
  await until('the member knows the majority point', async () => {
    const hello = await set.clientFor(set.hidden).db('admin').command({ hello: 1 });
    const { majorityOpTime } = hello['lastWrite'] as { majorityOpTime?: { ts: { t: number } } };
    return (majorityOpTime?.ts.t ?? 0) > 0 ? true : undefined;
  });
}

async function backUp(seed: number, how: Stillness, store: MemoryObjectStore) {
  const { source } = servers;
  const client = source.client();
  const ttl = (ttlMonitorEnabled: boolean) => client.db('admin').command({ setParameter: 1, ttlMonitorEnabled });
  const random = makeRandom(seed * 41);
  await removeData(client);
  await seedData(client, seed);
  await ttl(true);
  // A member that has just begun has no checkpoint yet that anything could be recovered from.
  await source.clientFor(source.hidden).db('admin').command({ fsync: 1 });
  const workload = new Workload(client, { seed, lanes: 5 });
  const spanning = new SpanningTransactions(client);
  let copy = '';
  try {
    await workload.after(10 + random.below(40), 8_000);
    await spanning.begin(workload);
    const afterBase = async () => {
      await workload.after(10 + random.below(40), 8_000);
      copy = await copyFiles(source.hidden, source.clientFor(source.hidden), how);
      if (how === 'killed') await untilReadable(source);
      await workload.after(20 + random.below(60), 8_000);
      await spanning.decide();
      await workload.stop();
      await ttl(false);
      // Committed after the restore time was chosen, as of a time before it.
      spanning.decideAfterwards('prepare');
    };
    const manifest = await takeBackup({ set: source, store, member: source.hidden, afterBase });
    await spanning.end();
    return { manifest, copy };
  } finally {
    await workload.stop().catch(() => undefined);
    await spanning.end().catch(() => undefined);
  }
}

async function compareRestored(manifest: Manifest, store: MemoryObjectStore, state: Awaited<ReturnType<typeof read>>) {
  const { target, restorer } = servers;
  await restoreBackup(restorer, store, manifest, { users: true, overwrite: target.host });
  const access = { withoutUsers: ['admin.restorer'], withoutRoles: ['admin.holdfastRestore'] };
  return findDifferences(await readDeploymentState(restorer, access), state.state);
}

async function read(client: Parameters<typeof readDeploymentState>[0]) {
  const state = await readDeploymentState(client);
  return { state, identities: await readIdentities(client, Object.keys(state.databases)) };
}

describe.each<Stillness>(['stopped', 'locked', 'killed'])('a member that was %s while its files were copied', (how) => {
  test.each(seeds)('seed %i: equals the source at the restore time', async (seed) => {
    const store = new MemoryObjectStore();
    const { manifest, copy } = await backUp(seed, how, store);
    const expected = await read(servers.source.clientFor(await servers.source.primary()));
    const recovered = await recover(
      copy,
      store,
      onlyPart(manifest).oplog.slices,
      manifest.restoreTime ?? { t: 0, i: 0 },
    );
    expect(recovered.prepared).toBeGreaterThan(0);
    expect(recovered.appended).toBeGreaterThan(0);
    await handOver(copy);
    const actual = await lookAt(copy, read);
    expect(findDifferences(expected.state, actual.state)).toEqual([]);
    expect(compareIdentities(expected.identities, actual.identities)).toEqual([]);
    expect(await compareRestored(manifest, store, actual)).toEqual([]);
    await removeOwnDirectory(copy);
  });
});
