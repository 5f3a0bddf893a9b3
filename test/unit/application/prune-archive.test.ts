import { beforeEach, describe, expect, test, vi } from 'vitest';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { holdForRun, raiseTombstone, releaseHold } from '../../../src/application/holds.ts';
import { sha256Hex } from '../../../src/application/documents.ts';
import { checkArchive } from '../../../src/application/use-cases/check-archive.ts';
import { pruneArchive } from '../../../src/application/use-cases/prune-archive.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import {
  archivePrefix,
  entryAt,
  makeArchivedWorld,
  opTimeAt,
  range,
  replicaSetId,
} from '../../support/archived-world.ts';

/** The archive promises one day; it is a day after second 170. */
const now = (170 + 86_400) * 1000;
let world: ReturnType<typeof makeArchivedWorld>;
let slices: string[];
let second: string;
beforeEach(async () => {
  world = makeArchivedWorld();
  await world.addBackup(1, 2, 4);
  second = await world.addBackup(2, 2, 4, world.near, 160);
  slices = [
    await world.archive(range(3, 9)),
    await world.archive([entryAt(100, 9), entryAt(150, 1)]),
    await world.archive([entryAt(150, 1), entryAt(160, 4), entryAt(200, 1)]),
    await world.archive([entryAt(200, 1), entryAt(300, 1)]),
  ];
  const last = { key: slices[3] ?? '', from: opTimeAt(200, 1), to: opTimeAt(300, 1) };
  await world.note({ last, checkedTo: opTimeAt(now / 1000, 1) });
  await world.clock.advance(now - world.clock.now().getTime());
});

const prune = (dryRun = false) => pruneArchive({ dryRun }, world.deps);
async function kept(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.far.list('orders/oplog/')) keys.push(key);
  return keys;
}
const choose = (at: string) =>
  chooseRestore({ backup: 'orders', to: 'mongodb://t', at }, new Set(['logical']), world.deps);
const hold = async (run: string, at: string) => holdSlices(run, (await choose(at)).slices);
const holdSlices = (run: string, held: Awaited<ReturnType<typeof choose>>['slices']) =>
  holdForRun(world.state, { run, at: '2026-11-22T10:00:00.000Z', backups: [] }, held, (name) =>
    world.deps.openStorage({ name }),
  );
async function tombstones(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.state.list('holds/tombstones/')) keys.push(key);
  return keys;
}

