import { DescribeSnapshotsCommand } from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { retriedRunSchema } from '../../src/application/api/schemas.ts';
import { leaseSchema } from '../../src/domain/run.ts';
import { stateKeys } from '../../src/domain/names.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { type StagedSet, startStagedSet } from '../support/aws/staged-set.ts';

let world: StagedSet;
/** Every key of the storage before the first run. */
let before: readonly string[];

beforeAll(async () => {
  world = await startStagedSet();
  const [, member] = world.set.members;
  const data = { dbPath: member?.dbPath ?? '', pid: member?.pid ?? 0 };
  await world.stage.ec2.makeMemberVolume({ 'holdfast:data': 'orders' }, data);
  before = await artifactKeysNow();
}, 480_000);
afterEach(() => {
  world.stage.beforeCall = () => undefined;
  world.stage.ec2.snapshots.onTaken = () => undefined;
});
afterAll(() => world.stop());

const input = { deployment: 'orders', method: 'physical' };
const state = () => world.stage.bucket('State');
async function artifactKeysNow(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.stage.bucket('Artifacts', 'holdfast/').list('')) keys.push(key);
  return keys;
}
const start = (runId: string) => world.stage.startExecution('backup', runId, input);
const cancel = (runId: string) => state().put(stateKeys.cancel(runId), Buffer.from('{}'));
const sweep = async () =>
  (await world.stage.invoke('sweep-runs', { source: 'aws.events' })) as { problems: string[] } & Record<
    string,
    string[]
  >;
const settle = (runId: string) =>
  world.stage.invoke('settle-ended-run', { source: 'aws.states', detail: { name: runId, status: 'ABORTED' } });
const snapshotsOf = async (runId: string) => {
  const Filters = [{ Name: 'tag:holdfast:run', Values: [runId] }];
  const { Snapshots = [] } = await world.stage.ec2.client.send(new DescribeSnapshotsCommand({ Filters }));
  return Snapshots.map(({ SnapshotId }) => SnapshotId);
};

const nothing = {
  ...{ snapshots: [] as (string | undefined)[], volumes: [] as (string | undefined)[], workers: [] as string[] },
  ...{ objects: [] as string[], unfinished: 0, held: false },
};

/** Asked from EC2, ECS and S3 themselves. */
async function whatIsLeftOf(runId: string): Promise<typeof nothing> {
  const { stage } = world;
  const lease = await state()
    .get(stateKeys.lease('orders'))
    .then(({ body }) => leaseSchema.parse(JSON.parse(body.toString('utf8'))))
    .catch(() => undefined);
  return {
    snapshots: await snapshotsOf(runId),
    volumes: (await stage.ec2.volumesOf(runId)).map(({ VolumeId }) => VolumeId),
    workers: stage.workersOf(runId).filter((status) => status === 'RUNNING'),
    objects: (await artifactKeysNow()).filter((key) => !before.includes(key)),
    unfinished: await stage.bucket('Artifacts', 'holdfast/').discardUnfinished(''),
    held: lease !== undefined && lease.released !== true,
  };
}

/** Nothing is left of a run that came to nothing, at once or after the next sweeps, and nobody has anything to do. */
async function expectNothingLeft(runId: string, status: 'failed' | 'cancelled'): Promise<void> {
  await until('its workers have stopped', () =>
    Promise.resolve(world.stage.workersOf(runId).includes('RUNNING') ? undefined : true),
  );
  const swept = await sweep();
  expect(swept.problems).toEqual([]);
  expect(await whatIsLeftOf(runId), world.stage.allLogs()).toEqual(nothing);
  const outcome = (await state().get(stateKeys.outcome(runId))).body.toString('utf8');
  expect(JSON.parse(outcome)).toMatchObject({ status });
  expect(await state().head(stateKeys.settled(runId))).toBeDefined();
  expect(Object.values(await sweep()).flat()).toEqual([]);
}

/** Only the backup is left. */
async function expectOnlyBackup(runId: string): Promise<void> {
  const { objects, ...left } = await whatIsLeftOf(runId);
  expect({ ...left, objects: [] }).toEqual(nothing);
  expect(objects.filter((key) => key.endsWith('/manifest.json'))).toHaveLength(1);
  before = await artifactKeysNow();
  expect(Object.values(await sweep()).flat()).toEqual([]);
}

/** The functions of a physical backup's states up to the decision, in their order. */
const steps = [
  ...['inspect-deployment', 'plan-backup', 'acquire-lease', 'snapshot-member', 'await-snapshot'],
  ...['launch-worker', 'delete-snapshot', 'capture-oplog', 'complete-backup'],
];

/** Does something when the function is about to be called for the run, for the first time. */
function at(step: string, runId: string, act: () => unknown): void {
  let done = false;
  world.stage.beforeCall = (folder, payload) => {
    if (done || folder !== step || (payload as { runId?: string }).runId !== runId) return undefined;
    done = true;
    return act();
  };
}

