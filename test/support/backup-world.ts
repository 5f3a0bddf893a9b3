import { BSON, Long, Timestamp as BsonTimestamp } from 'mongodb';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import type { Logger } from '../../src/application/ports/logger.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { LocalDeps } from '../../src/composition/compose-local.ts';
import type { LogicalBase } from '../../src/domain/base.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { artifactKeys, packName, stateKeys } from '../../src/domain/names.ts';
import type { BackupPlan } from '../../src/domain/run.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import type { OpTime } from '../../src/domain/timestamp.ts';
import type { Member, Topology } from '../../src/domain/topology.ts';
import { readOplogEntry } from '../../src/engine/oplog/oplog-entry.ts';
import { SliceBuilder } from '../../src/engine/oplog/slice-builder.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A deployment, its storages and the outside world in memory: use cases run on it as on the real ones. */
export interface BackupWorld {
  readonly state: MemoryObjectStore;
  readonly storage: MemoryObjectStore;
  readonly clock: VirtualClock;
  readonly deps: LocalDeps;
  /** Runs whose workflow runs. */
  readonly running: Set<string>;
  readonly published: string[];
  readonly launched: string[];
  readonly stopped: string[];
  /** Restore runs whose target carries their mark. */
  readonly marked: Set<string>;
  /** What the next inspection says, or throws. */
  inspection: Topology | HoldfastError;
}

export const opTime = (t: number, i = 1): OpTime => ({ ts: { t, i }, t: 3 });

const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export const worldSettings: Settings = settingsSchema.parse({
  schemaVersion: 1,
  stage: 'test',
  stateDir: '/state',
  storages: { local: { name: 'local', type: 'directory', path: '/storage' } },
  deployments: {
    orders: {
      name: 'orders',
      uri: 'mongodb://a:1,b:1/?replicaSet=rs0',
      storage: 'local',
      member: {},
      compression: {},
      limits: { parallel: 2 },
    },
  },
});

export function member(host: string, more: Partial<Member> = {}): Member {
  return {
    host,
    state: 'SECONDARY',
    healthy: true,
    hidden: false,
    arbiter: false,
    buildIndexes: true,
    priority: 1,
    votes: 1,
    delaySeconds: 0,
    tags: {},
    optime: opTime(100),
    lagSeconds: 0,
    oplogWindowSeconds: 10_000,
    unreachable: null,
    ...more,
  };
}

export const worldTopology: Topology = {
  schemaVersion: 1,
  kind: 'replicaSet',
  serverVersion: '6.0.5',
  featureCompatibilityVersion: '6.0',
  parts: [
    {
      name: 'rs0',
      role: 'replicaSet',
      replicaSet: 'rs0',
      replicaSetId: '0123456789abcdef01234567',
      term: 3,
      configVersion: 1,
      majorityVoteCount: 2,
      writeMajorityCount: 2,
      majorityOpTime: opTime(100),
      members: [member('a:1', { state: 'PRIMARY' }), member('h:1', { hidden: true, priority: 0, votes: 0 })],
    },
  ],
  clusterTime: { t: 100, i: 1 },
};

