import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import { type RestoreResult, restoreResultSchema } from '../../domain/restore-result.ts';
import { type RestorePlan, restorePlanSchema } from '../../domain/run-documents.ts';
import type { Outcome } from '../../domain/run.ts';
import { type Timestamp, timestampToDate } from '../../domain/timestamp.ts';
import { stepSchema } from '../bind.ts';
import { describeVolumeSteps } from '../../engine/recover/volume-steps.ts';
import { readDocument } from '../documents.ts';
import { requireHeldLease } from '../leases.ts';
import { decideOutcome, readOutcome, refuseWhenCancelled } from '../run-folder.ts';
import { type Attachment, handOverVolume, recordVolume } from '../hand-over-volume.ts';
import { manifestUri, shownWarnings } from '../run-summary.ts';
import { type SettleDeps, settleRun } from '../settle-run.ts';

export const completeRestoreInput = stepSchema.extend({ fence: z.int().min(1) });

export interface CompleteRestoreOutput {
  /** Seconds until the next look at a volume that is to be attached and that its task still holds; 0 when all is done. */
  readonly waitSeconds: number;
  readonly restored: CompletedRestore;
}

/** What the execution ends with. */
interface CompletedRestore {
  readonly status: 'completed';
  /** Whose backup it is. */
  readonly deployment: string;
  readonly backupId: string;
  /** What was restored to: the name of the replica set, or host:port. */
  readonly target: string;
  readonly restoreTime: Timestamp | null;
  /** The same as an ISO 8601 time. */
  readonly restoreTimeWall: string | null;
  readonly documents: number;
  readonly rawBytes: number;
  /** From the plan, which the checks of target and backup come before, to the outcome. */
  readonly durationSeconds: number;
  /** URI of the backup's manifest: `s3://bucket/key`. */
  readonly manifest: string;
  /** What differs from the source, or was not done as asked, for people: the first of them. */
  readonly warnings: readonly string[];
  /** The volume that was made; null where the target is none. */
  readonly volume: RestoredVolume | null;
  /** What remains for whoever takes the target over; nothing of a running server. */
  readonly steps: readonly string[];
}

interface RestoredVolume {
  readonly id: string;
  readonly zone: string;
  /** Null where nobody asked to attach it. */
  readonly attachment: Attachment | null;
}

/**
 * Makes sure that every part was restored and verified by its worker, wins the outcome `completed` and takes the mark off
 * the target: in this order, so that a run that ends otherwise leaves the mark, and one that dies here is finished by the
 * sweep.
 */
export async function completeRestore(
  input: z.output<typeof completeRestoreInput>,
  deps: SettleDeps,
): Promise<CompleteRestoreOutput> {
  const { runId, fence } = input;
  const plan = await readDocument(deps.state, stateKeys.plan(runId), restorePlanSchema);
  if ((await readOutcome(deps.state, runId))?.status !== 'completed') {
    await refuseWhenCancelled(deps.state, runId);
    await requireHeldLease(deps.state, plan, fence);
  }
  const results: RestoreResult[] = [];
  for (const result of await readResults(plan, deps)) results.push(await recordVolume(plan, result, deps));
  const outcome = await decideOutcome(deps.state, runId, makeOutcome('complete', 'completed', deps.clock.now()));
  if (outcome.status !== 'completed') {
    throw new HoldfastError('Cancelled', `the run is over: its outcome is ${outcome.status}`);
  }
  const left = await settleRun(runId, outcome, deps);
  const { waitSeconds, attachment } = await handOverVolume(plan, results[0], outcome, deps);
  const manifest = await manifestUri(runId, plan, deps);
  const restored = summarise(plan, { results, outcome, attachment, manifest, left });
  return { waitSeconds, restored };
}

interface Ended {
  readonly results: readonly RestoreResult[];
  readonly outcome: Outcome;
  readonly attachment: Attachment | null;
  readonly manifest: string;
  readonly left: string | undefined;
}

function summarise(plan: RestorePlan, { results, outcome, attachment, manifest, left }: Ended): CompletedRestore {
  const restoreTime = results[0]?.restoreTime ?? null;
  const made = results[0]?.volume;
  const problems = [left, attachment?.problem].filter((problem) => typeof problem === 'string');
  const sum = (field: 'documents' | 'rawBytes'): number => results.reduce((total, result) => total + result[field], 0);
  return {
    status: 'completed',
    deployment: plan.deployment,
    backupId: plan.backupId,
    target: made?.id ?? plan.targetDescription,
    restoreTime,
    restoreTimeWall: restoreTime === null ? null : timestampToDate(restoreTime).toISOString(),
    documents: sum('documents'),
    rawBytes: sum('rawBytes'),
    durationSeconds: Math.max(0, (Date.parse(outcome.at) - Date.parse(plan.createdAt)) / 1000),
    manifest,
    warnings: shownWarnings([...problems, ...results.flatMap((result) => result.warnings)]),
    volume: made ? { ...made, attachment } : null,
    steps: results.flatMap((result) => stepsOf(plan, result, attachment)),
  };
}

function stepsOf(
  { volume: planned }: RestorePlan,
  result: RestoreResult,
  attachment: Attachment | null,
): readonly string[] {
  const { volume, steps = [], files } = result;
  if (planned === undefined || volume === undefined || files === undefined) return steps;
  return describeVolumeSteps({ planned, id: volume.id, attached: attachment?.attached === true, files });
}

/** A worker writes a part's result once it has verified the target. @throws ObjectNotFound */
function readResults(plan: RestorePlan, deps: SettleDeps): Promise<RestoreResult[]> {
  return Promise.all(
    plan.parts.map(({ name }) =>
      readDocument(deps.state, stateKeys.restoreResult(plan.runId, name), restoreResultSchema),
    ),
  );
}
