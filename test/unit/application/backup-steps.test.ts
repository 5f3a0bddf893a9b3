import { beforeEach, describe, expect, test } from 'vitest';
import { captureOplog } from '../../../src/application/use-cases/capture-oplog.ts';
import { planBackup } from '../../../src/application/use-cases/plan-backup.ts';
import { launchWorker } from '../../../src/application/use-cases/launch-worker.ts';
import { captureWait } from '../../../src/composition/compose-local.ts';
import { maximumEvents } from '../../../local/states-language/history.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { readBackupPlan } from '../../../src/application/run-folder.ts';
import { backupPlanSchema, type BackupRequest, restoreTimeSchema } from '../../../src/domain/run.ts';
import { workerTaskSchema } from '../../../src/domain/run-documents.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { acquire, begin, complete, fail, inspect, plan, reachCompletion } from '../../support/backup-steps.ts';
import {
  type BackupWorld,
  keysOf,
  makeWorld,
  member,
  opTime,
  step,
  worldSettings,
  worldTopology,
  writePart,
} from '../../support/backup-world.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});
const cancel = (runId: string) => world.state.put(stateKeys.cancel(runId), Buffer.from('{}'));

describe('Inspect Deployment', () => {
  test('takes the only deployment when none is named, and writes what it looks like', async () => {
    expect(await inspect(world, 'run-1')).toEqual({ deployment: 'orders', duplicateOf: null });
    expect(await keysOf(world.state)).toEqual(
      expect.arrayContaining([
        stateKeys.topology('run-1'),
        stateKeys.runRequest('run-1'),
        stateKeys.runConfig('run-1'),
      ]),
    );
  });

  test('names the deployments there are when the one asked for is unknown', async () => {
    await expect(inspect(world, 'run-1', { deployment: 'nope' })).rejects.toMatchObject({
      name: 'UnknownDeployment',
      message: expect.stringContaining('orders') as string,
    });
    await expect(inspect(world, 'run-1', { storage: 'nope' })).rejects.toMatchObject({ name: 'UnknownStorage' });
  });

  test('takes compression that was asked for in place of the deployment’s, and refuses what no codec does', async () => {
    const planned = async (runId: string, request: BackupRequest) => {
      await inspect(world, runId, request);
      await plan(world, runId);
      const { codec, level } = await readBackupPlan(world.state, runId);
      return { codec, level };
    };
    expect(await planned('run-1', {})).toEqual({ codec: 'zstd', level: 1 });
    expect(await planned('run-2', { compression: { codec: 'gzip' } })).toEqual({ codec: 'gzip', level: 6 });
    const impossible = { compression: { codec: 'none', level: 3 } } as const;
    await expect(inspect(world, 'run-3', impossible)).rejects.toMatchObject({ name: 'InvalidInput' });
  });

  test('recognises a request of the same key, and takes a retry of itself for none', async () => {
    world.running.add('run-1');
    await inspect(world, 'run-1', { idempotencyKey: 'nightly' });
    expect(await inspect(world, 'run-1', { idempotencyKey: 'nightly' })).toMatchObject({ duplicateOf: null });
    expect(await inspect(world, 'run-2', { idempotencyKey: 'nightly' })).toMatchObject({ duplicateOf: 'run-1' });
    expect(await inspect(world, 'run-3', { idempotencyKey: 'hourly' })).toMatchObject({ duplicateOf: null });
  });

  test('of twenty at once with one key, one goes on', async () => {
    const runs = Array.from({ length: 20 }, (_, index) => `run-${index}`);
    for (const runId of runs) world.running.add(runId);
    const results = await Promise.all(runs.map((runId) => inspect(world, runId, { idempotencyKey: 'k' })));
    const winners = runs.filter((_, index) => results[index]?.duplicateOf === null);
    expect(winners).toHaveLength(1);
    expect(new Set(results.map(({ duplicateOf }) => duplicateOf))).toEqual(new Set([null, winners[0]]));
  });

  test('takes a request over from a run that failed, was cancelled or died, and one of several does', async () => {
    const request = { idempotencyKey: 'nightly' };
    const runs = Array.from({ length: 20 }, (_, index) => `run-${index + 1}`);
    for (const runId of runs) world.running.add(runId);
    for (const cancelled of [false, true]) {
      const first = cancelled ? 'first-cancelled' : 'first-failed';
      await inspect(world, first, { idempotencyKey: first });
      if (cancelled) await cancel(first);
      await fail(world, first);
      const results = await Promise.all(runs.map((runId) => inspect(world, runId, { idempotencyKey: first })));
      const winners = runs.filter((_, index) => results[index]?.duplicateOf === null);
      expect(winners).toHaveLength(1);
      expect(new Set(results.map(({ duplicateOf }) => duplicateOf))).toEqual(new Set([null, winners[0]]));
    }
    await inspect(world, 'died', request);
    expect(await inspect(world, 'run-1', request)).toMatchObject({ duplicateOf: null });
  });

  test('a run that succeeded answers the same request for ever', async () => {
    const { fence } = await reachCompletion(world, 'run-1', { idempotencyKey: 'nightly' });
    await complete(world, 'run-1', fence);
    world.running.clear();
    expect(await inspect(world, 'run-2', { idempotencyKey: 'nightly' })).toMatchObject({ duplicateOf: 'run-1' });
  });

  test('keeps the config that the run began with', async () => {
    await inspect(world, 'run-1');
    const changed = settingsSchema.parse({ ...worldSettings, stage: 'other' });
    await inspect({ ...world, deps: { ...world.deps, settings: changed } }, 'run-1');
    expect(await readDocument(world.state, stateKeys.runConfig('run-1'), settingsSchema)).toMatchObject({
      stage: 'test',
    });
  });
});