export function makeWorld(): BackupWorld {
  const state = new MemoryObjectStore('state');
  const storage = new MemoryObjectStore('storage');
  const clock = new VirtualClock({ start: new Date('2026-11-22T10:00:00Z') });
  const running = new Set<string>();
  const published: string[] = [];
  const launched: string[] = [];
  const stopped: string[] = [];
  const marked = new Set<string>();
  const unused = (): Promise<never> => Promise.reject(new HoldfastError('Internal', 'not in this world'));
  const deps: LocalDeps = {
    settings: worldSettings,
    state,
    clock,
    logger: quiet,
    openStorage: () => storage,
    captureWait: { first: 1, least: 1, most: 5 },
    withMember: unused,
    startBackup: unused,
    toolVersion: '0.0.0-test',
    inspector: {
      inspect: () =>
        world.inspection instanceof HoldfastError
          ? Promise.reject(world.inspection)
          : Promise.resolve(world.inspection),
    },
    executions: { isRunning: (runId) => Promise.resolve(running.has(runId)) },
    launcher: {
      launch: ({ taskKey }) => Promise.resolve(void launched.push(taskKey)),
      stopAll: (runId, attempts = []) => Promise.resolve(void stopped.push([runId, ...attempts].join(' '))),
    },
    events: { publish: ({ detailType }) => Promise.resolve(void published.push(detailType)) },
    capturePart: () => Promise.resolve(true),
    volumes: {
      ...{ create: unused, look: unused },
      ...{ find: () => Promise.resolve(undefined), adopt: () => Promise.resolve(undefined) },
      openedBy: () => Promise.resolve(undefined),
      delete: () => Promise.resolve(),
    },
    watchdog: { arm: unused },
    openMember: unused,
    unlockMembers: () => Promise.resolve(),
    openTarget: unused,
    unmarkTarget: ({ runId }) => Promise.resolve(void marked.delete(runId)),
  };
  const world: BackupWorld = {
    state,
    storage,
    clock,
    deps,
    running,
    published,
    launched,
    stopped,
    marked,
    inspection: worldTopology,
  };
  return world;
}

export const step = (runId: string, state = 'A State', retry = 0) => ({ runId, state, retry });

export async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

async function makeSlice(from: number, to: number): Promise<Buffer> {
  const builder = new SliceBuilder({ member: 'h:1', serverVersion: '6.0.5', run: 'run', fence: 1 }, []);
  for (let t = from; t <= to; t += 1) {
    const entry = {
      ts: new BsonTimestamp({ t, i: 1 }),
      t: Long.fromNumber(3),
      op: 'n',
      ns: '',
      o: { msg: 'periodic noop' },
    };
    await builder.append(readOplogEntry(Buffer.from(BSON.serialize(entry))));
  }
  return (await builder.finish())?.body ?? Buffer.alloc(0);
}

/** What a worker and the capture leave for a part: two packs, an index, a slice from 90 to 110, point and base. */
export async function writePart(plan: BackupPlan, world: BackupWorld, attempt = 1): Promise<LogicalBase> {
  const { state, storage } = world;
  const prefix = artifactKeys.part(plan.deployment, plan.backupId, 'rs0');
  const put = async (key: string, body: Buffer) => {
    const { size, crc32 } = await storage.put(key, body);
    return { key, size, crc32 };
  };
  const packs = [
    await put(artifactKeys.pack(prefix, packName(attempt, 1)), Buffer.from('one')),
    await put(artifactKeys.pack(prefix, packName(attempt, 2)), Buffer.from('two')),
  ];
  const base: LogicalBase = {
    schemaVersion: 1,
    method: 'logical',
    attempt,
    member: 'h:1',
    codec: 'zstd',
    index: { ...(await put(artifactKeys.index(prefix), Buffer.from('index'))), sha256: 'f'.repeat(64) },
    packs,
    namespaces: [{ ns: 'shop.orders', type: 'collection', uuid: null, documents: 5, rawBytes: 50, indexes: ['_id_'] }],
    documents: 5,
    rawBytes: 50,
    storedBytes: 6,
    captureFrom: opTime(90),
    applyFrom: opTime(95),
    startedAt: '2026-11-22T10:00:00.000Z',
    finishedAt: '2026-11-22T10:00:01.000Z',
  };
  await storage.put(artifactKeys.slice(artifactKeys.oplog(prefix), { t: 90, i: 1 }), await makeSlice(90, 110));
  await state.put(stateKeys.point(plan.runId, 'rs0'), Buffer.from(JSON.stringify(opTime(100))));
  await state.put(stateKeys.base(plan.runId, 'rs0'), Buffer.from(JSON.stringify(base)));
  return base;
}
