import type { z } from 'zod';
import { nextCaptureWait } from '../../domain/capture-wait.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { baseSchema } from '../../domain/base.ts';
import { type BackupPlan, restoreTimeSchema } from '../../domain/run.ts';
import { memberSnapshotSchema } from '../../domain/run-documents.ts';
import { chooseRestoreTime } from '../../domain/restore-time.ts';
import { formatTimestamp, type OpTime, opTimeSchema, type Timestamp } from '../../domain/timestamp.ts';
import { topologySchema } from '../../domain/topology.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createOrReadDocument, findDocument, readDocument } from '../documents.ts';
import { requireHeldLease } from '../leases.ts';
import { readBackupPlan, refuseWhenCancelled } from '../run-folder.ts';

export const captureOplogInput = stepSchema;

export interface CaptureOplogOutput {
  /** Whether every part's oplog is captured to the restore time. */
  readonly done: boolean;
  readonly waitSeconds: number;
}

export interface PartCapture {
  readonly plan: BackupPlan;
  readonly part: string;
  readonly restoreTime: Timestamp;
  readonly signal: AbortSignal | undefined;
}

export interface CaptureOplogDeps extends StepDeps {
  /** Captures one part's oplog on the member of its base; bounded. @returns whether the restore time is reached */
  capturePart(capture: PartCapture): Promise<boolean>;
}

/** How long the majority may take to pass the restore time, in milliseconds; the same limit as of consistency rule 7. */
const reachLimit = 600_000;

/**
 * One turn of the capture loop. A worker captures its own part while it dumps; once every base is complete the restore
 * time is fixed, the latest of their points (consistency rule 3), and every part is captured to it.
 * @throws RestoreTimeNotReached when a part stays behind it for 10 minutes: a set without a majority would be waited for
 * without end
 */
export async function captureOplog(
  input: z.output<typeof captureOplogInput>,
  deps: CaptureOplogDeps,
  signal?: AbortSignal,
): Promise<CaptureOplogOutput> {
  const { runId } = input;
  await refuseWhenCancelled(deps.state, runId);
  const plan = await readBackupPlan(deps.state, runId);
  await requireHeldLease(deps.state, plan);
  const { kind } = await readDocument(deps.state, stateKeys.topology(runId), topologySchema);
  // A standalone has no oplog.
  if (kind === 'standalone') return { done: true, waitSeconds: plan.captureWait.least };
  const points = await completePoints(plan, deps);
  if (points === undefined) return { done: false, waitSeconds: nextWait(plan, deps.clock.now()) };
  const { restoreTime, fixedAt } = await fixRestoreTime(points, plan, deps);
  const reached = await Promise.all(
    plan.parts.map(({ name: part }) => deps.capturePart({ plan, part, restoreTime, signal })),
  );
  const behind = plan.parts.filter((_, index) => reached[index] !== true).map(({ name }) => name);
  if (behind.length > 0 && fixedAt !== undefined && deps.clock.now().getTime() - Date.parse(fixedAt) > reachLimit) {
    throw new HoldfastError(
      'RestoreTimeNotReached',
      `${behind.join(', ')}: the majority did not pass the restore time ${formatTimestamp(restoreTime)} within 10 minutes`,
    );
  }
  return { done: behind.length === 0, waitSeconds: plan.captureWait.least };
}

/** A point counts when its base is complete, or its snapshot taken: an attempt that ends early leaves one that the next replaces. */
async function completePoints(plan: BackupPlan, deps: CaptureOplogDeps): Promise<readonly OpTime[] | undefined> {
  const points: OpTime[] = [];
  for (const { name, method } of plan.parts) {
    // The point of a snapshot is final with its call, long before its files are copied.
    const final =
      method === 'logical'
        ? await findDocument(deps.state, stateKeys.base(plan.runId, name), baseSchema)
        : await findDocument(deps.state, stateKeys.snapshot(plan.runId, name), memberSnapshotSchema);
    if (final === undefined) return undefined;
    const point = await findDocument(deps.state, stateKeys.point(plan.runId, name), opTimeSchema);
    if (point === undefined) return undefined;
    points.push(point);
  }
  return points;
}

/** Fixed once: a state that runs again, or a later turn, keeps what the first chose. */
async function fixRestoreTime(
  points: readonly OpTime[],
  plan: BackupPlan,
  deps: CaptureOplogDeps,
): Promise<z.output<typeof restoreTimeSchema>> {
  return createOrReadDocument(deps.state, stateKeys.restoreTime(plan.runId), restoreTimeSchema, {
    schemaVersion: 1,
    restoreTime: chooseRestoreTime(points),
    fixedAt: deps.clock.now().toISOString(),
  });
}

function nextWait({ captureWait, createdAt }: BackupPlan, now: Date): number {
  const elapsed = (now.getTime() - Date.parse(createdAt)) / 1000;
  return nextCaptureWait(captureWait, elapsed);
}
