import { beforeEach, describe, expect, test } from 'vitest';
import type { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { showRecoveryWindow } from '../../../src/application/use-cases/show-recovery-window.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { gapKey, type OplogGap } from '../../../src/domain/oplog-archive.ts';
import { archivePrefix, entryAt, makeArchivedWorld, range, replicaSetId } from '../../support/archived-world.ts';
import { at, rawEntry, ui } from '../../support/oplog-entries.ts';

let near: MemoryObjectStore;
let far: MemoryObjectStore;
let addBackup: ReturnType<typeof makeArchivedWorld>['addBackup'];
let archive: ReturnType<typeof makeArchivedWorld>['archive'];
let deps: () => ReturnType<typeof makeArchivedWorld>['deps'];
beforeEach(() => {
  const world = makeArchivedWorld();
  ({ near, far, addBackup, archive } = world);
  deps = () => world.deps;
});
const noop = (i: number) => rawEntry(i, { op: 'n', ns: '', o: {} });

const choose = async (backup: string, request: object, methods: readonly ['logical'] | [] = ['logical']) => {
  const chosen = await chooseRestore({ backup, to: 'mongodb://t', ...request }, new Set(methods), deps());
  const { entry, manifest, restoreTime, slices } = chosen;
  return { backupId: manifest.backupId, in: entry.storageName, restoreTime, slices: slices.map(({ key }) => key) };
};

async function recordGap(reason: OplogGap['reason'], after: number, before: number): Promise<void> {
  const gap: OplogGap = {
    ...{ schemaVersion: 1, reason, after: at(after), before: at(before) },
    ...{ foundAt: '2026-11-22T10:00:00Z', member: 'h:1', explanation: 'as it is' },
  };
  await far.put(gapKey(archivePrefix, gap), Buffer.from(JSON.stringify(gap)));
}

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
