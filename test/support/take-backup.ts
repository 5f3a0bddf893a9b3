import type { MongoClient, ObjectId } from 'mongodb';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { Codec } from '../../src/domain/backup-index.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import { type LogicalPart, requireLogicalPart } from '../../src/domain/manifest-parts.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import type { OpTime, Timestamp } from '../../src/domain/timestamp.ts';
import { dumpPart } from '../../src/engine/dump/dump-part.ts';
import { captureTo } from '../../src/engine/oplog/capture-to.ts';
import { readChain } from '../../src/engine/oplog/read-chain.ts';
import { readMemberState } from '../../src/engine/source/member-state.ts';

export const systemClock = {
  now: () => new Date(),
  sleep: async (milliseconds: number, signal?: AbortSignal) => {
    const { setTimeout } = await import('node:timers/promises');
    await setTimeout(milliseconds, undefined, signal ? { signal } : {});
  },
};
export const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

export function onlyPart({ parts: [part] }: Manifest): LogicalPart {
  if (!part) throw new Error('a manifest without parts');
  return requireLogicalPart(part);
}

export interface TakeBackupOptions {
  readonly set: ReplicaSetServers;
  readonly store: ObjectStore;
  readonly codec?: Codec;
  /** Runs after the base was taken and before the restore time is chosen. */
  readonly afterBase?: () => Promise<unknown>;
  /** Default: the member's majority point after `afterBase`. */
  readonly restoreTime?: Timestamp;
  readonly member?: ReplicaSetServers['members'][number];
  readonly backupId?: string;
  /** The member's client by default. */
  readonly client?: MongoClient;
  readonly parallel?: number;
  /** Instead of one attempt that goes well. */
  readonly dump?: typeof dumpPart;
}

async function majorityReached(client: MongoClient, host: string, set: string): Promise<OpTime> {
  const source = { client, member: host, signal: new AbortController().signal };
  return (await readMemberState(source, set)).majority;
}

/** A backup of a replica set, taken by the engine alone: base, oplog, and the manifest that a workflow would write. */
export async function takeBackup(options: TakeBackupOptions): Promise<Manifest> {
  const { set, store } = options;
  const member = options.member ?? (await set.primary());
  const client = options.client ?? set.clientFor(member);
  const { config } = (await client.db('admin').command({ replSetGetConfig: 1 })) as {
    config: { settings: { replicaSetId: ObjectId } };
  };
  const replicaSetId = config.settings.replicaSetId.toHexString();
  const [deployment, part] = ['orders', set.name];
  const backupId = options.backupId ?? '20261122T101530Z-logical-k3f9';
  const partPrefix = artifactKeys.part(deployment, backupId, part);
  const common = { runId: 'run-1', fence: 1, member: member.host, replicaSet: set.name };
  const deps = { client, store, signal: new AbortController().signal, checkFence: async () => {} };
  const dump = await (options.dump ?? dumpPart)(
    {
      ...common,
      backupId,
      deployment,
      part,
      partPrefix,
      attempt: 1,
      codec: options.codec ?? 'zstd',
      level: 1,
      parallel: options.parallel ?? 2,
      replicaSetId,
      toolVersion: '0.1.0',
    },
    { ...deps, clock: systemClock, logger: silentLogger, onProgress: () => {} },
  );
  await options.afterBase?.();
  const restoreTime = options.restoreTime ?? (await reachable(client, set, member.host, dump.point));
  const slices = await captureAll(
    {
      ...common,
      oplogPrefix: artifactKeys.oplog(partPrefix),
      from: dump.base.captureFrom,
      applyFrom: dump.base.applyFrom,
      point: dump.point,
      restoreTime,
    },
    deps,
  );
  const { version } = await client.db('admin').command({ buildInfo: 1 });
  return {
    schemaVersion: 1,
    backupId,
    deployment,
    kind: 'replicaSet',
    method: 'logical',
    methodReason: 'test',
    storage: 'test',
    run: 'run-1',
    fence: 1,
    requestedBy: 'test',
    labels: {},
    createdAt: dump.base.startedAt,
    finishedAt: dump.base.finishedAt,
    restoreTime,
    restoreTimeWall: new Date(restoreTime.t * 1000).toISOString(),
    serverVersion: version as string,
    featureCompatibilityVersion: (version as string).split('.').slice(0, 2).join('.'),
    toolVersion: '0.1.0',
    usersAndRoles: dump.usersAndRoles,
    warnings: [],
    totals: { namespaces: 0, documents: 0, rawBytes: 0, storedBytes: 0, oplogEntries: 0, seconds: 0 },
    parts: [
      {
        name: part,
        topology: {
          name: part,
          role: 'replicaSet',
          replicaSet: set.name,
          replicaSetId,
          term: null,
          configVersion: null,
          majorityVoteCount: null,
          writeMajorityCount: null,
          majorityOpTime: null,
          members: [],
        },
        member: member.host,
        memberReason: 'test',
        memberVerdicts: [],
        base: dump.base,
        point: dump.point,
        oplog: { from: dump.base.captureFrom, to: slices.at(-1)?.to ?? dump.point, slices },
      },
    ],
    sha256: '0'.repeat(64),
  };
}

/** The member's majority point once it has passed the base's and everything written so far (a write of ours). */
async function reachable(client: MongoClient, set: ReplicaSetServers, host: string, point: OpTime): Promise<Timestamp> {
  const written = await set.client().db('admin').command({ hello: 1 });
  const { ts: last } = (written['lastWrite'] as { opTime: { ts: Timestamp } }).opTime;
  const wanted = last.t > point.ts.t || (last.t === point.ts.t && last.i > point.ts.i) ? last : point.ts;
  for (;;) {
    const { ts } = await majorityReached(client, host, set.name);
    if (ts.t > wanted.t || (ts.t === wanted.t && ts.i >= wanted.i)) return { t: wanted.t, i: wanted.i };
    await systemClock.sleep(20);
  }
}

async function captureAll(input: Parameters<typeof captureTo>[0], deps: Parameters<typeof captureTo>[1]) {
  for (;;) {
    const result = await captureTo(input, deps);
    if (result.reached) return readChain(deps.store, input.oplogPrefix, input.from);
    await systemClock.sleep(50);
  }
}
