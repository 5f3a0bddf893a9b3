import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { prunedSchema, recoveryWindowSchema } from '../../src/application/api/schemas.ts';
import type { ArchivedSet } from '../../src/application/ports/holdfast-client.ts';
import { manifestSchema } from '../../src/domain/manifest.ts';
import { artifactKeys, stateKeys } from '../../src/domain/names.ts';
import { isOpenGap, type OplogGap } from '../../src/domain/oplog-archive.ts';
import { compareTimestamps, type Timestamp } from '../../src/domain/timestamp.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { describeFailedLook } from '../support/aws/failed-look-suite.ts';
import { addOrders, type StagedSet, startStagedSet } from '../support/aws/staged-set.ts';
import { ordersIn } from '../support/aws/volume-restore-suite.ts';
import { entryAt } from '../support/archived-world.ts';
import { flipBit } from '../support/flip-bit.ts';
import { storeSlice } from '../support/made-slices.ts';

let world: StagedSet;
let replicaSetId: string;
/** Of the bases, by their methods. */
const bases = new Map<'physical' | 'snapshot', string>();

beforeAll(async () => {
  world = await startStagedSet();
  const [, member] = world.set.members;
  const data = { dbPath: member?.dbPath ?? '', pid: member?.pid ?? 0 };
  const tags = { 'holdfast:data': 'orders', 'holdfast:member': member?.host ?? '' };
  await world.stage.ec2.makeMemberVolume(tags, data);
  for (const method of ['physical', 'snapshot'] as const) {
    const result = await world.stage.startExecution('backup', `base-${method}`, { deployment: 'orders', method })
      .result;
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    bases.set(method, (result as unknown as { output: { backupId: string } }).output.backupId);
    // An archive begins with the newest base that there is, and leads on from those that come later.
    await archiveOrders(method === 'physical' ? 500 : 600);
  }
  const { body } = await artifacts().get(artifactKeys.manifest('orders', bases.get('physical') ?? ''));
  const [part] = manifestSchema.parse(JSON.parse(body.toString('utf8'))).parts;
  replicaSetId = part?.topology.replicaSetId ?? '';
}, 480_000);
afterAll(() => world.stop());

const artifacts = () => world.stage.bucket('Artifacts', 'holdfast/');
const state = () => world.stage.bucket('State');
const archive = () => artifactKeys.archive('orders', world.set.name, replicaSetId);

/** In order. */
async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of artifacts().list(prefix)) keys.push(key);
  return keys.sort();
}
const slices = async () => (await keysOf(archive())).filter((key) => key.endsWith('.bson.zst'));

let turns = 0;
/** As the rule starts one every minute. */
async function turn(): Promise<ArchivedSet> {
  turns += 1;
  const result = await world.stage.startExecution('archive-oplog', `turn-${turns}`, { deployment: 'orders' }).result;
  expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
  const [only] = (result as unknown as { output: ArchivedSet[] }).output;
  if (only === undefined) throw new Error('a turn without replica sets');
  return only;
}

/** Of the last entry, which a majority may not have yet: the archive comes to it. */
async function now(): Promise<Timestamp> {
  const oplog = world.set.client().db('local').collection<{ ts: Timestamp }>('oplog.rs');
  const [last] = await oplog.find().sort({ $natural: -1 }).limit(1).toArray();
  return { t: last?.ts.t ?? 0, i: last?.ts.i ?? 0 };
}

/** Takes turns until the archive reaches a time. @returns the last of them */
async function archivedTo(time: Timestamp): Promise<ArchivedSet> {
  return until('the archive reaches the time', async () => {
    const done = await turn();
    const [t = 0, i = 0] = (done.turn.checkedTo ?? '0:0').split(':').map(Number);
    return compareTimestamps({ t, i }, time) >= 0 ? done : undefined;
  });
}

/** Inserts 100 orders and archives them. @returns the time after them, with a last turn */
async function archiveOrders(first: number): Promise<{ time: Timestamp; last: ArchivedSet }> {
  await addOrders(world.set, first, 100);
  const time = await now();
  return { time, last: await archivedTo(time) };
}

const text = ({ t, i }: Timestamp): string => `${t}:${i}`;
const prune = async (dryRun: boolean) => {
  const { body } = await world.stage.api.request('POST', '/prune', { query: { dryRun: String(dryRun) } });
  return prunedSchema.parse(body).pruned;
};
const check = () => world.stage.invoke('check-archives', { source: 'aws.events' });
const gapsTold = () =>
  world.stage.published.flatMap(({ DetailType, Detail }) =>
    DetailType === 'Recovery Gap Detected' ? [(JSON.parse(Detail) as { reason: string }).reason] : [],
  );

