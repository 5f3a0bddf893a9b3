import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import type { Outcome } from '../domain/run.ts';
import { planSchema } from '../domain/run-documents.ts';
import type { StepDeps } from './bind.ts';
import { findDocument } from './documents.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';
import type { WorkerLauncher } from './ports/worker-launcher.ts';
import { decideOutcome, readOutcome } from './run-folder.ts';

export interface DecideEndDeps extends StepDeps {
  readonly volumes: Pick<VolumeSnapshots, 'delete'>;
  readonly launcher: WorkerLauncher;
}

/**
 * Decides how a run ended whose workflow can't complete it any more. On one machine the copies that it took of its members' files lie
 * on the disk of the state, and may be what fills it: where there is no room to write down how it ended they go first. Only a
 * completed run keeps any, and of this one nobody says any more that it is.
 * @returns the outcome that stands. @throws SnapshotFailed
 */
export async function decideEnd(runId: string, proposed: Outcome, deps: DecideEndDeps): Promise<Outcome> {
  const { state, logger } = deps;
  try {
    return await decideOutcome(state, runId, proposed);
  } catch (error) {
    if (!isHoldfastError(error, 'StorageFull')) throw error;
    const decided = await readOutcome(state, runId);
    if (decided !== undefined) return decided;
    logger.warn('the state has no room to record how the run ended; its copies of files are deleted first', { runId });
    // Whoever reads a copy ends first.
    await deps.launcher.stopAll(runId);
    await deleteCopies(runId, deps);
    const outcome = await decideOutcome(state, runId, proposed);
    if (outcome.status !== 'completed') return outcome;
    // Whoever completed it was told to stop before, and the room that was made was enough for it: no backup is named.
    throw new HoldfastError('SnapshotFailed', `Run ${runId} was completed while its copies of files were deleted.`);
  }
}

async function deleteCopies(runId: string, { state, volumes }: DecideEndDeps): Promise<void> {
  const plan = await findDocument(state, stateKeys.plan(runId), planSchema);
  if (plan?.kind !== 'backup') return;
  for (const { name: part, method } of plan.parts) if (method !== 'logical') await volumes.delete({ runId, part });
}
