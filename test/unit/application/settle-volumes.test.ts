import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument, writeDocument } from '../../../src/application/documents.ts';
import type { WorkerLaunch } from '../../../src/application/ports/worker-launcher.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { acquireLease } from '../../../src/application/use-cases/acquire-lease.ts';
import { completeRestore } from '../../../src/application/use-cases/complete-restore.ts';
import { launchWorker } from '../../../src/application/use-cases/launch-worker.ts';
import { recordFailure } from '../../../src/application/use-cases/record-failure.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { type RestoreResult, restoreResultSchema } from '../../../src/domain/restore-result.ts';
import { type RestorePlan, restorePlanSchema } from '../../../src/domain/run-documents.ts';
import { type BackupWorld, makeWorld, step, worldSettings } from '../../support/backup-world.ts';
import { FakeRestoreVolumes, madeVolume } from '../../support/fake-restore-volumes.ts';

let world: BackupWorld;
let volumes: FakeRestoreVolumes;
beforeEach(() => {
  world = makeWorld();
  volumes = new FakeRestoreVolumes();
});
const deps = () => ({ ...world.deps, restoreVolumes: volumes });

const attach = { instance: 'i-00000001', device: '/dev/sdf' };
const volume: NonNullable<RestorePlan['volume']> = {
  ...{ zone: 'eu-central-1a', subnet: 'subnet-a', type: 'gp3', sizeGiB: 10, iops: 3_000, throughput: 125 },
  ...{ filesystem: 'xfs', kmsKey: null, snapshot: null, initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.5' },
  attach: null,
};
const result: RestoreResult = {
  ...{ schemaVersion: 1, part: 'rs0', target: '/data', restoreTime: { t: 9, i: 1 }, collections: 1, documents: 3 },
  ...{ rawBytes: 30, indexes: 0, oplog: { entries: 1, applied: 1, skipped: 0 }, usersAndRoles: null },
  ...{ uuidsKept: true, keepExpired: true, seconds: {}, warnings: [], steps: [], attempt: 2 },
  files: { serverVersion: '6.0.5', kind: 'replicaSet', layout: ['--directoryperdb'] },
};

/** A run up to the answer of its second worker; both have made a volume. */
async function begin(planned: Partial<typeof volume> = {}): Promise<number> {
  const plan: RestorePlan = {
    ...{ schemaVersion: 1, kind: 'restore', runId: 'run-1', backupId: 'b', deployment: 'orders', storage: 'local' },
    ...{ createdAt: '2026-11-22T10:00:00.000Z', target: 'a'.repeat(64), targetDescription: 'a new volume' },
    ...{ requestedBy: 'me', request: { backup: 'b', to: 'volume' }, parts: [{ name: 'rs0' }] },
    volume: { ...volume, ...planned },
  };
  world.running.add('run-1');
  await adoptConfig(world.state, 'run-1', worldSettings);
  await writeDocument(world.state, stateKeys.plan('run-1'), restorePlanSchema.parse(plan));
  const { fence } = await acquireLease(step('run-1'), world.deps);
  volumes.made = [
    madeVolume('vol-1'),
    madeVolume('vol-2', { attempt: 2, state: 'in-use' }),
    madeVolume('vol-9', { runId: 'run-9' }),
  ];
  await writeDocument(world.state, stateKeys.restoreResult('run-1', 'rs0'), result);
  return fence;
}
const complete = (fence: number) => completeRestore({ ...step('run-1', 'Complete Restore'), fence }, deps());
const fail = () => recordFailure({ ...step('run-1'), failure: { Error: 'WorkerLost', Cause: 'x' } }, deps());
/** `vol-9` is of a run that the state does not have. */
const unknownRun = 'volume vol-9: the state has no run "run-9": it stays.';
const left = () => volumes.made.map(({ id }) => id);

describe('the worker of a restore to a volume', () => {
  async function launched(planned: Partial<typeof volume>) {
    await begin(planned);
    const launches: WorkerLaunch[] = [];
    const launcher = {
      ...world.deps.launcher,
      launch: (task: WorkerLaunch) => Promise.resolve(void launches.push(task)),
    };
    for (const taskToken of ['t1', 't2'])
      await launchWorker(
        { ...step('run-1'), command: 'restore', part: 'rs0', taskToken },
        { ...world.deps, launcher, volumeTags: { 'holdfast:stage': 'prod' } },
      );
    return launches.map((task) => task.volume);
  }

  test('gets one that stays, as it was planned, each one of its own', async () => {
    const [first, second] = await launched({});
    expect(first).toEqual({
      ...{ mongodbVersion: '6.0.5', snapshotId: null, sizeGiB: 10, filesystem: 'xfs', subnet: 'subnet-a', keep: true },
      ...{ performance: { type: 'gp3', iops: 3_000, throughput: 125 }, kmsKey: null },
      tags: {
        ...{ 'holdfast:stage': 'prod', 'holdfast:deployment': 'orders', 'holdfast:run': 'run-1' },
        ...{ 'holdfast:part': 'rs0', 'holdfast:attempt': '1', 'holdfast:unfinished': 'true' },
      },
    });
    expect(second?.tags['holdfast:attempt']).toBe('2');
  });

  test('gets one of a snapshot with the rate that was asked for, and the snapshot’s key', async () => {
    const [made] = await launched({ snapshot: 'snap-1', initialization: { rate: 300 } });
    expect(made).toMatchObject({ snapshotId: 'snap-1', initializationRate: 300 });
    expect(made).not.toHaveProperty('kmsKey');
  });
});

describe('a restore to a volume that is complete', () => {
  test('records its volume, lets it go, deletes those of earlier workers, and says what remains', async () => {
    const fence = await begin();
    const { waitSeconds, restored } = await complete(fence);
    expect(waitSeconds).toBe(0);
    expect(restored).toMatchObject({
      target: 'vol-2',
      volume: { id: 'vol-2', zone: 'eu-central-1a', attachment: null },
      warnings: [],
    });
    expect(restored.steps[0]).toBe(
      'Attach it to the node, which must be in eu-central-1a: aws ec2 attach-volume --volume-id vol-2 --instance-id INSTANCE --device /dev/sdf',
    );
    expect(restored.steps[1]).toContain(
      'mount -t xfs /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol2 /var/lib/mongodb',
    );
    expect(restored.steps.join('\n')).toContain('mongod --dbpath /var/lib/mongodb --directoryperdb --replSet NAME');
    const recorded = await readDocument(world.state, stateKeys.restoreResult('run-1', 'rs0'), restoreResultSchema);
    expect(recorded).toMatchObject({ target: 'vol-2', volume: { id: 'vol-2', zone: 'eu-central-1a' } });
    expect({ deleted: volumes.deleted, released: volumes.released }).toEqual({
      deleted: ['vol-1'],
      released: ['vol-2'],
    });
    expect(await complete(fence)).toEqual({ waitSeconds, restored });
    expect(volumes.released).toEqual(['vol-2']);
  });

  test('is not complete before its volume is found', async () => {
    const fence = await begin();
    volumes.made = [madeVolume('vol-1')];
    await expect(complete(fence)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect(await world.state.head(stateKeys.outcome('run-1'))).toBeUndefined();
  });

  test('keeps it, whatever fails and sweeps after that', async () => {
    const fence = await begin();
    volumes.change('vol-2', { state: 'available' });
    const release = volumes.release.bind(volumes);
    volumes.release = () => Promise.reject(new HoldfastError('TargetUnreachable', 'EC2 is away'));
    await expect(complete(fence)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    world.running.clear();
    await expect(fail()).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect((await sweepRuns(deps())).problems.join()).toContain('EC2 is away');
    expect(left()).toContain('vol-2');
    volumes.release = release;
    expect(await sweepRuns(deps())).toMatchObject({ settledRuns: ['run-1'], problems: [unknownRun] });
    await sweepRuns(deps());
    expect(left()).toEqual(['vol-2', 'vol-9']);
    expect(volumes.made[0]?.unfinished).toBe(false);
  });

  test('waits for the volume where it is to be attached, attaches it once, and says so', async () => {
    const fence = await begin({ attach });
    expect(await complete(fence)).toMatchObject({
      waitSeconds: 3,
      restored: { volume: { attachment: { attached: false, problem: null } } },
    });
    expect(volumes.attached).toEqual([]);
    volumes.change('vol-2', { state: 'available' });
    expect(await complete(fence)).toMatchObject({ waitSeconds: 3 });
    const attachedTo = { instance: 'i-00000001', device: '/dev/xvdf' };
    volumes.change('vol-2', { state: 'in-use', attachedTo: { ...attachedTo, attached: false } });
    expect(await complete(fence)).toMatchObject({ waitSeconds: 3 });
    volumes.change('vol-2', { attachedTo: { ...attachedTo, attached: true } });
    const done = await complete(fence);
    expect(done).toMatchObject({
      waitSeconds: 0,
      restored: { volume: { attachment: { ...attach, attached: true, problem: null } } },
    });
    expect(done.restored.steps[0]).toMatch(/^Mount it/);
    expect(await complete(fence)).toEqual(done);
    expect(volumes.attached).toEqual(['vol-2 i-00000001 /dev/sdf']);
  });

  test('stays complete when it can’t be attached: that is said, with the step that remains', async () => {
    const fence = await begin({ attach });
    volumes.change('vol-2', { state: 'available' });
    volumes.attach = () =>
      Promise.reject(new HoldfastError('TargetNotSuitable', 'EC2 did not attach vol-2: device in use'));
    const { waitSeconds, restored } = await complete(fence);
    expect(waitSeconds).toBe(0);
    expect(restored.warnings).toEqual(['EC2 did not attach vol-2: device in use']);
    expect(restored.volume?.attachment).toMatchObject({
      attached: false,
      problem: 'EC2 did not attach vol-2: device in use',
    });
    expect(restored.steps[0]).toContain(
      'aws ec2 attach-volume --volume-id vol-2 --instance-id i-00000001 --device /dev/sdf',
    );
  });

  test('waits half an hour for a volume to become free, and no longer', async () => {
    const fence = await begin({ attach });
    await complete(fence);
    await world.clock.advance(31 * 60_000);
    const { waitSeconds, restored } = await complete(fence);
    expect(waitSeconds).toBe(0);
    expect(restored.warnings).toEqual(['The volume vol-2 is in-use, half an hour after it was ready.']);
  });

  test('says so when EBS made its volume without fast snapshot restore', async () => {
    const fence = await begin({ snapshot: 'snap-1', initialization: 'fast' });
    const { restored } = await complete(fence);
    expect(restored.warnings).toEqual([expect.stringContaining('without fast snapshot restore')]);
    expect(restored.steps[1]).toContain('mount -t xfs -o nouuid ');
  });
});

describe('a restore to a volume that failed', () => {
  test('leaves none; what its task still holds goes with the next sweep', async () => {
    await begin();
    await fail();
    expect(left()).toEqual(['vol-2', 'vol-9']);
    expect(await sweepRuns(deps())).toMatchObject({ settledVolumes: [] });
    world.running.clear();
    volumes.change('vol-2', { state: 'available' });
    expect(await sweepRuns(deps())).toMatchObject({ settledVolumes: ['vol-2'], problems: [unknownRun] });
    expect(left()).toEqual(['vol-9']);
    expect(volumes.released).toEqual([]);
  });

  test('leaves none when nobody was there to end it', async () => {
    await begin();
    world.running.clear();
    volumes.change('vol-2', { state: 'available' });
    expect(await sweepRuns(deps())).toMatchObject({ settledRuns: ['run-1'] });
    expect(left()).toEqual(['vol-9']);
  });

  test('says so where the run is complete and nothing says which volume is its own, and deletes none', async () => {
    const fence = await begin();
    await complete(fence);
    world.running.clear();
    volumes.made = [madeVolume('vol-2', { attempt: 2 })];
    await world.state.delete([stateKeys.restoreResult('run-1', 'rs0')]);
    const { settledVolumes, problems } = await sweepRuns(deps());
    expect(settledVolumes).toEqual([]);
    expect(problems).toEqual([expect.stringMatching(/^volume vol-2: .*nothing says whether vol-2 is its volume/)]);
    expect(left()).toEqual(['vol-2']);
  });

  test('is not said to have left what could not be deleted, and the next sweep tries again', async () => {
    await begin();
    volumes.made = [madeVolume('vol-1')];
    const deleteVolume = volumes.delete.bind(volumes);
    volumes.delete = () => Promise.resolve(false);
    await fail();
    world.running.clear();
    expect(await sweepRuns(deps())).toMatchObject({ settledVolumes: [], problems: [] });
    volumes.delete = deleteVolume;
    expect(await sweepRuns(deps())).toMatchObject({ settledVolumes: ['vol-1'], problems: [] });
  });

  test('leaves alone what was let go, what others have, and what a run still works on', async () => {
    await begin();
    volumes.made = [
      madeVolume('vol-1', { unfinished: false }),
      madeVolume('vol-2', {
        state: 'in-use',
        attachedTo: { instance: 'i-00000001', device: '/dev/sdf', attached: true },
      }),
      madeVolume('vol-8', { runId: 'run-8' }),
    ];
    world.running.add('run-8');
    await fail();
    world.running.delete('run-1');
    await sweepRuns(deps());
    expect(volumes.deleted).toEqual([]);
  });
});

describe('a volume that a worker read', () => {
  const temporary = (id: string, runId: string, state = 'available') => ({ id, runId, state });

  test('goes with the sweep when its task is gone, however the run ended; of a run that nobody knows it stays', async () => {
    const fence = await begin();
    volumes.temporary = [
      temporary('vol-20', 'run-1'),
      temporary('vol-21', 'run-1', 'in-use'),
      temporary('vol-22', 'run-9'),
      temporary('vol-23', 'run-1', 'error'),
    ];
    const remaining = () => volumes.temporary.map(({ id }) => id);
    expect(await sweepRuns(deps())).toMatchObject({ settledVolumes: [] });
    await complete(fence);
    world.running.clear();
    const { settledVolumes, problems } = await sweepRuns(deps());
    expect(settledVolumes).toEqual(['vol-20', 'vol-23']);
    expect(remaining()).toEqual(['vol-21', 'vol-22']);
    expect(problems).toEqual([unknownRun, 'volume vol-22: the state has no run "run-9": it stays.']);
  });
});