describe('pruning an oplog archive', () => {
  test('deletes what no promised time needs; a dry run says so and deletes nothing', async () => {
    const expected = {
      ...{ deployment: 'orders', replicaSet: 'rs0', storage: 'far', promisedFrom: { t: 170, i: 0 } },
      ...{ slices: 2, kept: 2, upTo: { t: 150, i: 1 } },
    };
    expect(await prune(true)).toMatchObject([expected]);
    expect(await kept()).toEqual(slices);
    expect(await prune()).toMatchObject([expected]);
    expect(await kept()).toEqual(slices.slice(2));
    expect(await prune()).toMatchObject([{ slices: 0, bytes: 0, upTo: null, kept: 2 }]);
    expect((await choose('170:1')).slices.map(({ key }) => key)).toEqual(slices.slice(2, 3));
    expect((await choose('latest')).restoreTime).toEqual({ t: 300, i: 1 });
  });

  test('counts from where the archive is: neither a clock that is ahead nor an archive that stands still ages it', async () => {
    await world.clock.advance(365 * 86_400_000);
    expect(await prune(true)).toMatchObject([{ slices: 2, promisedFrom: { t: 170, i: 0 } }]);
    await world.state.delete([`archives/orders/rs0-${replicaSetId}.json`]);
    expect(await prune()).toMatchObject([{ slices: 0, kept: 4 }]);
  });

  test('takes along what a gap calls damaged, and stops at a slice that nobody can read and no gap names', async () => {
    await world.far.put(slices[1] ?? '', Buffer.from('nothing'));
    await expect(prune()).rejects.toMatchObject({
      ...{ name: 'CorruptObject', message: expect.stringContaining(slices[1] ?? '') as string },
    });
    const lost = { reason: 'objectLost' as const, after: opTimeAt(100, 9), before: opTimeAt(150, 1) };
    await world.record({ ...lost, damaged: [slices[1] ?? ''] });
    expect(await prune()).toMatchObject([{ slices: 1 }]);
    expect((await kept()).filter((key) => !key.includes('gaps/'))).toEqual(slices.slice(2));
  });

  test('keeps the chain of an older base that serves the promise, where the newer one is not there', async () => {
    await world.near.delete([artifactKeys.manifest('orders', second)]);
    expect(await prune()).toMatchObject([{ slices: 0 }]);
    expect(await kept()).toEqual(slices);
  });

  test('keeps what a run reads, until it is settled', async () => {
    await hold('restore-1', '120:1');
    expect(await prune(true)).toMatchObject([{ slices: 0 }]);
    expect(await prune()).toMatchObject([{ slices: 0 }]);
    await releaseHold(world.state, 'restore-1');
    expect(await prune()).toMatchObject([{ slices: 2 }]);
  });

  test('leaves no tombstone, and one that is there stops who would read what goes, and nobody else', async () => {
    await prune();
    for await (const { key } of world.state.list('holds/')) expect(key).toBe('none');
    const place = { storage: 'far', archive: archivePrefix, cut: { t: 150, i: 1 } };
    await raiseTombstone(world.state, { ...place, at: '2026-11-22T10:00:00.000Z' });
    await hold('restore-1', '180:1');
    for (const key of slices.slice(0, 2)) await world.far.delete([key]);
    await world.archive(range(3, 9));
    await expect(hold('restore-2', '100:8')).rejects.toMatchObject({ name: 'TimeNotRestorable' });
  });

  test('between what a restore chose and its hold is found out', async () => {
    const { slices: chosen } = await choose('120:1');
    await prune();
    expect(await tombstones()).toEqual([]);
    await expect(holdSlices('restore-1', chosen)).rejects.toMatchObject({
      ...{ name: 'TimeNotRestorable', message: expect.stringContaining(slices[0] ?? '') as string },
    });
    await holdSlices('restore-2', (await choose('180:1')).slices);
  });

  test('beside another prune stays announced until both are done; what one left that died goes after a day', async () => {
    const place = { storage: 'far', archive: archivePrefix, at: '2026-11-22T10:00:00.000Z' };
    const { slices: chosen } = await choose('120:1');
    const slow = await raiseTombstone(world.state, { ...place, cut: { t: 150, i: 1 } });
    const quick = await raiseTombstone(world.state, { ...place, cut: { t: 150, i: 1 } });
    await quick.remove();
    await expect(holdSlices('restore-1', chosen)).rejects.toMatchObject({
      message: expect.stringMatching('being pruned') as string,
    });
    const [left] = await tombstones();
    vi.spyOn(world.state, 'age').mockResolvedValueOnce(86_399_999).mockResolvedValueOnce(86_400_000);
    // Nothing may go, because the first restore holds it; what is announced is looked after all the same.
    for (const expected of [[left], []]) {
      expect(await prune()).toMatchObject([{ slices: 0 }]);
      expect(await tombstones()).toEqual(expected);
    }
    await slow.remove();
    await holdSlices('restore-2', chosen);
  });

  test('deletes nothing where a backup cannot be read: what it needs is not known', async () => {
    await world.near.put(artifactKeys.manifest('orders', second), Buffer.from('{}'));
    await expect(prune()).rejects.toMatchObject({ name: 'VerificationFailed' });
    expect(await kept()).toEqual(slices);
  });

  test('deletes nothing because an index says so that is wrong', async () => {
    await checkArchive(
      { deployment: 'orders', seconds: 60, now: true },
      { ...world.deps, events: { publish: () => Promise.resolve() } },
    );
    // The first slices are all of one day: their line says that the third ends where the second does.
    const key = artifactKeys.sliceIndex(archivePrefix, '1970-01-01');
    const [, ...rows] = (await world.far.get(key)).body.toString().split('\n');
    const lying = rows.join('\n').replace(',150,1,1,200,1,1,', ',150,1,1,150,2,1,');
    expect(lying).not.toBe(rows.join('\n'));
    const head = JSON.stringify({ schemaVersion: 1, sha256: sha256Hex(lying) });
    await world.far.put(key, Buffer.from(`${head}\n${lying}`));
    // Nothing leads on from there: less is promised, and less goes.
    expect(await prune()).toMatchObject([{ slices: 0 }]);
    expect((await kept()).filter((one) => !one.includes('/index/'))).toEqual(slices);
  });

  test('leaves alone an archive that is off, and a name that is not configured is an error', async () => {
    const { settings } = world.deps;
    const [orders] = Object.values(settings.deployments);
    if (!orders?.oplogArchive) throw new Error('no archive');
    const off = { ...orders, oplogArchive: { ...orders.oplogArchive, enabled: false } };
    const deps = { ...world.deps, settings: { ...settings, deployments: { orders: off } } };
    expect(await pruneArchive({ dryRun: false }, deps)).toEqual([]);
    await expect(pruneArchive({ deployment: 'nothing', dryRun: true }, deps)).rejects.toMatchObject({
      name: 'UnknownDeployment',
    });
  });
});