describe('an archive of a stage', () => {
  let time: Timestamp;
  let later: Timestamp;

  it('is written turn by turn, once where two come at once; an idle set gets nothing', async () => {
    ({ time } = await archiveOrders(700));
    await addOrders(world.set, 800, 100);
    later = await now();
    const both = await Promise.all([turn(), turn()]);
    for (const {
      turn: { status },
    } of both)
      expect(['archived', 'busy', 'idle']).toContain(status);
    await archivedTo(later);
    await until('a turn finds nothing', async () => {
      const before = await slices();
      const {
        turn: { status, slices: written },
      } = await turn();
      if (status !== 'idle') return undefined;
      expect([written, await slices()]).toEqual([0, before]);
      return true;
    });
    expect(await check()).toMatchObject([{ status: 'whole', slices: (await slices()).length, losses: [] }]);
  });

  it.each(['physical', 'snapshot'] as const)(
    'brings a %s base on a volume to a time of it, by its slices on S3, and holds them meanwhile',
    async (method) => {
      const { stage } = world;
      const runId = `at-${method}`;
      const input = { backup: bases.get(method), to: 'volume', at: text(time), volume: { zone: 'eu-central-1a' } };
      const dry = await stage.startExecution('restore', `${runId}-dry`, { ...input, dryRun: true }).result;
      expect(dry, stage.allLogs()).toMatchObject({
        output: { status: 'planned', backupId: bases.get(method), restoreTime: time },
      });
      const execution = stage.startExecution('restore', runId, input);
      await until('it holds what it reads', () => state().head(stateKeys.hold(runId)));
      expect(await prune(true)).toMatchObject([{ slices: 0 }]);
      const result = await execution.result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
      const { id } = (result as unknown as { output: { volume: { id: string } } }).output.volume;
      expect(await ordersIn(stage.ec2.folderOf(id))).toBe(800);
      for (const run of [runId, `${runId}-dry`]) expect(await state().head(stateKeys.hold(run))).toBeUndefined();
    },
  );

  describe('with slices that are older than what is promised', () => {
    const day = 86_400;
    let kept: string[];
    const old: string[] = [];

    /** Slices of a day each that lead on, from so many days ago. */
    async function addOld(daysAgo: number): Promise<void> {
      for (const days of [daysAgo, daysAgo - 1]) {
        const made = new MemoryObjectStore();
        const from = later.t - days * day;
        const slice = await storeSlice(made, [entryAt(from, 1), entryAt(from + day, 1)]);
        const key = artifactKeys.slice(archive(), slice.from.ts);
        await artifacts().put(key, (await made.get(slice.key)).body);
        old.push(key);
      }
    }
    const hold = (key: string) =>
      state().put(
        key,
        Buffer.from(
          JSON.stringify({
            ...{ schemaVersion: 1, run: 'reader', at: new Date().toISOString(), backups: [] },
            slices: [{ storage: 'primary', archive: archive(), after: { t: 0, i: 0 } }],
          }),
        ),
      );

    it('keeps what somebody reads, says what would go, and lets that go and nothing else', async () => {
      kept = await slices();
      await addOld(20);
      await hold(stateKeys.hold('reader'));
      expect(await prune(true)).toMatchObject([{ slices: 0, kept: kept.length + 2 }]);
      expect(await prune(false)).toMatchObject([{ slices: 0, upTo: null }]);
      expect(await slices()).toEqual([...old, ...kept]);
      await state().delete([stateKeys.hold('reader')]);
      const going = { slices: 2, upTo: { t: later.t - 18 * day, i: 1 }, kept: kept.length };
      expect(await prune(true)).toMatchObject([going]);
      expect(await slices()).toEqual([...old, ...kept]);
      expect(await prune(false)).toMatchObject([going]);
      expect(await slices()).toEqual(kept);
    });

    it('is pruned by the rule of each day as well, after which its check finds nothing lost', async () => {
      await addOld(30);
      expect(await world.stage.invoke('prune-archives', { source: 'aws.events' })).toMatchObject([
        { slices: 2, kept: kept.length },
      ]);
      expect(await slices()).toEqual(kept);
      await aDayLater();
      expect(await check()).toMatchObject([{ status: 'whole', slices: kept.length }]);
      expect(gapsTold()).toEqual([]);
    });
  });

  it('whose slice is damaged has a gap, told once, which a later turn fills from the set', async () => {
    await archiveOrders(900);
    await archiveOrders(1000);
    const all = await slices();
    const damaged = all.at(-2) ?? '';
    await flipBit(artifacts(), damaged);
    await aDayLater();
    expect(await check()).toMatchObject([{ status: 'lost', losses: [{ damaged: [damaged] }] }]);
    expect(gapsTold()).toEqual(['objectLost']);
    const [gap = ''] = await keysOf(artifactKeys.gaps(archive()));
    await until('the gap is filled', async () => {
      await turn();
      const { body } = await artifacts().get(gap);
      return isOpenGap(JSON.parse(body.toString('utf8')) as OplogGap) ? undefined : true;
    });
    await aDayLater();
    expect(await check()).toMatchObject([{ status: 'whole', losses: [] }]);
    expect(gapsTold()).toEqual(['objectLost']);
  });

  it('which the set itself interrupts has a gap, told by the archiver, and a new base', async () => {
    await archiveOrders(1100);
    const admin = world.set.client().db('admin');
    for (const version of ['5.0', '6.0']) await admin.command({ setFeatureCompatibilityVersion: version });
    await addOrders(world.set, 1200, 100);
    await startsBase();
    expect(new Set(gapsTold())).toEqual(new Set(['objectLost', 'featureCompatibilityVersionChanged']));
  });

  it('shows its gaps, refuses a time in one, and restores to the times around them', async () => {
    const { last } = await archiveOrders(1300);
    expect(last.base).toBeNull();
    const { body } = await world.stage.api.request('GET', '/deployments/orders/recovery-window');
    const [shown] = recoveryWindowSchema.parse(body).replicaSets;
    const { holes, ranges } = shown ?? { holes: [], ranges: [] };
    const reasons = holes.flatMap(({ gaps }) => gaps.map(({ reason }) => reason));
    expect(reasons).toContain('featureCompatibilityVersionChanged');
    expect(reasons).not.toContain('objectLost');
    expect(ranges.length).toBeGreaterThanOrEqual(2);
    const hole = holes.find(({ gaps }) => gaps.length > 0);
    const inside = { t: hole?.from.t ?? 0, i: (hole?.from.i ?? 0) + 1 };
    const plan = (at: string) =>
      world.stage.startExecution('restore', `plan-${at.replace(':', '-')}`, {
        ...{ backup: 'orders', to: 'volume', at, volume: { zone: 'eu-central-1a' }, dryRun: true },
      }).result;
    expect(await plan(text(inside))).toMatchObject({ status: 'FAILED', error: 'TimeNotRestorable' });
    expect(await plan(text(time))).toMatchObject({ output: { backupId: bases.get('snapshot') } });
    const newest = await plan('latest');
    expect(newest).toMatchObject({ output: { backupId: expect.stringContaining('-logical-') as string } });
  });

  describeFailedLook(
    () => world,
    () => `${world.set.name}-${replicaSetId}`,
    () => archiveOrders(1400),
  );

  it('asks AWS for nothing that its roles do not allow, and for everything that these runs are there for', () => {
    const { refused, unused } = compareGrants(world.stage.template, world.stage.aws.calls, 'archive');
    expect(refused).toEqual([]);
    expect(unused).toEqual([]);
  });
});

