import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import type { ArchivedSet } from '../../src/application/ports/holdfast-client.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { compareTimestamps, type Timestamp } from '../../src/domain/timestamp.ts';
import { markDatabase } from '../../src/engine/restore/restore-mark.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { addOrders, type StagedSet, startStagedSet } from '../support/aws/staged-set.ts';

/** Files to a running server: by way of a volume that goes with its worker. */

const methods = ['physical', 'snapshot'] as const;
type FilesMethod = (typeof methods)[number];

let world: StagedSet;
/** Of the bases, by their methods: with 500 orders each. */
const bases = new Map<FilesMethod, string>();
/** In the archive, when there were 600 orders. There are 700 at its end. */
let time: Timestamp;

beforeAll(async () => {
  world = await startStagedSet();
  const [, member] = world.set.members;
  const data = { dbPath: member?.dbPath ?? '', pid: member?.pid ?? 0 };
  await world.stage.ec2.makeMemberVolume({ 'holdfast:data': 'orders', 'holdfast:member': member?.host ?? '' }, data);
  await world.set.client().db('shop').collection('orders').createIndex({ text: 1, _id: -1 }, { name: 'by text' }, {});
  for (const method of methods) {
    const execution = world.stage.startExecution('backup', `base-${method}`, { deployment: 'orders', method });
    const result = await execution.result;
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    bases.set(method, (result as unknown as { output: { backupId: string } }).output.backupId);
    // It begins at the newest backup: begun after the second one, it would not go back to the first.
    await archive(await lastEntry());
  }
  await addOrders(world.set, 500, 100);
  time = await lastEntry();
  await addOrders(world.set, 600, 100);
  await archive(await lastEntry());
}, 480_000);
afterAll(() => world.stop());

const state = () => world.stage.bucket('State');
const target = () => world.target.client();
const ordersOf = (name: string) => target().db(name).collection<{ _id: number }>('orders');
const start = (runId: string, input: object) =>
  world.stage.startExecution('restore', runId, { to: world.target.uri, ...input });

async function lastEntry(): Promise<Timestamp> {
  const oplog = world.set.client().db('local').collection<{ ts: Timestamp }>('oplog.rs');
  const [last] = await oplog.find().sort({ $natural: -1 }).limit(1).toArray();
  return { t: last?.ts.t ?? 0, i: last?.ts.i ?? 0 };
}

let turns = 0;
/** Takes turns until the archive reaches a time. */
async function archive(upTo: Timestamp): Promise<void> {
  await until('the archive reaches the time', async () => {
    const execution = world.stage.startExecution('archive-oplog', `turn-${++turns}`, { deployment: 'orders' });
    const result = await execution.result;
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    const [done] = (result as unknown as { output: ArchivedSet[] }).output;
    const [t = 0, i = 0] = (done?.turn.checkedTo ?? '0:0').split(':').map(Number);
    return compareTimestamps({ t, i }, upTo) >= 0 ? true : undefined;
  });
}

async function emptyTarget(): Promise<void> {
  const { databases } = await target().db('admin').admin().listDatabases();
  for (const { name } of databases)
    if (!['admin', 'config', 'local'].includes(name)) await target().db(name).dropDatabase();
}

/** Of any run: a kept snapshot's lie in the storage while it is loaded. */
async function storedCollections(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.stage.bucket('Artifacts', 'holdfast/').list('_restores/')) keys.push(key);
  return keys;
}

/** Asked from EC2, ECS, S3 and the target themselves. */
async function whatIsLeftOf(runId: string) {
  const { stage } = world;
  return {
    volumes: (await stage.ec2.volumesOf(runId)).map(({ VolumeId }) => VolumeId),
    workers: stage.workersOf(runId).filter((status) => status === 'RUNNING'),
    hold: await state().head(stateKeys.hold(runId)),
    collections: await storedCollections(),
    marks: (await target().db(markDatabase).listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name),
  };
}
const nothing = { volumes: [], workers: [], hold: undefined, collections: [], marks: [] };

async function expectNothingLeft(runId: string): Promise<void> {
  await until('its workers have stopped', () =>
    Promise.resolve(world.stage.workersOf(runId).includes('RUNNING') ? undefined : true),
  );
  expect(await whatIsLeftOf(runId), world.stage.allLogs()).toEqual(nothing);
  expect(await state().head(stateKeys.settled(runId))).toBeDefined();
}

/** Whether a worker of the run has its volume. */
async function hasWorker(runId: string): Promise<true | undefined> {
  if (!world.stage.workersOf(runId).includes('RUNNING')) return undefined;
  return (await world.stage.ec2.volumesOf(runId)).length > 0 ? true : undefined;
}

/** While it runs the target takes no writes: the worker stands at its first one, with everything before behind it. */
async function whileTargetWaits(runId: string, work: () => Promise<unknown>): Promise<void> {
  const admin = target().db('admin');
  await admin.command({ fsync: 1, lock: true });
  try {
    await until('the worker waits for the target', async () => {
      const waiting = { waitingForLock: true, appName: `holdfast restore ${runId}` };
      const found = await admin.aggregate([{ $currentOp: { allUsers: true } }, { $match: waiting }]).toArray();
      return found.length > 0 ? true : undefined;
    });
    expect(await hasWorker(runId)).toBe(true);
    expect((await storedCollections()).length > 0).toBe(runId.endsWith('snapshot'));
    await work();
  } finally {
    await admin.command({ fsyncUnlock: 1 });
  }
}

