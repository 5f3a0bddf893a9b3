import { BSON, Long, Timestamp } from 'mongodb';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { artifactKeys } from '../../src/domain/names.ts';
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
/** Entries of second 100. */
export const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, k) => noop(from + k));

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
  return { near, far, state, clock, deps, addBackup, archive };
}