describe('Plan Backup', () => {
  const planOf = (runId: string) => readDocument(world.state, stateKeys.plan(runId), backupPlanSchema);

  test('reads the hidden member and says why, for it and for the others', async () => {
    await inspect(world, 'run-1');
    expect(await plan(world, 'run-1')).toMatchObject({ parts: [{ name: 'rs0' }], captureWaitSeconds: 1 });
    const { parts, method } = await planOf('run-1');
    expect(method).toBe('logical');
    expect(parts[0]).toMatchObject({ member: 'h:1', memberReason: expect.stringContaining('hidden') as string });
    expect(parts[0]?.memberVerdicts).toHaveLength(2);
  });

  test('makes the same plan when it runs again, even if the deployment changed', async () => {
    await inspect(world, 'run-1');
    await plan(world, 'run-1');
    const first = await planOf('run-1');
    await world.clock.advance(60_000);
    const [part] = worldTopology.parts;
    world.inspection = { ...worldTopology, parts: part ? [{ ...part, members: [member('z:1')] }] : [] };
    await inspect(world, 'run-1');
    await plan(world, 'run-1');
    expect(await planOf('run-1')).toEqual(first);
  });

  test('refuses what this release cannot do', async () => {
    world.inspection = { ...worldTopology, kind: 'standalone' };
    await inspect(world, 'run-2', { method: 'logical' });
    await expect(plan(world, 'run-2')).rejects.toMatchObject({ name: 'MethodNotAvailable' });
    world.inspection = { ...worldTopology, kind: 'sharded' };
    await inspect(world, 'run-3');
    await expect(plan(world, 'run-3')).rejects.toMatchObject({ name: 'UnsupportedTopology' });
  });
});

describe('Launch Worker', () => {
  const launch = (taskToken: string) =>
    launchWorker({ ...step('run-1', 'Dump Collections'), command: 'dump', part: 'rs0', taskToken }, world.deps);

  test('counts attempts by tokens: the same token starts the same worker', async () => {
    const { fence } = await begin(world, 'run-1');
    expect(await launch('t1')).toEqual({ attempt: 1 });
    expect(await launch('t1')).toEqual({ attempt: 1 });
    expect(await launch('t2')).toEqual({ attempt: 2 });
    const key = stateKeys.task('run-1', 'dump-rs0-2');
    expect(world.launched.at(-1)).toBe(key);
    expect(await readDocument(world.state, key, workerTaskSchema)).toMatchObject({
      taskToken: 't2',
      fence,
      part: 'rs0',
    });
  });

  test('begins a new attempt only when no worker of an earlier one is left', async () => {
    await begin(world, 'run-1');
    await launch('t1');
    await launch('t2');
    expect(world.stopped).toEqual(['run-1 dump-rs0-1']);
    await launch('t3');
    expect(world.stopped.at(-1)).toBe('run-1 dump-rs0-1 dump-rs0-2');
    world.deps.launcher.stopAll = () => Promise.reject(new HoldfastError('WorkerLost', 'it does not end'));
    await expect(launch('t4')).rejects.toMatchObject({ name: 'WorkerLost' });
    expect(world.launched).toHaveLength(3);
  });

  test('starts nothing for a run that lost its lease', async () => {
    await begin(world, 'run-1');
    world.running.delete('run-1');
    await begin(world, 'run-2');
    await expect(launch('t1')).rejects.toMatchObject({ name: 'LeaseLost' });
    expect(world.launched).toEqual([]);
  });
});