describe.each(methods)('a %s base to a running server', (method) => {
  const backup = () => ({ backup: bases.get(method) });

  it('says first on which volume it would work, how long that takes and what it costs', async () => {
    const runId = `dry-${method}`;
    const result = await start(runId, { ...backup(), dryRun: true }).result;
    expect(result, world.stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: {
        ...{ status: 'planned', target: world.target.host, volume: null },
        scratch: { mongodbVersion: '6.0.5', type: 'gp3' },
        estimate: { usdPerMonth: 0, usd: expect.any(Number) as number },
      },
    });
    await expectNothingLeft(runId);
    expect(await ordersOf('shop').countDocuments()).toBe(0);
  });

  it('is restored whole, to a time of the archive, and leaves no volume', async () => {
    const runId = `whole-${method}`;
    const volume = method === 'snapshot' ? { initialization: { rate: 200 } } : { sizeGiB: 7, iops: 3_200 };
    const input = { ...backup(), at: `${time.t}:${time.i}`, volume };
    const result = await start(runId, input).result;
    expect(result, world.stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: { target: world.target.host, restoreTime: time, volume: null, steps: [] },
    });
    expect(await ordersOf('shop').countDocuments()).toBe(600);
    expect(await ordersOf('shop').find().sort({ _id: -1 }).limit(1).toArray()).toMatchObject([{ _id: 599 }]);
    expect((await ordersOf('shop').indexes()).map(({ name }) => name)).toEqual(['_id_', 'by text']);
    await expectNothingLeft(runId);
  });

  it('gives single collections, under other names, to a server that has its own', async () => {
    const runId = `part-${method}`;
    const renames = [{ from: 'shop.orders', to: 'copy.orders' }];
    const result = await start(runId, { ...backup(), namespaces: ['shop.orders'], renames, keepExpired: true }).result;
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await ordersOf('copy').countDocuments()).toBe(500);
    expect(await ordersOf('shop').countDocuments()).toBe(600);
    await expectNothingLeft(runId);
  });

  it('goes on with a new volume when its worker dies, before its first write and at it', async () => {
    const runId = `killed-${method}`;
    const execution = start(runId, { ...backup(), overwrite: world.target.host });
    await until('a worker has its volume', () => hasWorker(runId));
    world.stage.killWorker();
    await until('another has its own', () =>
      world.stage.workersOf(runId).length > 1 ? hasWorker(runId) : Promise.resolve(undefined),
    );
    await whileTargetWaits(runId, () => Promise.resolve(world.stage.killWorker()));
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(world.stage.workersOf(runId)).toEqual(['STOPPED', 'STOPPED', 'STOPPED']);
    expect(await ordersOf('shop').countDocuments()).toBe(500);
    await expectNothingLeft(runId);
  });

  it('leaves nothing when all its workers die', async () => {
    await emptyTarget();
    const runId = `dying-${method}`;
    const execution = start(runId, backup());
    const killing = until('they are all dead', async () => {
      world.stage.killWorker();
      return (await state().head(stateKeys.outcome(runId))) === undefined ? undefined : true;
    });
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'WorkerLost' });
    await killing;
    await expectNothingLeft(runId);
  });

  it('leaves nothing when its execution is stopped while the worker hangs', async () => {
    await emptyTarget();
    const runId = `stopped-${method}`;
    const execution = start(runId, backup());
    await until('a worker has its volume', () => hasWorker(runId));
    await world.stage.hangWorker(runId);
    await execution.abort('an operator stopped it');
    const detail = { name: runId, status: 'ABORTED' };
    await world.stage.invoke('settle-ended-run', { source: 'aws.states', detail });
    await expectNothingLeft(runId);
  });

  it('leaves no volume when it is cancelled at its first write', async () => {
    await emptyTarget();
    const runId = `cancelled-${method}`;
    const execution = start(runId, backup());
    await whileTargetWaits(runId, () => state().put(stateKeys.cancel(runId), Buffer.from('{}')));
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'Cancelled' });
    await emptyTarget();
    await expectNothingLeft(runId);
  });

  it('is refused before anything is made where the target has other data', async () => {
    await emptyTarget();
    await ordersOf('shop').insertOne({ _id: 1 });
    const runId = `occupied-${method}`;
    const result = await start(runId, backup()).result;
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'TargetNotEmpty' });
    expect(world.stage.workersOf(runId)).toEqual([]);
    await expectNothingLeft(runId);
    await emptyTarget();
  });
});

it('deletes the volume of a worker that its task has left', async () => {
  const tags = { 'holdfast:stage': 'test', 'holdfast:run': 'whole-physical', 'holdfast:purpose': 'temporary' };
  await world.stage.ec2.makeLostVolume(tags);
  await world.stage.invoke('sweep-runs', { source: 'aws.events' });
  expect(await world.stage.ec2.volumesOf('whole-physical')).toEqual([]);
});

it('asks AWS for nothing that its roles do not allow, and for everything that these runs are there for', () => {
  const { refused, unused } = compareGrants(world.stage.template, world.stage.aws.calls, 'to-server');
  expect(refused).toEqual([]);
  expect(unused).toEqual([]);
});
