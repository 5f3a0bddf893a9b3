import { isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import { mayDelete } from '../domain/outcome.ts';
import { type RestoreResult, restoreResultSchema } from '../domain/restore-result.ts';
import type { Outcome } from '../domain/run.ts';
import type { StepDeps } from './bind.ts';
import { findDocument } from './documents.ts';
import type { MadeVolume, RestoreVolumes } from './ports/restore-volumes.ts';
import { readOutcome } from './run-folder.ts';

export interface SettleVolumesDeps extends StepDeps {
  /** Left out where restores make no volumes. */
  readonly restoreVolumes?: Pick<RestoreVolumes, 'list' | 'release' | 'delete'> | undefined;
}

/** What nobody has attached: others are their task's, or somebody's. */
const deletable: readonly string[] = ['available', 'error'];

/**
 * What an outcome demands of the volumes that a restore made: the one that a completed run recorded is let go and can't be
 * deleted any more; every other one is deleted. What its task still holds is left to the sweep.
 */
export async function settleVolumes(runId: string, outcome: Outcome, deps: SettleVolumesDeps): Promise<void> {
  const { restoreVolumes } = deps;
  if (restoreVolumes === undefined) return;
  for (const volume of await restoreVolumes.list(runId)) await settleVolume(volume, outcome, restoreVolumes, deps);
}

/** @returns whether there was something to do, and it is done */
async function settleVolume(
  volume: MadeVolume,
  outcome: Outcome,
  volumes: NonNullable<SettleVolumesDeps['restoreVolumes']>,
  deps: SettleVolumesDeps,
): Promise<boolean> {
  // Let go: whoever has it now decides what becomes of it.
  if (!volume.unfinished) return false;
  if (!mayDelete(outcome) && (await resultOf(volume, deps))?.volume?.id === volume.id) {
    await volumes.release(volume.id);
    return true;
  }
  if (!deletable.includes(volume.state)) return false;
  await volumes.delete(volume.id);
  deps.logger.info('deleted a volume that its restore left', { runId: volume.runId, volume: volume.id });
  return true;
}

function resultOf({ runId, part }: MadeVolume, { state }: StepDeps): Promise<RestoreResult | undefined> {
  return findDocument(state, stateKeys.restoreResult(runId, part), restoreResultSchema);
}

export interface SweptVolumes {
  readonly settledVolumes: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Volumes of restores that are over and that were not settled then: their task still held them, or they came up late. One
 * whose run has no outcome is left alone: the sweep of runs gives it one.
 */
export async function sweepVolumes(
  deps: SettleVolumesDeps & { readonly isRunning: (runId: string) => Promise<boolean> },
): Promise<SweptVolumes> {
  const { restoreVolumes, state, isRunning } = deps;
  const settledVolumes: string[] = [];
  const problems: string[] = [];
  if (restoreVolumes === undefined) return { settledVolumes, problems };
  for (const volume of await restoreVolumes.list()) {
    try {
      if (await isRunning(volume.runId)) continue;
      const outcome = await readOutcome(state, volume.runId);
      if (outcome && (await settleVolume(volume, outcome, restoreVolumes, deps))) settledVolumes.push(volume.id);
    } catch (error) {
      problems.push(`volume ${volume.id}: ${isHoldfastError(error) ? error.message : String(error)}`);
    }
  }
  return { settledVolumes, problems };
}
