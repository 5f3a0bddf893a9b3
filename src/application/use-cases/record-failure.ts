import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { failureRecord, type FailureRecord, nameFailure } from '../../domain/failure.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import type { Outcome } from '../../domain/run.ts';
import { stepSchema } from '../bind.ts';
import { decideEnd } from '../decide-end.ts';
import type { WorkerLauncher } from '../ports/worker-launcher.ts';
import { isCancelRequested } from '../run-folder.ts';
import { type SettleDeps, settleRun } from '../settle-run.ts';

export const recordFailureInput = stepSchema.extend({
  failure: z.looseObject({ Error: z.string(), Cause: z.string().optional() }),
});

export interface RecordFailureDeps extends SettleDeps {
  readonly launcher: WorkerLauncher;
}

export interface RecordFailureOutput {
  readonly outcome: Outcome['status'];
  /** The error to raise again: its name, and code, message and next step as JSON. */
  readonly error: string;
  readonly cause: string;
}

/** The clean-up of a run that failed or was cancelled: decides the outcome first, and deletes only when it won. */
export async function recordFailure(
  input: z.output<typeof recordFailureInput>,
  deps: RecordFailureDeps,
): Promise<RecordFailureOutput> {
  const { runId } = input;
  const failure = nameFailure(input.failure);
  const cancelled = failure.name === 'Cancelled' || (await isCancelRequested(deps.state, runId));
  const proposed = makeOutcome(
    'failure',
    cancelled ? 'cancelled' : 'failed',
    deps.clock.now(),
    cancelled ? cancelRecord(failure) : failure,
  );
  const outcome = await decideEnd(runId, proposed, deps);
  // Nothing may still write when its objects are deleted, or when the lease goes to the next run.
  await deps.launcher.stopAll(runId);
  await settleRun(runId, outcome, deps);
  const raised = outcome.error ?? failure;
  return { outcome: outcome.status, error: raised.name, cause: causeOf(raised) };
}

/** Whatever broke after somebody asked the run to stop is a consequence of stopping. */
function cancelRecord(failure: FailureRecord): FailureRecord {
  if (failure.name === 'Cancelled') return failure;
  return failureRecord(new HoldfastError('Cancelled', 'the run was asked to stop'));
}

function causeOf({ code, message, next }: FailureRecord): string {
  return JSON.stringify({ code, message, next });
}
