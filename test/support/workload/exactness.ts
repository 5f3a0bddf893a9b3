import { type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import { makeRandom } from '../../../local/demo/random.ts';
import { copyWitness, freezeAt, type Witness } from '../../../local/servers/frozen-source.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { isHoldfastError } from '../../../src/domain/errors.ts';
import type { Timestamp } from '../../../src/domain/timestamp.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../deployment-hashes.ts';
import { type Attempt, dumpWithKills } from '../killed-dump.ts';
import { connectRestorer, restoreBackup } from '../restore-backup.ts';
import { onlyPart, takeBackup } from '../take-backup.ts';
import { type CollectionIdentities, compareIdentities, readIdentities } from './collection-identities.ts';
import { explainDifferences } from './explain-differences.ts';
import { removeData, seedData } from './seed-data.ts';
import { slowedClient } from './slowed-client.ts';
import { SpanningTransactions } from './spanning-transactions.ts';
import { Workload } from './workload.ts';

/** The servers that all seeds share. */
export interface ExactnessServers {
  readonly source: ReplicaSetServers;
  readonly target: StandaloneServer;
  readonly restorer: MongoClient;
  stop(): Promise<void>;
}

export async function startExactnessServers(): Promise<ExactnessServers> {
  const [source, target] = await Promise.all([
    startReplicaSet({
      members: [{}, { hidden: true, votes: 0 }],
      auth: true,
      oplogSizeMb: 990,
      // Test commands: only with them a plain set prepares a transaction. The TTL monitor deletes every second.
      args: [
        '--setParameter=enableTestCommands=1',
        '--setParameter=ttlMonitorSleepSecs=1',
        '--setParameter=transactionLifetimeLimitSeconds=600',
      ],
    }),
    // Nothing may expire in the target before it is compared.
    startStandalone({ auth: true, args: ['--setParameter=ttlMonitorEnabled=false'] }),
  ]);
  const restorer = await connectRestorer(target.client(), target.host);
  return {
    source,
    target,
    restorer,
    async stop() {
      await restorer.close();
      await Promise.all([source.stop(), target.stop()]);
    },
  };
}

export interface SeedOptions {
  /**
   * `quiesced`: the workload ends, capture goes on to the source's last entry, and the live source is compared. Exact,
   * because nothing is written between that entry and the comparison.
   * `frozen`: a copy of the source's files from before the dump, recovered by mongod itself to an entry in the middle
   * of the workload (local/servers/frozen-source.ts). Exact, because the server applies its own oplog to its own files.
   */
  readonly oracle: 'quiesced' | 'frozen';
  /** Operations of the workload that the dump waits for before each of its commands, at most. */
  readonly pace: number;
  /** How often the worker is killed before one completes the base; default 0. */
  readonly kills?: number;
}

export interface SeedReport {
  readonly seed: number;
  readonly operations: number;
  readonly succeeded: ReadonlyMap<string, number>;
  readonly entries: number;
  readonly applied: number;
  readonly seconds: number;
  /** Of the dump; one unless workers were killed. */
  readonly attempts: readonly Attempt[];
}

/** What a server holds, and what its collections are called by UUID. */
export interface Expected {
  readonly state: DeploymentState;
  readonly identities: CollectionIdentities;
}

export async function readExpected(client: MongoClient): Promise<Expected> {
  const state = await readDeploymentState(client);
  return { state, identities: await readIdentities(client, Object.keys(state.databases)) };
}

export const setTtlMonitor = (source: ReplicaSetServers, ttlMonitorEnabled: boolean) =>
  source.client().db('admin').command({ setParameter: 1, ttlMonitorEnabled });

/** Takes the backup while the workload goes on: some of it before the dump, some of it after. */
async function backUp(
  { source }: ExactnessServers,
  workload: Workload,
  store: MemoryObjectStore,
  seed: number,
  { pace, oracle, kills = 0 }: SeedOptions,
  attempts: Attempt[],
): Promise<Manifest> {
  const random = makeRandom(seed * 31);
  const before = async (db: string, command: object): Promise<void> => {
    if (db === 'local' || db === 'config') return;
    // Between two batches of a scan more happens: what it has read is changed, what it will read as well.
    if ('getMore' in command) await workload.after(random.below(8 * pace), 1000);
    else if ('listIndexes' in command || 'find' in command) await workload.after(random.below(pace + 1), 1000);
  };
  const slowed = slowedClient(source.clientFor(source.hidden), before);
  const set = Object.create(source, {
    clientFor: { value: () => slowed },
    hidden: { value: source.hidden },
  }) as ReplicaSetServers;
  await workload.after(10 + random.below(40), 8_000);
  const spanning = new SpanningTransactions(source.client());
  await spanning.begin(workload);
  const taking = takeBackup({
    set,
    store,
    member: source.hidden,
    ...(kills > 0 && { dump: dumpWithKills(makeRandom(seed * 37), kills, attempts) }),
    afterBase: async () => {
      await workload.after(10 + random.below(30), 8_000);
      await spanning.decide();
      await workload.stop();
      await setTtlMonitor(source, false);
      spanning.decideAfterwards(oracle === 'frozen' ? 'now' : 'prepare');
    },
  });
  const manifest = await taking.catch(async (error: unknown) => {
    // What is left open would block the next seed.
    await spanning.end().catch(() => undefined);
    throw error;
  });
  await spanning.end();
  return manifest;
}

interface CommitEntry {
  readonly ts: BsonTimestamp;
  readonly o: { readonly commitTimestamp?: BsonTimestamp };
}

/**
 * An entry of the oplog from the base's point on. A prepared transaction belongs to a restore from its commitTimestamp
 * on (consistency rule 11), to a frozen source from its commit entry on: what lies between is not taken.
 */
async function chooseTime(
  source: ReplicaSetServers,
  point: Timestamp,
  top: Timestamp,
  seed: number,
): Promise<Timestamp> {
  const oplog = source.client().db('local').collection('oplog.rs');
  const range = { $gte: new BsonTimestamp(point), $lte: new BsonTimestamp(top) };
  const times = (await oplog.find({ ts: range }, { projection: { ts: 1 } }).toArray()).map(
    ({ ts }) => ts as BsonTimestamp,
  );
  const commits = (await oplog
    .find({ ts: { $gte: range.$gte }, 'o.commitTransaction': { $exists: true } })
    .toArray()) as unknown as CommitEntry[];
  const usable = times.filter(
    (time) => !commits.some(({ ts, o }) => o.commitTimestamp?.lessThanOrEqual(time) === true && ts.greaterThan(time)),
  );
  const random = makeRandom(seed * 53);
  if (usable.length === 0) throw new Error('no time at which both oracles are the same');
  const chosen = random.below(2) === 0 ? usable[0] : usable[random.below(usable.length)];
  return chosen ? { t: chosen.t, i: chosen.i } : top;
}

async function readOracle(
  { source }: ExactnessServers,
  witness: Witness | undefined,
  time: Timestamp,
): Promise<Expected> {
  if (!witness) return readExpected(source.clientFor(await source.primary()));
  const frozen = await freezeAt(witness, time);
  try {
    return await readExpected(frozen.client());
  } finally {
    await frozen.stop();
  }
}

/** The restorer belongs to the target and not to the source. */
const access = { withoutUsers: ['admin.restorer'], withoutRoles: ['admin.holdfastRestore'] };

export async function compareRestored(
  { restorer }: ExactnessServers,
  { state, identities }: Expected,
): Promise<string[]> {
  const restored = await readDeploymentState(restorer, access);
  const restoredIdentities = await readIdentities(restorer, Object.keys(restored.databases));
  return [...findDifferences(state, restored), ...compareIdentities(identities, restoredIdentities)];
}

/** The same window is not replayed a second time onto what it was restored to. */
async function requireRefusal(again: Promise<unknown>): Promise<void> {
  const refusal = await again.catch((error: unknown) => error);
  if (!isHoldfastError(refusal, 'TargetNotEmpty')) throw new Error('a second restore was not refused');
}

/**
 * One seed: data, workload, a backup meanwhile, restore, comparison.
 * @throws Error naming seed, differences, and what the workload and the oplog say about them
 */
export async function runSeed(servers: ExactnessServers, seed: number, options: SeedOptions): Promise<SeedReport> {
  const started = Date.now();
  const { source, target, restorer } = servers;
  const client = source.client();
  await removeData(client);
  await seedData(client, seed);
  await setTtlMonitor(source, true);
  const witness = options.oracle === 'frozen' ? await copyWitness(source, source.hidden) : undefined;
  const workload = new Workload(client, { seed, lanes: 5 });
  const store = new MemoryObjectStore();
  const attempts: Attempt[] = [];
  try {
    const manifest = await backUp(servers, workload, store, seed, options, attempts);
    const part = onlyPart(manifest);
    const top = manifest.restoreTime ?? part.point.ts;
    const restoreTime = witness ? await chooseTime(source, part.point.ts, top, seed) : top;
    const expected = await readOracle(servers, witness, restoreTime);
    const explain = (what: readonly string[]) =>
      explainDifferences(client, workload, manifest, { seed, restoreTime, what });
    const result = await restoreBackup(restorer, store, manifest, {
      users: true,
      overwrite: target.host,
      restoreTime,
    }).catch(async (error: unknown) => {
      throw new Error(await explain([String(error)]), { cause: error });
    });
    const differences = await compareRestored(servers, expected);
    if (differences.length > 0) throw new Error(await explain(differences));
    await requireRefusal(restoreBackup(restorer, store, manifest, { restoreTime }));
    const { entries, applied } = result.oplog;
    const seconds = (Date.now() - started) / 1000;
    const { operations, succeeded } = workload;
    return { seed, operations, succeeded, entries, applied, seconds, attempts };
  } finally {
    await workload.stop().catch(() => undefined);
    await witness?.discard();
  }
}
