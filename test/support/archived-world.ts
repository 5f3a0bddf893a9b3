import { BSON, Long, Timestamp } from 'mongodb';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys, stateKeys } from '../../src/domain/names.ts';
import { type ArchiveProgress, gapKey, type OplogGap } from '../../src/domain/oplog-archive.ts';
import type { OpTime } from '../../src/domain/timestamp.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { makeBackup } from './handmade-backup.ts';
import { storeSlice } from './made-slices.ts';
import { rawEntry } from './oplog-entries.ts';
import { seal } from './seal.ts';
import { silentLogger } from './take-backup.ts';
import { VirtualClock } from './virtual-clock.ts';

export const replicaSetId = '0123456789abcdef01234567';
export const archivePrefix = artifactKeys.archive('orders', 'rs0', replicaSetId);
const settings = settingsSchema.parse({
  ...{ schemaVersion: 1, stage: 'test', stateDir: '/state' },
  storages: {
    near: { name: 'near', type: 'directory', path: '/near' },
    far: { name: 'far', type: 'directory', path: '/far' },
  },
  deployments: {
    orders: {
      ...{
        name: 'orders',
        uri: 'mongodb://a:1/',
        storage: 'near',
        member: {},
        compression: {},
        limits: { parallel: 1 },
      },
      oplogArchive: { enabled: true, storage: 'far', retention: { days: 1 } },
    },
  },
});
const noop = (i: number) => rawEntry(i, { op: 'n', ns: '', o: {} });
/** An entry of any second, as those of {@link range}. */
export const entryAt = (t: number, i: number) =>
  Buffer.from(BSON.serialize({ ts: new Timestamp({ t, i }), t: Long.fromNumber(1), op: 'n', ns: '', o: {} }));
export const opTimeAt = (t: number, i: number): OpTime => ({ ts: { t, i }, t: 1 });
/** Entries of second 100. */
export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, k) => noop(from + k));

interface NotedProgress extends Pick<ArchiveProgress, 'checkedTo' | 'wantsBase'> {
  readonly last: Omit<ArchiveProgress['last'], 'size'>;
}

/** A deployment's catalog in two storages in memory: backups made by hand in `near`, its archive in `far`. */
export function makeArchivedWorld() {
  const [near, far, state] = [
    new MemoryObjectStore('near'),
    new MemoryObjectStore('far'),
    new MemoryObjectStore('state'),
  ];
  const clock = new VirtualClock({ start: new Date(160_000) });
  const openStorage = ({ name }: { name: string }) => (name === 'near' ? near : far);
  const deps = { settings, logger: silentLogger, clock, state, openStorage };

  /** Entries 1 to `to`, of second 100 unless it says otherwise; the base stands for `point`. @returns its id */
  async function addBackup(n: number, point: number, to: number, store = near, second = 100): Promise<string> {
    const made = new MemoryObjectStore();
    const manifest = await makeBackup(made, { collections: [], point, entries: range(2, to) });
    const backupId = `20261122T10153${n}Z-logical-hand`;
    const text = JSON.stringify({ ...manifest, backupId })
      .replaceAll(manifest.backupId, backupId)
      .replaceAll('{"t":100,', `{"t":${second},`);
    const content = JSON.parse(
      text.replace('"replicaSetId":null', `"replicaSetId":"${replicaSetId}"`),
    ) as typeof manifest;
    await store.put(artifactKeys.manifest('orders', backupId), Buffer.from(JSON.stringify(seal(content))));
    for await (const { key } of made.list('')) {
      const moved = key.replaceAll(manifest.backupId, backupId);
      await store.put(moved, (await made.get(key)).body);
    }
    return backupId;
  }

  /** @returns the slice's key */
  async function archive(entries: readonly Buffer[], store = far, prefix = archivePrefix): Promise<string> {
    const made = new MemoryObjectStore();
    const slice = await storeSlice(made, entries);
    const key = artifactKeys.slice(prefix, slice.from.ts);
    await store.put(key, (await made.get(slice.key)).body);
    return key;
  }

  /** What the archiver notes of itself. */
  async function note(progress: NotedProgress): Promise<void> {
    const { last, ...rest } = progress;
    const whole: ArchiveProgress = {
      ...{ schemaVersion: 1, checkedAt: '2026-11-22T10:00:00Z', member: 'h:1', memberData: 'a/b', ...rest },
      last: { size: 1, ...last },
    };
    const key = stateKeys.archiveProgress('orders', `rs0-${replicaSetId}`);
    await state.put(key, Buffer.from(JSON.stringify(whole)));
  }

  async function record(gap: Pick<OplogGap, 'reason' | 'after' | 'before' | 'damaged'>): Promise<void> {
    const whole: OplogGap = {
      ...{ schemaVersion: 1, foundAt: '2026-11-22T10:00:00Z', member: 'h:1', explanation: 'made for a test', ...gap },
    };
    await far.put(gapKey(archivePrefix, whole), Buffer.from(JSON.stringify(whole)));
  }
  return { near, far, state, clock, deps, addBackup, archive, note, record };
}
