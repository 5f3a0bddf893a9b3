import { beforeEach, describe, expect, test } from 'vitest';
import type { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { showRecoveryWindow } from '../../../src/application/use-cases/show-recovery-window.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import type { OplogGap } from '../../../src/domain/oplog-archive.ts';
import { entryAt, makeArchivedWorld, opTimeAt, range, replicaSetId } from '../../support/archived-world.ts';
import { at, rawEntry, ui } from '../../support/oplog-entries.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let near: MemoryObjectStore;
let far: MemoryObjectStore;
let addBackup: ReturnType<typeof makeArchivedWorld>['addBackup'];
let archive: ReturnType<typeof makeArchivedWorld>['archive'];
let note: ReturnType<typeof makeArchivedWorld>['note'];
let record: ReturnType<typeof makeArchivedWorld>['record'];
let deps: () => ReturnType<typeof makeArchivedWorld>['deps'];
beforeEach(() => {
  const world = makeArchivedWorld();
  ({ near, far, addBackup, archive, note, record } = world);
  deps = () => world.deps;
});
const noop = (i: number) => rawEntry(i, { op: 'n', ns: '', o: {} });

const choose = async (backup: string, request: object, methods: readonly ['logical'] | [] = ['logical']) => {
  const chosen = await chooseRestore({ backup, to: 'mongodb://t', ...request }, new Set(methods), deps());
  const { entry, manifest, restoreTime, slices } = chosen;
  return { backupId: manifest.backupId, in: entry.storageName, restoreTime, slices: slices.map(({ key }) => key) };
};

const recordGap = (reason: OplogGap['reason'], after: number, before: number) =>
  record({ reason, after: at(after), before: at(before) });

describe('what a restore to a time reads', () => {
  test('is the newest base before it and the archive from there on, in whatever storages', async () => {
    const [first, second] = [await addBackup(1, 2, 4), await addBackup(2, 6, 8, far)];
    const slices = [await archive(range(3, 7)), await archive(range(7, 12)), await archive(range(12, 20), near)];
    expect(await choose('orders', { at: '100:5' })).toEqual({
      ...{ backupId: first, in: 'near', restoreTime: at(5).ts, slices: slices.slice(0, 1) },
    });
    expect(await choose('orders', { at: '100:7' })).toMatchObject({ backupId: second, in: 'far', slices: [] });
    expect(await choose('orders', { at: 'latest' })).toMatchObject({
      ...{ backupId: second, restoreTime: at(20).ts, slices: slices.slice(1) },
    });
    expect(await choose(first, { at: '100:19' })).toMatchObject({ backupId: first, slices });
    expect(await choose('orders', { at: '100:20', storage: 'near' })).toMatchObject({ backupId: first, slices });
  });

  test('is the backup alone where no time is asked for', async () => {
    const id = await addBackup(1, 2, 4);
    await archive(range(3, 7));
    expect(await choose('orders', {})).toEqual({ backupId: id, in: 'near', restoreTime: at(4).ts, slices: [] });
  });

  test('is refused outside of the window, naming what is nearest', async () => {
    await addBackup(1, 2, 4);
    await archive(range(3, 7));
    await expect(choose('orders', { at: '100:9' })).rejects.toMatchObject({
      name: 'TimeNotRestorable',
      message: expect.stringContaining('100:2 (1970-01-01T00:01:40Z) to 100:7') as string,
    });
    await expect(choose('orders', { at: '100:1' })).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    // The second has not ended as far as anybody has seen.
    await expect(choose('orders', { at: '1970-01-01T00:01:40Z' })).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    await expect(choose('unknown', { at: 'latest' })).rejects.toMatchObject({ name: 'UnknownBackup' });
  });

  test('is refused within a gap, with its reason, and served again from the next base on', async () => {
    await addBackup(1, 2, 4);
    const next = await addBackup(2, 14, 15);
    const slices = [await archive(range(3, 7)), await archive(range(10, 20))];
    for (const reason of ['rolledOver', 'restore'] as const) await recordGap(reason, 7, 10);
    await expect(choose('orders', { at: '100:12' })).rejects.toMatchObject({
      name: 'TimeNotRestorable',
      message: expect.stringMatching(/had forgotten entries.*; the next base is of 100:14/) as string,
    });
    expect(await choose('orders', { at: '100:18' })).toMatchObject({ backupId: next, slices: slices.slice(1) });
    await recordGap('resharding', 20, 22);
    await expect(choose('orders', { at: '100:30' })).rejects.toMatchObject({
      message: expect.stringContaining('a collection was resharded; there is no base since') as string,
    });
    await expect(choose('orders', { at: '100:1' })).rejects.toMatchObject({
      message: expect.stringContaining('before the oldest base') as string,
    });
  });

  test('is refused where a slice overlaps by its times and has another history', async () => {
    await addBackup(1, 2, 4);
    await archive([noop(3), noop(5), noop(7)]);
    await expect(choose('orders', { at: '100:6' })).rejects.toMatchObject({ name: 'OplogGap' });
    expect(await choose('orders', { at: '100:4' })).toMatchObject({ slices: [] });
  });

  test('is right before a drop', async () => {
    const id = await addBackup(1, 2, 4);
    const drop = (i: number) => rawEntry(i, { op: 'c', ns: 'shop.$cmd', ui: ui(1), o: { drop: 'orders' } });
    const key = await archive([...range(3, 7), drop(9), noop(10)]);
    expect(await choose('orders', { beforeDrop: 'shop.orders' })).toEqual({
      ...{ backupId: id, in: 'near', restoreTime: at(7).ts, slices: [key] },
    });
    for (const request of [{ beforeDrop: 'shop.other' }, { beforeDrop: 'shop.orders', at: '100:8' }])
      await expect(choose('orders', request)).rejects.toMatchObject({ name: 'TimeNotRestorable' });
  });

  test('is the state at the last slice for a time up to which the archiver saw nothing happen', async () => {
    const id = await addBackup(1, 2, 4);
    const slices = [await archive(range(3, 7)), await archive([...range(7, 9), entryAt(110, 2)])];
    await note({ last: { key: slices[1] ?? '', from: at(7), to: opTimeAt(110, 2) }, checkedTo: opTimeAt(150, 1) });
    const last = { backupId: id, in: 'near', restoreTime: { t: 110, i: 2 }, slices };
    for (const time of ['130:1', '1970-01-01T00:02:29Z', 'latest'])
      expect(await choose('orders', { at: time })).toEqual(last);
    expect(await choose('orders', { at: '100:8' })).toMatchObject({ restoreTime: at(8).ts });
    // Of its last second not every ordinal has been seen.
    await expect(choose('orders', { at: '1970-01-01T00:02:30Z' })).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    const [set] = (await showRecoveryWindow({ deployment: 'orders', at: '130:1' }, deps())).replicaSets;
    expect(set).toMatchObject({
      latest: { t: 150, i: 1 },
      rpoSeconds: 10,
      serving: { slices: [{}, { key: slices[1] }] },
    });
  });

  test('needs none of the slices that are damaged; what needs them is refused with their names', async () => {
    const [first, second] = [await addBackup(1, 2, 4), await addBackup(2, 14, 15)];
    const slices = [
      await archive(range(3, 7)),
      await archive(range(7, 12)),
      await archive(range(12, 20)),
      await archive(range(20, 22)),
    ];
    const damage = async (key: string) => far.put(key, Buffer.from('not a slice'));
    await damage(slices[1] ?? '');
    expect(await choose('orders', { at: '100:6' })).toMatchObject({ backupId: first, slices: slices.slice(0, 1) });
    expect(await choose('orders', { at: 'latest' })).toMatchObject({ backupId: second, slices: slices.slice(2) });
    const refusal = { name: 'CorruptObject', message: expect.stringContaining(slices[1] ?? '') as string };
    await expect(choose('orders', { at: '100:10' })).rejects.toMatchObject(refusal);
    await expect(choose('orders', { at: '100:1' })).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    await expect(choose('orders', { beforeDrop: 'shop.orders' })).rejects.toMatchObject(refusal);
    const [set] = (await showRecoveryWindow({ deployment: 'orders' }, deps())).replicaSets;
    expect(set).toMatchObject({ latest: at(22).ts, unreadable: [{ key: slices[1], storage: 'far', from: at(7).ts }] });
    expect(set?.holes).toMatchObject([{ reason: expect.stringContaining(slices[1] ?? '') as string }]);
    // An older state would pass for the latest one.
    await damage(slices[3] ?? '');
    await expect(choose('orders', { at: 'latest' })).rejects.toMatchObject({
      ...{ name: 'CorruptObject', message: expect.stringContaining(slices[3] ?? '') as string },
    });
    await record({ reason: 'objectLost', after: at(20), before: at(22), damaged: [slices[3] ?? ''] });
    expect(await choose('orders', { at: 'latest' })).toMatchObject({ restoreTime: at(20).ts });
  });

  test('is a base of another method where none that the target takes serves the time', async () => {
    const id = await addBackup(1, 2, 4);
    expect(await choose('orders', { at: '100:3' }, [])).toMatchObject({ backupId: id });
  });
});

describe('the recovery window of a deployment', () => {
  test('is told per replica set, with holes, their reasons, and what would be lost now', async () => {
    const id = await addBackup(1, 2, 4);
    await addBackup(2, 14, 15, far);
    const slices = [await archive(range(3, 7)), await archive(range(10, 20))];
    await recordGap('rolledOver', 7, 10);
    const report = await showRecoveryWindow({ deployment: 'orders', at: '100:6' }, deps());
    expect(report).toMatchObject({
      deployment: 'orders',
      replicaSets: [
        {
          ...{ replicaSet: 'rs0', replicaSetId, latest: at(20).ts, rpoSeconds: 60, backups: 2, slices: 2 },
          ranges: [
            { from: at(2).ts, to: at(7).ts },
            { from: at(14).ts, to: at(20).ts },
          ],
          holes: [{ from: at(7).ts, to: at(14).ts, gaps: [{ reason: 'rolledOver', before: at(10).ts }] }],
          serving: { backup: { backupId: id, storage: 'near' }, slices: [{ key: slices[0], storage: 'far' }] },
        },
      ],
    });
    expect(report.replicaSets[0]?.holes[0]?.reason).toContain('forgotten');
    const rpoAt = async (seconds: number) => {
      const clock = new VirtualClock({ start: new Date(seconds * 1000) });
      return (await showRecoveryWindow({ deployment: 'orders' }, { ...deps(), clock })).replicaSets[0]?.rpoSeconds;
    };
    // Clocks that are a little apart, and one that is hours behind: then nobody knows.
    expect(await Promise.all([101, 99, 40, 39].map(rpoAt))).toEqual([1, 0, 0, -61]);
  });

  test('of a set that was made anew is another one', async () => {
    await addBackup(1, 2, 4);
    const other = artifactKeys.archive('orders', 'rs0', 'f'.repeat(24));
    await archive([entryAt(100, 3), ...range(4, 9)], far, other);
    const { replicaSets } = await showRecoveryWindow({ deployment: 'orders' }, deps());
    expect(replicaSets.map((set) => [set.replicaSetId, set.latest])).toEqual([
      [replicaSetId, at(4).ts],
      ['f'.repeat(24), null],
    ]);
  });

  test('of a name that nothing is known of is an error', async () => {
    await expect(showRecoveryWindow({ deployment: 'nothing' }, deps())).rejects.toMatchObject({
      name: 'UnknownDeployment',
    });
  });
});
