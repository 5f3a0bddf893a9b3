import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { makeRandom } from '../../../local/demo/random.ts';
import { openEmbedded } from '../../../local/embedded.ts';
import { copyWitness } from '../../../local/servers/frozen-source.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../../local/servers/reaper.ts';
import type { ReplicaSetServers } from '../../../local/servers/replica-set.ts';
import { DirectoryObjectStore } from '../../../src/adapters/directory/directory-object-store.ts';
import { chooseRestore, type ChosenRestore } from '../../../src/application/choose-restore.ts';
import type { HoldfastClient } from '../../../src/application/ports/holdfast-client.ts';
import type { RecoverySourcesDeps } from '../../../src/application/recovery-sources.ts';
import type { Manifest, Method } from '../../../src/domain/manifest.ts';
import { backupRole } from '../../../src/domain/privileges.ts';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';
import { compareTimestamps, type OpTime, type Timestamp } from '../../../src/domain/timestamp.ts';
import { lastEntry } from '../archive-oplog.ts';
import { createUserWithRole } from '../backup-user.ts';
import { findDifferences } from '../deployment-hashes.ts';
import { archivedSettings, archiveToEnd, frozenSnapshots } from '../physical-set.ts';
import { lookAt, restoreToDirectory } from '../recovered-files.ts';
import { restoreBackup } from '../restore-backup.ts';
import { silentLogger } from '../take-backup.ts';
import { compareIdentities } from './collection-identities.ts';
import { compareRestored, type ExactnessServers, type Expected, readExpected, setTtlMonitor } from './exactness.ts';
import { chooseTargets, readFrozen, type Target } from './point-in-time.ts';
import { placeOf } from './operation.ts';
import { removeData, seedData } from './seed-data.ts';
import { spanningDatabase, SpanningTransactions } from './spanning-transactions.ts';
import { withoutTemporaryCollections } from './temporary-collections.ts';
import { Workload } from './workload.ts';

const methods: readonly Method[] = ['logical', 'physical', 'snapshot'];
const credentialsVariable = 'HOLDFAST_TEST_BACKUP_USER';

/** The user that backups are taken by; once for a set. */
export async function createBackupUser(source: ReplicaSetServers): Promise<void> {
  process.env[credentialsVariable] = (await createUserWithRole(source.client(), 'backup', backupRole(), 2)).text;
}

export function settingsOf(source: ReplicaSetServers, root: string): Settings {
  const settings = archivedSettings(source, root);
  const orders = { ...settings.deployments['orders'], lock: false, credentials: { env: credentialsVariable } };
  return settingsSchema.parse({ ...settings, deployments: { orders } });
}

export function catalogOf(settings: Settings): RecoverySourcesDeps {
  const stores = new Map(
    Object.values(settings.storages).map((storage) => {
      if (storage.type !== 'directory') throw new TypeError(`${storage.name} is no directory`);
      return [storage.name, new DirectoryObjectStore({ root: storage.path })];
    }),
  );
  const openStorage: RecoverySourcesDeps['openStorage'] = ({ name }) => {
    const store = stores.get(name);
    if (!store) throw new TypeError(`no storage ${name}`);
    return store;
  };
  const state = new DirectoryObjectStore({ root: settings.stateDir });
  return { settings, state, logger: silentLogger, openStorage };
}

/** The product's own archiver, turn after turn. @returns how to end it */
function keepArchiving(client: HoldfastClient): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const archiving = (async () => {
    while (!signal.aborted) {
      // While its files are copied the member stands still, for longer than anybody waits on a busy disk: the next turn goes on.
      await client.archiveOplog?.('orders').catch((error: unknown) => {
        if (!isHoldfastError(error, 'NoEligibleMember', 'SourceUnreachable')) throw error;
      });
      await pause(500, undefined, { signal }).catch(() => undefined);
    }
  })();
  // Told by who ends it.
  archiving.catch(() => undefined);
  return () => {
    stopping.abort();
    return archiving;
  };
}

export async function backUp(client: HoldfastClient, method: Method): Promise<Manifest> {
  const { runId } = await client.startBackup({ deployment: 'orders', method });
  const { status, error } = await client.waitForRun(runId);
  if (status !== 'succeeded') throw new Error(`the ${method} backup: ${error?.message ?? status}`);
  const backups = await client.listBackups({});
  const found = backups.find(({ backupId }) => backupId.includes(`-${method}-`));
  return client.describeBackup(found?.backupId ?? '');
}

interface History {
  readonly backups: readonly Manifest[];
  /** From it on every one of them can be restored. */
  readonly points: readonly [Timestamp];
  readonly top: OpTime;
}

