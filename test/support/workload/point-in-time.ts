import { type Document, Timestamp as BsonTimestamp } from 'mongodb';
import { makeRandom, type Random } from '../../../local/demo/random.ts';
import { copyWitness, freezeAt, type Witness } from '../../../local/servers/frozen-source.ts';
import type { ReplicaSetServers } from '../../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { RecoverySourcesDeps } from '../../../src/application/recovery-sources.ts';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { formatTimestamp, type OpTime, type Timestamp } from '../../../src/domain/timestamp.ts';
import { endOfSecond } from '../../../src/domain/wanted-time.ts';
import { archiveOplog, lastEntry } from '../archive-oplog.ts';
import { restoreBackup } from '../restore-backup.ts';
import { seal } from '../seal.ts';
import { onlyPart, silentLogger, takeBackup } from '../take-backup.ts';
import { compareRestored, type ExactnessServers, type Expected, readExpected, setTtlMonitor } from './exactness.ts';
import { explainDifferences } from './explain-differences.ts';
import { removeData, seedData } from './seed-data.ts';
import { slowedClient } from './slowed-client.ts';
import { SpanningTransactions } from './spanning-transactions.ts';
import { Workload } from './workload.ts';

/** A deployment's catalog as a restore finds it: bases in one storage, the archive in another. */
export interface ArchivedHistory {
  readonly bases: MemoryObjectStore;
  readonly archive: MemoryObjectStore;
  readonly catalog: RecoverySourcesDeps;
  /** Of the newest backup's point and the oldest one's. */
  readonly points: readonly Timestamp[];
  readonly top: OpTime;
}

const settings = settingsSchema.parse({
  ...{ schemaVersion: 1, stage: 'test', stateDir: '/state', deployments: {} },
  storages: {
    test: { name: 'test', type: 'directory', path: '/bases' },
    offsite: { name: 'offsite', type: 'directory', path: '/archive' },
  },
});

function makeCatalog(bases: MemoryObjectStore, archive: MemoryObjectStore): RecoverySourcesDeps {
  const state = new MemoryObjectStore('state');
  return { settings, state, logger: silentLogger, openStorage: ({ name }) => (name === 'test' ? bases : archive) };
}

/** A set whose scans and listings wait for the workload, so that much happens while a base is taken. */
function slowedSet(source: ReplicaSetServers, workload: Workload, random: Random): ReplicaSetServers {
  const slowed = slowedClient(source.clientFor(source.hidden), async (db: string, command: object): Promise<void> => {
    if (db === 'local' || db === 'config') return;
    if ('getMore' in command) await workload.after(random.below(8), 1000);
    else if ('listIndexes' in command || 'find' in command) await workload.after(random.below(2), 1000);
  });
  return Object.create(source, {
    clientFor: { value: () => slowed },
    hidden: { value: source.hidden },
  }) as ReplicaSetServers;
}

/** A backup under the workload, stored with its manifest as a run leaves it. @returns its point */
async function backUp(
  source: ReplicaSetServers,
  workload: Workload,
  store: MemoryObjectStore,
  { random, n }: { readonly random: Random; readonly n: number },
): Promise<Timestamp> {
  const taken = await takeBackup({
    set: slowedSet(source, workload, random),
    store,
    member: source.hidden,
    backupId: `20261122T10153${n}Z-logical-k3f${n}`,
    afterBase: () => workload.after(random.below(10), 2_000),
  });
  const manifest = seal(taken);
  await store.put(artifactKeys.manifest(manifest.deployment, manifest.backupId), Buffer.from(JSON.stringify(manifest)));
  return onlyPart(manifest).point.ts;
}

/** Two backups and the archive over all of it, while the workload goes on; transactions that span slices and targets. */
async function makeHistory(source: ReplicaSetServers, workload: Workload, seed: number): Promise<ArchivedHistory> {
  const [bases, archive] = [new MemoryObjectStore('bases'), new MemoryObjectStore('archive')];
  const random = makeRandom(seed * 41);
  const start = await lastEntry(source);
  await workload.after(10 + random.below(30), 8_000);
  const points: Timestamp[] = [];
  for (const n of [1, 2]) {
    points.push(await backUp(source, workload, bases, { random, n }));
    await workload.after(30 + random.below(40), 6_000);
  }
  const spanning = new SpanningTransactions(source.client());
  try {
    await spanning.begin(workload);
    await workload.after(80, 6_000);
    await spanning.decide();
    await workload.stop();
    await setTtlMonitor(source, false);
    spanning.decideAfterwards('now');
  } finally {
    await spanning.end();
  }
  await source
    .client()
    .db('admin')
    .command({ appendOplogNote: 1, data: { test: 'the end' } });
  const top = await lastEntry(source);
  const { config } = await source.client().db('admin').command({ replSetGetConfig: 1 });
  const id = (config as { settings: { replicaSetId: { toHexString(): string } } }).settings.replicaSetId.toHexString();
  await archiveOplog(source, archive, artifactKeys.archive('orders', source.name, id), {
    from: start,
    to: top,
    random,
  });
  return { bases, archive, catalog: makeCatalog(bases, archive), points, top };
}

