import type { MongoClient } from 'mongodb';
import type { MongodProcess } from '../../local/servers/mongod-process.ts';
import { until } from '../../local/servers/poll.ts';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import type { ArchiveOplogDeps } from '../../src/application/archive-turn.ts';
import { findDocument } from '../../src/application/documents.ts';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import { archiveOplog, type ArchiveOplogOutput } from '../../src/application/use-cases/archive-oplog.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../../src/domain/names.ts';
import {
  type ArchiveProgress,
  archiveProgressSchema,
  isOpenGap,
  type OplogGap,
  oplogGapSchema,
} from '../../src/domain/oplog-archive.ts';
import { reachOfBases, type RecoveryWindow, recoveryWindow, serveTime } from '../../src/domain/recovery-window.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { compareTimestamps, type OpTime, type Timestamp } from '../../src/domain/timestamp.ts';
import { listArchive } from '../../src/engine/oplog/archive-tail.ts';
import { readOplog } from '../../src/engine/oplog/oplog-source.ts';
import { readStoredSlice, type StoredSlice } from '../../src/engine/oplog/read-chain.ts';
import { readSlice } from '../../src/engine/oplog/read-slices.ts';
import { deploymentSettings } from './deployment-settings.ts';
import { noLogger } from './no-logger.ts';

export const setId = 'ab'.repeat(12);
export const archivePrefix = artifactKeys.archive('orders', 'rs0', setId);
const progressKey = stateKeys.archiveProgress('orders', `rs0-${setId}`);

export interface TurnOptions {
  readonly members?: readonly Pick<MongodProcess, 'host'>[];
  readonly away?: readonly string[];
  readonly state?: ObjectStore;
  readonly store?: ObjectStore;
  readonly runId?: string;
  readonly seconds?: number;
  readonly now?: () => Date;
  readonly verify?: 'all' | 'sample';
}

/** An archive of a real set's oplog, in memory unless other storages are given. */
export class ArchiveWorld {
  readonly set: ReplicaSetServers;
  readonly state: ObjectStore;
  readonly store: ObjectStore;
  readonly events: { readonly detailType: string; readonly detail: Readonly<Record<string, unknown>> }[] = [];
  #turns = 0;

  /** @param storageNow the clock of the state storage */
  constructor(
    set: ReplicaSetServers,
    storageNow?: () => number,
    stores: { readonly state?: ObjectStore; readonly store?: ObjectStore } = {},
  ) {
    this.set = set;
    this.state = stores.state ?? new MemoryObjectStore('state', storageNow);
    this.store = stores.store ?? new MemoryObjectStore('archive');
  }

  /** One turn; on the hidden member, unless other members are named. */
  turn(options: TurnOptions = {}): Promise<ArchiveOplogOutput> {
    const { members = [this.set.hidden], away = [], runId = `turn-${++this.#turns}`, seconds = 30 } = options;
    const input = { runId, deployment: 'orders', replicaSet: 'rs0', replicaSetId: setId, seconds };
    const hosts = { members: members.map(({ host }) => host), away: [...away] };
    return archiveOplog({ ...input, ...hosts }, this.deps(options));
  }

  deps({ state = this.state, store = this.store, now, verify }: TurnOptions = {}): ArchiveOplogDeps {
    const clock = new SystemClock();
    return {
      state,
      settings: archiveSettings(this.set.uri, verify),
      clock: now ? { now, sleep: (ms, signal) => clock.sleep(ms, signal) } : clock,
      logger: noLogger,
      events: {
        publish: (event) => {
          this.events.push(event);
          return Promise.resolve();
        },
      },
      openStorage: () => store,
      withMember: (member, work, signal = new AbortController().signal) => {
        const server = this.set.members.find(({ host }) => host === member.host);
        if (!server) throw new HoldfastError('SourceUnreachable', `${member.host} does not answer.`);
        return work({ client: this.set.clientFor(server), member: member.host, signal });
      },
    };
  }

  async slices(): Promise<StoredSlice[]> {
    return Promise.all(
      (await listArchive(this.store, archivePrefix)).map((object) => readStoredSlice(this.store, object)),
    );
  }

  async gaps(): Promise<OplogGap[]> {
    const found: OplogGap[] = [];
    for await (const { key } of this.store.list(artifactKeys.gaps(archivePrefix)))
      found.push(oplogGapSchema.parse(JSON.parse((await this.store.get(key)).body.toString())));
    return found;
  }