/** The last round of the check was yesterday. */
async function aDayLater(): Promise<void> {
  const key = stateKeys.archiveCheck('orders', `${world.set.name}-${replicaSetId}`);
  const { body } = await state().get(key);
  const record = JSON.parse(body.toString('utf8')) as { finishedAt: string };
  const finishedAt = new Date(Date.parse(record.finishedAt) - 25 * 3_600_000).toISOString();
  await state().put(key, Buffer.from(JSON.stringify({ ...record, finishedAt })));
}

/** The next turn starts the base that a gap wishes for, once; the one after knows that it was taken. */
async function startsBase(): Promise<void> {
  const { stage } = world;
  const started = await until('a base is started', async () => {
    const { base } = await turn();
    return base?.status === 'started' ? base : undefined;
  });
  const { result } = stage.workflows.execution('backup', started.runId ?? '');
  const done = await result;
  expect(done, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'logical' } });
  const { backupId } = (done as unknown as { output: { backupId: string } }).output;
  const { body } = await artifacts().get(artifactKeys.manifest('orders', backupId));
  expect(manifestSchema.parse(JSON.parse(body.toString('utf8'))).requestedBy).toBe('oplog archive (gap)');
  await addOrders(world.set, 10_000 + turns, 1);
  await until('the wish is granted', async () => {
    const { base } = await turn();
    return base?.status === 'taken' || base === null ? true : undefined;
  });
}
