import { acquireLease } from '../../src/application/use-cases/acquire-lease.ts';
import { captureOplog } from '../../src/application/use-cases/capture-oplog.ts';
import { completeBackup } from '../../src/application/use-cases/complete-backup.ts';
import { inspectDeployment } from '../../src/application/use-cases/inspect-deployment.ts';
import { planBackup } from '../../src/application/use-cases/plan-backup.ts';
import { recordFailure } from '../../src/application/use-cases/record-failure.ts';
import { readBackupPlan } from '../../src/application/run-folder.ts';
import type { BackupPlan, BackupRequest } from '../../src/domain/run.ts';
import { type BackupWorld, step, writePart } from './backup-world.ts';

const startedAt = '2026-11-22T10:00:00.000Z';

export function inspect(world: BackupWorld, runId: string, request: BackupRequest = {}) {
  return inspectDeployment({ ...step(runId, 'Inspect Deployment'), startedAt, request }, world.deps);
}

export function plan(world: BackupWorld, runId: string) {
  return planBackup({ ...step(runId, 'Plan Backup'), startedAt }, world.deps);
}

export function acquire(world: BackupWorld, runId: string) {
  return acquireLease(step(runId, 'Acquire Lease'), world.deps);
}

export function complete(world: BackupWorld, runId: string, fence = 1, signal?: AbortSignal) {
  return completeBackup({ ...step(runId, 'Complete Backup'), fence }, world.deps, signal);
}

export function fail(world: BackupWorld, runId: string, error = 'WorkerLost') {
  return recordFailure({ ...step(runId, 'Record Failure'), failure: { Error: error, Cause: 'because' } }, world.deps);
}

/** A run up to its lease. */
export async function begin(
  world: BackupWorld,
  runId: string,
  request: BackupRequest = {},
): Promise<{ plan: BackupPlan; fence: number }> {
  world.running.add(runId);
  await inspect(world, runId, request);
  await plan(world, runId);
  const { fence } = await acquire(world, runId);
  return { plan: await readBackupPlan(world.state, runId), fence };
}

/** A run that has everything but its outcome. */
export async function reachCompletion(
  world: BackupWorld,
  runId: string,
  request: BackupRequest = {},
): Promise<{ plan: BackupPlan; fence: number }> {
  const begun = await begin(world, runId, request);
  await writePart(begun.plan, world);
  await captureOplog(step(runId, 'Capture Oplog'), world.deps);
  return begun;
}
