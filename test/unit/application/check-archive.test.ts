import { beforeEach, describe, expect, test } from 'vitest';
import { beginsWith } from '../../../src/application/archive-check-record.ts';
import { chooseRestore } from '../../../src/application/choose-restore.ts';
import { checkArchive } from '../../../src/application/use-cases/check-archive.ts';
import { pruneArchive } from '../../../src/application/use-cases/prune-archive.ts';
import { archiveProgressSchema, gapKey, type OplogGap, oplogGapSchema } from '../../../src/domain/oplog-archive.ts';
import {
  archivePrefix,
  entryAt,
  makeArchivedWorld,
  opTimeAt,
  range,
  replicaSetId,
} from '../../support/archived-world.ts';
import { flipBit as flip } from '../../support/flip-bit.ts';
import { at } from '../../support/oplog-entries.ts';

let world: ReturnType<typeof makeArchivedWorld>;
let slices: string[];
let told: Record<string, unknown>[];
beforeEach(async () => {
  world = makeArchivedWorld();
  told = [];
  await world.addBackup(1, 2, 4);
  slices = [];
  for (const first of [3, 7, 12, 20, 30, 40])
    slices.push(await world.archive(range(first, { 3: 7, 7: 12, 12: 20, 20: 30, 30: 40, 40: 50 }[first] ?? 0)));
  await world.note({ last: { key: slices[5] ?? '', from: at(40), to: at(50) }, checkedTo: at(50) });
});

const events = {
  publish: ({ detailType, detail }: { detailType: string; detail: Readonly<Record<string, unknown>> }) => {
    told.push({ detailType, ...detail });
    return Promise.resolve();
  },
};
const check = (seconds = 60, now = true) =>
  checkArchive({ deployment: 'orders', seconds, now }, { ...world.deps, events });
const key = (n: number): string => slices[n] ?? '';
async function gaps(): Promise<OplogGap[]> {
  const found: OplogGap[] = [];
  for await (const gap of world.far.list(`${archivePrefix}gaps/`))
    found.push(oplogGapSchema.parse(JSON.parse((await world.far.get(gap.key)).body.toString())));
  return found;
}
const flipBit = (of: string) => flip(world.far, of);
const wanted = async () =>
  archiveProgressSchema.parse(
    JSON.parse((await world.state.get(`archives/orders/rs0-${replicaSetId}.json`)).body.toString()),
  ).wantsBase;
const choose = (time: string) =>
  chooseRestore({ backup: 'orders', to: 'mongodb://t', at: time }, new Set(['logical']), world.deps);