/** A backup of each method, in an order of the seed's, while the workload goes on and the archiver works. */
async function makeHistory(
  source: ReplicaSetServers,
  workload: Workload,
  client: HoldfastClient,
  seed: number,
): Promise<History> {
  const backups: Manifest[] = [];
  const stopArchiving = keepArchiving(client);
  const spanning = new SpanningTransactions(source.client());
  try {
    for (const n of methods.keys())
      backups.push(await backUp(client, methods[(n + seed) % methods.length] ?? 'logical'));
    await workload.after(40, 6_000);
    await spanning.begin(workload);
    await workload.after(80, 6_000);
    await spanning.decide();
    await workload.stop();
    await setTtlMonitor(source, false);
    spanning.decideAfterwards('now');
  } finally {
    await spanning.end();
    await stopArchiving();
  }
  // Empty entries alone make no slice.
  await placeOf(source.client(), spanningDatabase, 'kept').collection.insertOne({ _id: 999 });
  await archiveToEnd(client, source);
  const [last] = backups
    .map(({ restoreTime }) => restoreTime ?? { t: 0, i: 0 })
    .sort((a, b) => compareTimestamps(b, a));
  return { backups, points: [last ?? { t: 0, i: 0 }], top: await lastEntry(source) };
}

/** Namespaces that differences name: what the workload says is shown of these. */
const namesIn = (what: readonly string[]): string[] => [
  ...new Set(what.flatMap((line) => line.match(/\b[a-z]+\.[a-z]+\d*\b/g) ?? [])),
];

interface Restored {
  readonly target: Target;
  readonly method: Method;
  readonly slices: number;
  readonly applied: number;
}

/** @returns what is different in the restored */
export async function restore(
  servers: ExactnessServers,
  { manifest, slices, entry }: ChosenRestore,
  {
    target,
    expected,
    directory,
    catalog,
  }: {
    readonly target: Target;
    readonly expected: Expected;
    readonly directory: string;
    readonly catalog: RecoverySourcesDeps;
  },
): Promise<{ differences: string[]; applied: number }> {
  const archive = catalog.settings.storages['archive'];
  if (!archive) throw new TypeError('no archive');
  const archived = slices.map((slice) => ({ slice, store: catalog.openStorage(archive) }));
  const to = { restoreTime: target.time, archived };
  if (manifest.method === 'logical') {
    const overwrite = servers.target.host;
    const { oplog } = await restoreBackup(servers.restorer, entry.storage, manifest, { users: true, overwrite, ...to });
    return { differences: await compareRestored(servers, expected), applied: oplog.applied };
  }
  try {
    const { oplog } = await restoreToDirectory(entry.storage, manifest, directory, to);
    const [wanted, found] = withoutTemporaryCollections(expected, await lookAt(directory, readExpected));
    const differences = [
      ...findDifferences(wanted.state, found.state),
      ...compareIdentities(wanted.identities, found.identities),
    ];
    return { differences, applied: oplog.applied };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * One seed: a workload with a base of each method and the product's archiver beside it, and random times, each restored from
 * every one of the bases and compared with the source frozen there by mongod itself.
 * @throws Error naming seed, method, target and differences
 */
export async function runEveryMethodSeed(
  servers: ExactnessServers,
  seed: number,
  targets: number,
): Promise<Restored[]> {
  const { source } = servers;
  const mongo = source.client();
  await removeData(mongo);
  await seedData(mongo, seed);
  await setTtlMonitor(source, true);
  const root = await makeOwnDirectory('every-method');
  const settings = settingsOf(source, root);
  const catalog = catalogOf(settings);
  const witness = await copyWitness(source, source.hidden);
  // As volumes are snapshotted: at one instant, without a lock.
  const volumes = frozenSnapshots(settings, source.hidden);
  const client = await openEmbedded({ settings, volumes, logger: silentLogger });
  const workload = new Workload(mongo, { seed, lanes: 3 });
  const done: Restored[] = [];
  try {
    const history = await makeHistory(source, workload, client, seed);
    for (const target of await chooseTargets(source, history, targets, makeRandom(seed * 61))) {
      const expected = await readFrozen(witness, target.last);
      for (const { backupId, method } of history.backups) {
        const request = { backup: backupId, to: 'mongodb://unused', at: target.at };
        const chosen = await chooseRestore(request, new Set(methods), catalog);
        const about = `${method}, at ${target.at}:`;
        const explain = (what: readonly string[]) =>
          [`seed ${seed}, ${chosen.slices.length} slices:`, ...what, ...workload.log(namesIn(what)).slice(-40)].join(
            '\n',
          );
        const directory = join(root, 'restored');
        const { differences, applied } = await restore(servers, chosen, { target, expected, directory, catalog }).catch(
          (error: unknown) => {
            throw new Error(explain([about, String(error)]), { cause: error });
          },
        );
        if (differences.length > 0) throw new Error(explain([about, ...differences]));
        done.push({ target, method, slices: chosen.slices.length, applied });
      }
    }
    return done;
  } finally {
    await workload.stop().catch(() => undefined);
    await client.close();
    await witness.discard();
    await removeOwnDirectory(root);
  }
}
