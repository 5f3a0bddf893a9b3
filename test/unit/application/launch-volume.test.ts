import { beforeEach, describe, expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import type { WorkerLaunch } from '../../../src/application/ports/worker-launcher.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { acquireLease } from '../../../src/application/use-cases/acquire-lease.ts';
import { launchWorker } from '../../../src/application/use-cases/launch-worker.ts';
import type { SnapshotFacts } from '../../../src/domain/base.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { type MemberSnapshot, restorePlanSchema } from '../../../src/domain/run-documents.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { stoppedWorkerError } from '../../../src/domain/stopped-worker.ts';
import { begin } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld, step, worldSettings } from '../../support/backup-world.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});

const at = '2026-11-22T10:00:00.000Z';

/** What the worker that copies the files of a snapshot is launched with. */
async function launchFor(type: SnapshotFacts['type']): Promise<WorkerLaunch | undefined> {
  const [orders] = Object.values(worldSettings.deployments);
  const settings = settingsSchema.parse({
    ...worldSettings,
    deployments: { orders: { ...orders, mongodbVersion: '6.0.5' } },
  });
  await begin({ ...world, deps: { ...world.deps, settings } }, 'run-1');
  const snapshots = [{ id: 'snap-1', volume: 'vol-1', bytes: null }];
  const known: MemberSnapshot = {
    ...{ schemaVersion: 1, member: 'h:1', consistency: 'crash', lockSeconds: null },
    start: { schemaVersion: 1, identity: null, process: 'p', captureFrom: null, applyFrom: null, at },
    taken: { type, snapshots, filesystem: type === 'ebs' ? 'ext4' : null, dataPath: '', takenAt: at },
    completed: { at, layout: null, snapshots },
  };
  await writeDocument(world.state, stateKeys.snapshot('run-1', 'rs0'), known);
  const launched: WorkerLaunch[] = [];
  const launcher = {
    ...world.deps.launcher,
    launch: (task: WorkerLaunch) => Promise.resolve(void launched.push(task)),
  };
  const input = { ...step('run-1', 'Copy Files'), command: 'copy-files', part: 'rs0', taskToken: 'token' } as const;
  await launchWorker(input, { ...world.deps, launcher, volumeTags: { 'holdfast:stage': 'prod' } });
  return launched[0];
}

describe('the worker that copies the files of a snapshot', () => {
  test('gets a volume made from an EBS snapshot, which goes with it', async () => {
    expect((await launchFor('ebs'))?.volume).toEqual({
      ...{ mongodbVersion: '6.0.5', snapshotId: 'snap-1', sizeGiB: null, filesystem: 'ext4', keep: false },
      tags: {
        ...{ 'holdfast:stage': 'prod', 'holdfast:deployment': 'orders', 'holdfast:run': 'run-1' },
        ...{ 'holdfast:part': 'rs0', 'holdfast:purpose': 'temporary' },
      },
    });
  });

  test('gets none where it sees the copy itself', async () => {
    expect((await launchFor('directory'))?.volume).toBeUndefined();
  });
});

describe('the worker that loads files into a running server', () => {
  test('gets a volume to work on, which goes with it and is nobody’s in the end', async () => {
    const scratch = {
      ...{ type: 'gp3', sizeGiB: 246, iops: 3_000, throughput: 125, filesystem: 'xfs', kmsKey: null, snapshot: null },
      ...{ initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.16' },
    };
    const plan = restorePlanSchema.parse({
      ...{ schemaVersion: 1, kind: 'restore', runId: 'run-2', backupId: 'b', deployment: 'orders', storage: 'local' },
      ...{ createdAt: at, target: 'a'.repeat(64), targetDescription: 'target', requestedBy: 'me', scratch },
      ...{ request: { backup: 'b', to: 'mongodb://t:1/' }, parts: [{ name: 'rs0' }] },
    });
    await adoptConfig(world.state, 'run-2', worldSettings);
    await writeDocument(world.state, stateKeys.plan('run-2'), plan);
    await acquireLease(step('run-2'), world.deps);
    const launched: WorkerLaunch[] = [];
    const launcher = {
      ...world.deps.launcher,
      launch: (task: WorkerLaunch) => Promise.resolve(void launched.push(task)),
    };
    const input = { ...step('run-2', 'Restore Part'), command: 'restore', part: 'rs0', taskToken: 'token' } as const;
    await launchWorker(input, { ...world.deps, launcher, volumeTags: { 'holdfast:stage': 'prod' } });
    expect(launched[0]?.volume).toEqual({
      ...{ mongodbVersion: '6.0.16', snapshotId: null, sizeGiB: 246, filesystem: 'xfs', kmsKey: null, keep: false },
      performance: { type: 'gp3', iops: 3_000, throughput: 125 },
      tags: {
        ...{ 'holdfast:stage': 'prod', 'holdfast:deployment': 'orders', 'holdfast:run': 'run-2' },
        ...{ 'holdfast:part': 'rs0', 'holdfast:purpose': 'temporary' },
      },
    });
  });
});

describe('a worker that stopped without an answer', () => {
  test.each([
    ['ECS timed out while configuring the EBS volume attachment to your Task.', 'VolumeLayoutUnsupported', false],
    ['Failed to create volume: KMS key is disabled', 'VolumeKeyUnavailable', false],
    ['VolumeLimitExceeded: You have exceeded your maximum gp3 storage limit of 50 TiB', 'QuotaReached', false],
    ['RequestLimitExceeded: Request limit exceeded.', 'WorkerLost', true],
    ['You have reached the maximum IOPS limit of this Region', 'QuotaReached', false],
    ['(IdempotentParameterMismatch) The volume vol-1 is already deleted', 'VolumeKeyUnavailable', false],
    ['OutOfMemoryError: Container killed due to memory usage', 'WorkerLost', true],
  ])('%s: %s', (reason, name, retryable) => {
    expect(stoppedWorkerError(reason)).toMatchObject({ name, retryable });
  });
});