describe('the check of an archive', () => {
  test('finds nothing in one that is whole, and has nothing to do for a day then', async () => {
    expect(await check()).toMatchObject([{ status: 'whole', slices: 6, losses: [] }]);
    expect(await check(60, false)).toMatchObject([{ status: 'notDue', slices: 0 }]);
    await world.clock.advance(86_400_000);
    expect(await check(60, false)).toMatchObject([{ status: 'whole', slices: 6 }]);
    expect(told).toEqual([]);
  });

  test('makes a gap of a slice that is gone, once; the window ends before it, and a base is wished after it', async () => {
    await world.far.delete([key(2)]);
    expect(await check()).toMatchObject([{ status: 'lost', losses: [{ after: at(12).ts, before: at(20).ts }] }]);
    expect(await gaps()).toMatchObject([{ reason: 'objectLost', after: at(12), before: at(20) }]);
    expect(told).toMatchObject([{ detailType: 'Recovery Gap Detected', reason: 'objectLost' }]);
    expect(await wanted()).toEqual({ from: at(20), attempts: 0, attemptedAt: null });
    expect((await choose('latest')).restoreTime).toEqual(at(12).ts);
    expect(await check()).toMatchObject([{ status: 'whole' }]);
    expect(told).toHaveLength(1);
  });

  test.each(['flipped bit', 'destroyed header'])('makes one of a slice with a %s, and names it', async (how) => {
    if (how === 'flipped bit') await flipBit(key(2));
    else await world.far.put(key(2), Buffer.from('nothing'));
    expect(await check()).toMatchObject([{ losses: [{ damaged: [key(2)] }] }]);
    expect(await gaps()).toMatchObject([{ after: at(12), before: at(20), damaged: [key(2)] }]);
    expect((await choose('100:11')).slices.map((slice) => slice.key)).toEqual(slices.slice(0, 2));
    await expect(choose('100:25')).rejects.toMatchObject({ name: 'TimeNotRestorable' });
    // The next one too: the same gap reaches further, and that is news.
    await flipBit(key(3));
    expect(await check()).toMatchObject([{ losses: [{ before: at(30).ts, damaged: [key(3)] }] }]);
    expect(await gaps()).toMatchObject([{ after: at(12), before: at(30), damaged: [key(2), key(3)] }]);
    expect(told).toHaveLength(2);
    expect(await wanted()).toMatchObject({ from: at(30) });
  });

  test.each(['rolledOver', 'archivePaused', 'objectLost'] as const)(
    'closes a gap (%s) over which slices lead all the same, and tells what is lost there later',
    async (reason) => {
      await world.record({ reason, after: at(12), before: at(25) });
      const progress = { last: { key: key(5), from: at(40), to: at(50) }, checkedTo: at(50) };
      await world.note({ ...progress, wantsBase: { from: at(25), attempts: 0, attemptedAt: null } });
      // By the slices, whatever was recorded.
      expect((await choose('latest')).restoreTime).toEqual(at(50).ts);
      expect(await check()).toMatchObject([{ status: 'whole', losses: [] }]);
      expect(await gaps()).toMatchObject([{ reason, filledAt: expect.any(String) as string }]);
      expect(told).toMatchObject([{ detailType: 'Recovery Gap Filled', reason, member: null }]);
      expect(await wanted()).toBeUndefined();
      await world.far.delete([key(2)]);
      expect(await check()).toMatchObject([{ status: 'lost', losses: [{ after: at(12).ts, before: at(20).ts }] }]);
      expect((await choose('latest')).restoreTime).toEqual(at(12).ts);
    },
  );

  test.each(['featureCompatibilityVersionChanged', 'restore', 'resharding'] as const)(
    'leaves a gap of the history itself (%s) open',
    async (reason) => {
      await world.record({ reason, after: at(12), before: at(13) });
      expect(await check()).toMatchObject([{ status: 'whole' }]);
      expect((await gaps())[0]?.filledAt).toBeUndefined();
      expect((await choose('latest')).restoreTime).toEqual(at(12).ts);
    },
  );

  test('sees that the last slice is damaged, and that the first ones are gone that nobody has pruned', async () => {
    await check();
    await flipBit(key(5));
    await world.far.delete([key(0)]);
    expect(await check()).toMatchObject([
      {
        losses: [
          { after: at(3).ts, before: at(7).ts, damaged: [] },
          { after: at(40).ts, before: at(50).ts, damaged: [key(5)] },
        ],
      },
    ]);
    expect(await check()).toMatchObject([{ losses: [] }]);
  });

  test('calls nothing lost that was pruned, nor what a gap tells of already', async () => {
    await check();
    await world.addBackup(2, 32, 34);
    const late = [entryAt(100, 50), entryAt(100 + 86_400, 1)];
    slices.push(await world.archive(late), await world.archive([entryAt(200 + 86_400, 1), entryAt(300 + 86_400, 1)]));
    await world.record({ reason: 'rolledOver', after: opTimeAt(100 + 86_400, 1), before: opTimeAt(200 + 86_400, 1) });
    await world.clock.advance((400 + 86_400) * 1000);
    expect(await pruneArchive({ dryRun: false }, world.deps)).toMatchObject([{ slices: 4 }]);
    expect(await check()).toMatchObject([{ status: 'whole', slices: 4 }]);
    expect(told).toEqual([]);
  });

  test('closes a gap that slices of several turns lead over', async () => {
    await world.record({ reason: 'rolledOver', after: at(12), before: at(35) });
    expect(await check(0, false)).toMatchObject([{ status: 'more' }]);
    expect(told).toEqual([]);
    expect(await check(60, false)).toMatchObject([{ status: 'whole' }]);
    expect(told).toMatchObject([{ detailType: 'Recovery Gap Filled', reason: 'rolledOver' }]);
  });

  test('takes back the wish for a base of a gap that is over, also after one was started; another gap keeps its time', async () => {
    await world.record({ reason: 'rolledOver', after: at(12), before: at(25) });
    const progress = { last: { key: key(5), from: at(40), to: at(50) }, checkedTo: at(50) };
    const tried = { attempts: 1, attemptedAt: world.clock.now().toISOString() };
    await world.note({ ...progress, wantsBase: { from: at(25), ...tried } });
    await world.record({ reason: 'restore', after: at(7), before: at(9) });
    await check();
    expect(await wanted()).toEqual({ from: at(9), ...tried });
    await world.note({ ...progress, wantsBase: { from: at(30), ...tried } });
    await world.record({ reason: 'archivePaused', after: at(20), before: at(30) });
    await world.far.delete(
      (await gaps()).filter(({ reason }) => reason === 'restore').map((gap) => gapKey(archivePrefix, gap)),
    );
    await check();
    expect(await wanted()).toBeUndefined();
  });

  test.each(['while a round is under way', 'before one, by a prune that died halfway'])(
    'never says that the archive begins earlier than a prune has said: %s',
    async (when) => {
      const place = { deployment: 'orders', replicaSet: 'rs0', replicaSetId, storage: 'far' };
      const pruned = () => beginsWith(world.state, place, at(20));
      if (when.startsWith('while')) {
        // The slices were listed before, and their beginning is noted after.
        const listed = world.far.list.bind(world.far);
        const far = Object.assign(world.far, {
          async *list(prefix: string) {
            yield* listed(prefix);
            await pruned();
          },
        });
        expect(await check(0, false)).toMatchObject([{ status: 'more' }]);
        Object.assign(far, { list: listed });
      } else {
        await check();
        await pruned();
        await world.far.delete([key(1)]);
        expect(await check()).toMatchObject([{ status: 'whole', slices: 5 }]);
      }
      await world.far.delete(slices.slice(0, 3));
      await check(60, false);
      expect(await check()).toMatchObject([{ status: 'whole', slices: 3 }]);
      await beginsWith(world.state, place, at(7));
      expect(await check()).toMatchObject([{ status: 'whole' }]);
      expect([told, await gaps()]).toEqual([[], []]);
    },
  );

  test('tells an archive of which nothing is left, and the slices lost at its end, once', async () => {
    await check();
    await world.far.delete([key(4), key(5)]);
    expect(await check()).toMatchObject([{ status: 'lost', losses: [{ after: at(30).ts, before: at(50).ts }] }]);
    await world.far.delete([...slices.slice(0, 4), ...(await gaps()).map((gap) => gapKey(archivePrefix, gap))]);
    await world.clock.advance(86_400_000);
    expect(await check(60, false)).toMatchObject([
      { status: 'lost', slices: 0, losses: [{ after: at(3).ts, before: at(50).ts, damaged: [] }] },
    ]);
    expect(told.map(({ detailType }) => detailType)).toEqual(['Recovery Gap Detected', 'Recovery Gap Detected']);
    expect(await check(60, false)).toMatchObject([{ status: 'notDue' }]);
    expect(await check()).toMatchObject([{ status: 'whole' }]);
  });

  test('has nothing to tell of a storage in which it never saw the archive, and is not due at once again', async () => {
    await world.far.delete(slices);
    expect(await check(60, false)).toMatchObject([{ status: 'whole', slices: 0 }]);
    expect(await check(60, false)).toMatchObject([{ status: 'notDue' }]);
    expect(await check()).toMatchObject([{ status: 'whole', slices: 0 }]);
    expect(told).toEqual([]);
  });

  test('takes nothing for lost that was noted of another storage than the one that it looks at for the first time', async () => {
    await world.note({ last: { key: 'elsewhere', from: at(60), to: at(70) }, checkedTo: at(70) });
    expect(await check(60, false)).toMatchObject([{ status: 'whole', slices: 6 }]);
    expect(told).toEqual([]);
  });

  test('calls nothing lost that an archiver has written again since the slices were listed', async () => {
    await check();
    const { body } = await world.far.get(key(5));
    await world.far.delete([key(5)]);
    const listed = world.far.list.bind(world.far);
    Object.assign(world.far, {
      async *list(prefix: string) {
        yield* listed(prefix);
        if (prefix === 'orders/oplog/') await world.far.put(key(5), body);
      },
    });
    expect(await check()).toMatchObject([{ status: 'whole' }]);
    expect(told).toEqual([]);
  });

  test('goes on in the next turn where its time was over, and finds the same', async () => {
    for (let n = 50; n < 70; n += 1) slices.push(await world.archive(range(n, n + 1)));
    await world.far.delete([key(2), key(20)]);
    const found = [];
    let turns = 0;
    for (let status = 'more'; status === 'more'; turns += 1) {
      const [report] = await check(0, false);
      status = report?.status ?? '';
      found.push(...(report?.losses ?? []));
    }
    expect(turns).toBeGreaterThan(3);
    expect(found.map(({ after }) => after)).toEqual([at(12).ts, at(64).ts]);
    expect(await check(60, false)).toMatchObject([{ status: 'notDue' }]);
  });
});