  /** What could be restored, had bases been taken that stand for these entries and end with them. */
  async window(points: readonly OpTime[]): Promise<{ window: RecoveryWindow; serves: (ts: Timestamp) => unknown }> {
    const slices = (await this.slices()).map(({ key, header: { from, to, prepared } }) => ({
      ...{ key, from, to, storage: 'laptop', undecided: prepared.map(({ opTime }) => opTime.ts) },
    }));
    const bases = points.map((point, n) => ({
      ...{ backupId: `base-${n}`, storage: 'laptop', method: 'logical' as const },
      ...{ point, restoreTime: point.ts, capturedTo: point },
    }));
    const gaps = (await this.gaps()).filter(isOpenGap);
    const reaches = reachOfBases({ bases, slices, gaps });
    return { window: recoveryWindow(reaches, gaps), serves: (ts) => serveTime(reaches, ts) };
  }

  progress(): Promise<ArchiveProgress | undefined> {
    return findDocument(this.state, progressKey, archiveProgressSchema);
  }

  /** Every entry of the archive, the shared ones once; they must follow one another. */
  async entries(): Promise<Buffer[]> {
    const entries: Buffer[] = [];
    for (const { key } of await this.slices()) {
      const slice = await readSlice(this.store, key);
      const [first, ...rest] = slice.entries;
      const before = entries.at(-1);
      if (!first || (before && !before.equals(first))) throw new TypeError(`${key} does not continue the slice before`);
      entries.push(...(before ? rest : slice.entries));
    }
    return entries;
  }

  /** What a member's oplog holds between the ends of the archive. */
  async oplog(member: MongodProcess = this.set.hidden): Promise<Buffer[]> {
    const slices = await this.slices();
    const [from, to] = [slices[0]?.header.from, slices.at(-1)?.header.to];
    if (!from || !to) return [];
    const { signal } = new AbortController();
    const entries: Buffer[] = [];
    const source = { client: this.set.clientFor(member), member: member.host, signal };
    for await (const { raw } of readOplog(source, from, to.ts)) entries.push(Buffer.from(raw));
    return entries;
  }
}

function archiveSettings(uri: string, verify: 'all' | 'sample' = 'all'): Settings {
  const oplogArchive = { enabled: true, storage: 'laptop', retention: { days: 8 }, newBaseOnGap: true, verify };
  return settingsSchema.parse({
    ...{ schemaVersion: 1, stage: 'test', stateDir: '/nowhere' },
    storages: { laptop: { name: 'laptop', type: 'directory', path: '/nowhere/storage' } },
    deployments: { orders: deploymentSettings({ uri, oplogArchive }) },
  });
}

/** Writes an entry that does nothing, as an idle set does every ten seconds; majority-committed when this returns. */
export async function writeEmptyEntry(set: ReplicaSetServers): Promise<void> {
  await set
    .client()
    .db('admin')
    .command({ appendOplogNote: 1, data: { note: 'idle' }, writeConcern: { w: 'majority' } });
}

/** A majority-committed write that the member has: what the next turn must archive. */
export async function write(set: ReplicaSetServers, id: number, payload = 'x'): Promise<void> {
  const items = set.client().db('shop').collection<{ _id: number; payload: string }>('items');
  await items.insertOne({ _id: id, payload }, { writeConcern: { w: 'majority' } });
}

/** Everything that was written is majority-committed, and the member knows it. */
export async function untilCaughtUp(set: ReplicaSetServers, member: MongodProcess): Promise<void> {
  const majorityPoint = async (client: MongoClient) =>
    ((await client.db('admin').command({ hello: 1 }))['lastWrite'] as { majorityOpTime: OpTime }).majorityOpTime.ts;
  const wanted = await majorityPoint(set.client());
  await until('the member knows the majority commit point', async () =>
    compareTimestamps(await majorityPoint(set.clientFor(member)), wanted) >= 0 ? true : undefined,
  );
}

/** A new primary makes collections of its own in the background; these are the last of them (seen on 6.0.5). */
export async function untilServerIsIdle(set: ReplicaSetServers): Promise<void> {
  const client = set.client();
  await until('the primary has made its own collections', async () => {
    const keys = await client.db('admin').collection('system.keys').countDocuments();
    const collections = await client.db('config').listCollections({ name: 'external_validation_keys' }).toArray();
    if (keys < 2 || collections.length === 0) return undefined;
    const indexes = await client.db('config').collection('external_validation_keys').indexes();
    return indexes.length === 2 || undefined;
  });
}
