import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import { type RestoreResult, restoreResultSchema } from '../../domain/restore-result.ts';
import { type RestorePlan, restorePlanSchema } from '../../domain/run-documents.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import { stepSchema } from '../bind.ts';
import { readDocument } from '../documents.ts';
import { requireHeldLease } from '../leases.ts';
import { decideOutcome, readOutcome, refuseWhenCancelled } from '../run-folder.ts';
import { type SettleDeps, settleRun } from '../settle-run.ts';

export const completeRestoreInput = stepSchema.extend({ fence: z.int().min(1) });

/** What a state hands on is small; all of them are in the result that the worker wrote. */
const maxWarnings = 20;

export interface CompleteRestoreOutput {
  readonly backupId: string;
  readonly restoreTime: Timestamp | null;
  readonly documents: number;
  /** What differs from the source, for people: the first of them. */
  readonly warnings: readonly string[];
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
  const results = await readResults(plan, deps);
  const outcome = await decideOutcome(deps.state, runId, makeOutcome('complete', 'completed', deps.clock.now()));
  if (outcome.status !== 'completed') {
    throw new HoldfastError('Cancelled', `the run is over: its outcome is ${outcome.status}`);
  }
  await settleRun(runId, outcome, deps);
  const documents = results.reduce((total, result) => total + result.documents, 0);
  const warnings = results.flatMap((result) => result.warnings).slice(0, maxWarnings);
  return { backupId: plan.backupId, restoreTime: results[0]?.restoreTime ?? null, documents, warnings };
}

/** A worker writes a part's result once it has verified the target. @throws ObjectNotFound */
function readResults(plan: RestorePlan, deps: SettleDeps): Promise<RestoreResult[]> {
  return Promise.all(
    plan.parts.map(({ name }) =>
      readDocument(deps.state, stateKeys.restoreResult(plan.runId, name), restoreResultSchema),
    ),
  );
}
