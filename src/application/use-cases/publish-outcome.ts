import type { z } from 'zod';
import { stateKeys } from '../../domain/names.ts';
import { planSchema, runRequestSchema } from '../../domain/run-documents.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { findDocument } from '../documents.ts';
import type { EventPublisher } from '../ports/event-publisher.ts';
import { readOutcome } from '../run-folder.ts';

export const publishOutcomeInput = stepSchema;

export interface PublishOutcomeDeps extends StepDeps {
  readonly events: EventPublisher;
}

/** Tells the outside how the run ended. @returns the event's type, for the history. */
export async function publishOutcome(
  input: z.output<typeof publishOutcomeInput>,
  deps: PublishOutcomeDeps,
): Promise<{ readonly detailType: string }> {
  const { runId } = input;
  const request = await findDocument(deps.state, stateKeys.runRequest(runId), runRequestSchema);
  const plan = await findDocument(deps.state, stateKeys.plan(runId), planSchema);
  const outcome = await readOutcome(deps.state, runId);
  const subject = request?.workflow === 'restore' ? 'Restore' : 'Backup';
  // Decided as completed, but without its manifest: no backup that anybody may count on yet.
  const unfinished = (await deps.state.head(stateKeys.settled(runId))) === undefined;
  const status = outcome === undefined || (outcome.status === 'completed' && unfinished) ? 'failed' : outcome.status;
  const detailType = `${subject} ${status}`;
  const detail = {
    runId,
    deployment: plan?.deployment ?? null,
    backupId: plan?.backupId ?? null,
    error: outcome?.error ?? null,
  };
  await deps.events.publish({ detailType, detail });
  return { detailType };
}