export interface Target {
  /** What is asked for. */
  readonly at: string;
  readonly time: Timestamp;
  /** The last entry that belongs to it. */
  readonly last: Timestamp;
}

/**
 * Times between the first point and the end: of any entry, of those of transactions, and whole seconds. A prepared
 * transaction belongs to a restore from its commitTimestamp on (consistency rule 11), to a frozen source from its commit
 * entry on: what lies between is not taken.
 */
export async function chooseTargets(
  source: ReplicaSetServers,
  { points, top }: Pick<ArchivedHistory, 'points' | 'top'>,
  count: number,
  random: Random,
): Promise<Target[]> {
  const [first = top.ts] = points;
  const range = { $gte: new BsonTimestamp(first), $lte: new BsonTimestamp(top.ts) };
  const entries = (await source
    .client()
    .db('local')
    .collection('oplog.rs')
    .find({ ts: range }, { projection: { ts: 1, op: 1, prevOpTime: 1, 'o.commitTimestamp': 1, 'o.prepare': 1 } })
    .toArray()) as unknown as (Document & {
    readonly ts: BsonTimestamp;
    readonly o?: { commitTimestamp?: BsonTimestamp };
  })[];
  const plain = ({ ts }: { ts: BsonTimestamp }): Timestamp => ({ t: ts.t, i: ts.i });
  const isUsable = ({ time, last }: Target) =>
    !entries.some(
      ({ ts, o }) =>
        o?.commitTimestamp?.lessThanOrEqual(new BsonTimestamp(time)) === true &&
        ts.greaterThan(new BsonTimestamp(last)),
    );
  const exactly = (entry: { ts: BsonTimestamp }): Target => ({
    at: formatTimestamp(plain(entry)),
    time: plain(entry),
    last: plain(entry),
  });
  const seconds = entries.filter(({ ts }, n) => (entries[n + 1]?.ts.t ?? ts.t) > ts.t);
  const kinds: readonly Target[][] = [
    entries.map(exactly),
    seconds.map((entry) => ({
      at: new Date(entry.ts.t * 1000).toISOString().replace('.000', ''),
      time: endOfSecond(entry.ts.t),
      last: plain(entry),
    })),
    entries.filter(({ prevOpTime }) => prevOpTime !== undefined).map(exactly),
  ];
  return Array.from({ length: count }, (_, n) => {
    const usable = (kinds[n % kinds.length] ?? []).filter(isUsable);
    const [any = exactly({ ts: new BsonTimestamp(top.ts) }), ...others] = usable;
    return random.pick([any, ...others]);
  });
}

export async function readFrozen(witness: Witness, time: Timestamp): Promise<Expected> {
  const frozen = await freezeAt(witness, time);
  try {
    return await readExpected(frozen.client());
  } finally {
    await frozen.stop();
  }
}

/**
 * One seed: data, a workload with two backups and the archive, and restores to random times of it, each compared with
 * the source frozen there by mongod itself.
 * @returns per target which backup served it and how many slices of the archive
 * @throws Error naming seed, target and differences
 */
export async function runPointInTimeSeed(
  servers: ExactnessServers,
  seed: number,
  targets: number,
): Promise<
  { readonly target: Target; readonly backupId: string; readonly slices: number; readonly applied: number }[]
> {
  const { source, restorer, target: server } = servers;
  const client = source.client();
  await removeData(client);
  await seedData(client, seed);
  await setTtlMonitor(source, true);
  const witness = await copyWitness(source, source.hidden);
  const workload = new Workload(client, { seed, lanes: 5 });
  const done: { target: Target; backupId: string; slices: number; applied: number }[] = [];
  try {
    const history = await makeHistory(source, workload, seed);
    for (const target of await chooseTargets(source, history, targets, makeRandom(seed * 59))) {
      const request = { backup: 'orders', to: 'mongodb://unused', at: target.at };
      const chosen = await chooseRestore(request, new Set(['logical']), history.catalog);
      const explain = (what: readonly string[]) =>
        explainDifferences(client, workload, chosen.manifest, { seed, restoreTime: target.time, what });
      const expected = await readFrozen(witness, target.last);
      const archived = chosen.slices.map((slice) => ({ slice, store: history.archive }));
      const { oplog } = await restoreBackup(restorer, history.bases, chosen.manifest, {
        ...{ users: true, overwrite: server.host, restoreTime: target.time, archived },
      }).catch(async (error: unknown) => {
        throw new Error(await explain([`at ${target.at}: ${String(error)}`]), { cause: error });
      });
      const differences = await compareRestored(servers, expected);
      if (differences.length > 0) throw new Error(await explain([`at ${target.at}:`, ...differences]));
      const { backupId } = chosen.manifest;
      done.push({ target, backupId, slices: chosen.slices.length, applied: oplog.applied });
    }
    return done;
  } finally {
    await workload.stop().catch(() => undefined);
    await witness.discard();
  }
}