describe('Capture Oplog', () => {
  const capture = (deps = world.deps) => captureOplog(step('run-1', 'Capture Oplog'), deps);

  test('waits for the bases, longer the longer they take, up to the plan’s limit', async () => {
    await begin(world, 'run-1');
    expect(await capture()).toEqual({ done: false, waitSeconds: 1 });
    await world.clock.advance(60_000);
    expect(await capture()).toEqual({ done: false, waitSeconds: 3 });
    await world.clock.advance(3_600_000);
    expect(await capture()).toEqual({ done: false, waitSeconds: 5 });
    expect(await keysOf(world.state, stateKeys.restoreTime('run-1'))).toEqual([]);
  });

  test('turns so seldom that the longest dump fits into the history of an execution', async () => {
    const deps = { ...world.deps, captureWait };
    await inspect(world, 'run-1');
    await planBackup({ ...step('run-1', 'Plan Backup'), startedAt: '2026-11-22T10:00:00.000Z' }, deps);
    await acquire(world, 'run-1');
    const end = world.clock.now().getTime() + 172_800_000;
    let turns = 0;
    for (; world.clock.now().getTime() < end; turns += 1) {
      await world.clock.advance((await capture()).waitSeconds * 1000);
    }
    // Wait, task and choice: entered and exited, and the task's three events.
    expect(turns * 9).toBeLessThan(maximumEvents * 0.75);
  });

  test('gives up a restore time that the majority does not pass', async () => {
    const { plan: made } = await begin(world, 'run-1');
    await writePart(made, world);
    const behind = { ...world.deps, capturePart: () => Promise.resolve(false) };
    expect(await capture(behind)).toMatchObject({ done: false });
    await world.clock.advance(600_000);
    expect(await capture(behind)).toMatchObject({ done: false });
    await world.clock.advance(1);
    await expect(capture(behind)).rejects.toMatchObject({
      name: 'RestoreTimeNotReached',
      message: expect.stringContaining('rs0') as string,
    });
    expect(await capture()).toMatchObject({ done: true });
  });

  test('does not take a point for final whose base is not complete', async () => {
    await begin(world, 'run-1');
    await world.state.put(stateKeys.point('run-1', 'rs0'), Buffer.from(JSON.stringify(opTime(80))));
    expect(await capture()).toMatchObject({ done: false });
  });

  test('fixes the restore time once, and goes on until every part has reached it', async () => {
    const { plan: made } = await begin(world, 'run-1');
    await writePart(made, world);
    const asked: unknown[] = [];
    const slow = {
      ...world.deps,
      capturePart: ({ restoreTime }: { restoreTime: unknown }) => {
        asked.push(restoreTime);
        return Promise.resolve(asked.length > 1);
      },
    };
    expect(await capture(slow)).toEqual({ done: false, waitSeconds: 1 });
    // A later point, as a defect might leave, does not move what was fixed.
    await world.state.put(stateKeys.point('run-1', 'rs0'), Buffer.from(JSON.stringify(opTime(105))));
    expect(await capture(slow)).toMatchObject({ done: true });
    expect(asked).toEqual([
      { t: 100, i: 1 },
      { t: 100, i: 1 },
    ]);
    expect(await readDocument(world.state, stateKeys.restoreTime('run-1'), restoreTimeSchema)).toMatchObject({
      restoreTime: { t: 100, i: 1 },
    });
  });
});

test('every step of a run that was asked to stop goes no further', async () => {
  await begin(world, 'run-1');
  await cancel('run-1');
  const launch = { ...step('run-1'), command: 'dump' as const, part: 'rs0', taskToken: 't' };
  const steps = [
    () => inspect(world, 'run-1'),
    () => plan(world, 'run-1'),
    () => acquire(world, 'run-1'),
    () => launchWorker(launch, world.deps),
    () => captureOplog(step('run-1'), world.deps),
    () => complete(world, 'run-1'),
  ];
  for (const run of steps) await expect(run()).rejects.toMatchObject({ name: 'Cancelled' });
});

test('what an inspection refuses is raised as it is', async () => {
  world.inspection = new HoldfastError('MissingPrivileges', 'lacks find');
  await expect(inspect(world, 'run-1')).rejects.toMatchObject({ name: 'MissingPrivileges', message: 'lacks find' });
});