describe('a physical backup', () => {
  it.each(steps)('that is cancelled when %s begins leaves nothing', async (step) => {
    const runId = `cancelled-at-${step}`;
    at(step, runId, () => cancel(runId));
    expect(await start(runId).result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'Cancelled' });
    await expectNothingLeft(runId, 'cancelled');
  });

  it('that is cancelled while its worker copies leaves nothing', async () => {
    const execution = start('cancelled-copying');
    await until('a worker copies', () => hasWorker('cancelled-copying'));
    await cancel('cancelled-copying');
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'Cancelled' });
    await expectNothingLeft('cancelled-copying', 'cancelled');
  });

  it('whose execution is stopped while its worker hangs leaves nothing', async () => {
    const execution = start('stopped-copying');
    await until('a worker copies', () => hasWorker('stopped-copying'));
    await world.stage.hangWorker('stopped-copying');
    await execution.abort('an operator stopped it');
    await settle('stopped-copying');
    await expectNothingLeft('stopped-copying', 'failed');
  });

  // A function that was called goes on when the execution is stopped: what it makes is nobody's.
  it.each(steps.slice(0, -1))('whose execution is stopped when %s begins leaves nothing', async (step) => {
    const runId = `stopped-at-${step}`;
    const execution = start(runId);
    at(step, runId, () => void execution.abort('an operator stopped it'));
    expect(await execution.result).toMatchObject({ status: 'ABORTED' });
    await settle(runId);
    await until('what came up late is swept', async () => {
      await sweep();
      return JSON.stringify(await whatIsLeftOf(runId)) === JSON.stringify(nothing) ? true : undefined;
    });
    await expectNothingLeft(runId, 'failed');
  });

  it('whose execution is stopped when complete-backup begins is whole, or nothing of it is left', async () => {
    const runId = 'stopped-at-complete-backup';
    const execution = start(runId);
    at('complete-backup', runId, () => void execution.abort('an operator stopped it'));
    expect(await execution.result).toMatchObject({ status: 'ABORTED' });
    await settle(runId);
    await until('it is settled', async () => {
      await sweep();
      return state().head(stateKeys.settled(runId));
    });
    const outcome = JSON.parse((await state().get(stateKeys.outcome(runId))).body.toString('utf8')) as {
      status: string;
    };
    if (outcome.status === 'completed') await expectOnlyBackup(runId);
    else await expectNothingLeft(runId, 'failed');
  });

  it('whose function dies when the snapshot is taken leaves nothing', async () => {
    world.stage.ec2.snapshots.onTaken = () => world.stage.killFunction('snapshot-member');
    expect(await start('died-1').result).toMatchObject({ status: 'FAILED' });
    await expectNothingLeft('died-1', 'failed');
  });

  it('whose workers all die leaves nothing', async () => {
    const execution = start('dying-1');
    const killing = until('they are all dead', async () => {
      world.stage.killWorker();
      return (await state().head(stateKeys.outcome('dying-1'))) === undefined ? undefined : true;
    });
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'WorkerLost' });
    await killing;
    expect(world.stage.workersOf('dying-1').length).toBeGreaterThan(2);
    await expectNothingLeft('dying-1', 'failed');
  });
});

describe('a physical backup comes about all the same', () => {
  it('when its worker dies', async () => {
    const execution = start('killed-1');
    await until('a worker copies', () => hasWorker('killed-1'));
    world.stage.killWorker();
    expect(await execution.result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(world.stage.workersOf('killed-1').length).toBeGreaterThan(1);
    await expectOnlyBackup('killed-1');
  });

  it('when its worker hangs and is given up: it is stopped before the next begins', async () => {
    const { stage } = world;
    const execution = start('hanging-1');
    await until('a worker copies', () => hasWorker('hanging-1'));
    await stage.hangWorker('hanging-1', { lost: true });
    expect(await execution.result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(stage.workersOf('hanging-1')).toEqual(['STOPPED', 'STOPPED']);
    await expectOnlyBackup('hanging-1');
  });

  it('when a run before it was stopped and nobody heard of it: its workers are stopped first', async () => {
    const { stage } = world;
    const earlier = start('unheard-1');
    await until('a worker copies', () => hasWorker('unheard-1'));
    await stage.hangWorker('unheard-1');
    await earlier.abort('an operator stopped it');
    expect(await start('after-1').result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    await until('the earlier run is swept', async () => {
      await sweep();
      return (await state().head(stateKeys.settled('unheard-1'))) === undefined ? undefined : true;
    });
    expect(await whatIsLeftOf('unheard-1')).toMatchObject({ snapshots: [], volumes: [], workers: [] });
    await expectOnlyBackup('after-1');
  });

  it('when it is retried after it failed', async () => {
    const { stage } = world;
    stage.ec2.snapshots.failing = 'InvalidVolume.NotFound';
    try {
      expect(await start('retried-1').result).toMatchObject({ status: 'FAILED', error: 'VolumeNotFound' });
    } finally {
      stage.ec2.snapshots.failing = undefined;
    }
    await expectNothingLeft('retried-1', 'failed');
    const reply = await stage.api.request('POST', '/runs/retried-1/retry');
    const { runId, retryOf, workflow } = retriedRunSchema.parse(reply.body);
    expect({ retryOf, workflow }).toEqual({ retryOf: 'retried-1', workflow: 'backup' });
    const result = await stage.workflows.execution('backup', runId).result;
    expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'physical' } });
    await expectOnlyBackup(runId);
  });
});

it('asks AWS for nothing that its roles do not allow, and for everything that these runs are there for', () => {
  const { refused, unused } = compareGrants(world.stage.template, world.stage.aws.calls, 'faults');
  expect(refused).toEqual([]);
  expect(unused).toEqual([]);
});

/** Whether a worker of the run has its volume. */
async function hasWorker(runId: string): Promise<true | undefined> {
  if (!world.stage.workersOf(runId).includes('RUNNING')) return undefined;
  return (await world.stage.ec2.volumesOf(runId)).length > 0 ? true : undefined;
}
