import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import { mayDelete } from '../domain/outcome.ts';
import { restoreResultSchema } from '../domain/restore-result.ts';
import type { Outcome } from '../domain/run.ts';
import type { StepDeps } from './bind.ts';
import { findDocument } from './documents.ts';
import { type LeftoverDeps, outcomeOfEnded } from './leftovers.ts';
import type { MadeVolume, RestoreVolumes, TemporaryVolume } from './ports/restore-volumes.ts';

type Volumes = Pick<RestoreVolumes, 'list' | 'listTemporary' | 'release' | 'delete'>;

export interface SettleVolumesDeps extends StepDeps {
  /** Left out where workers have no volumes. */
  readonly restoreVolumes?: Volumes | undefined;
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
  volumes: Volumes,
  deps: SettleVolumesDeps,
): Promise<boolean> {
  // Let go: whoever has it now decides what becomes of it.
  if (!volume.unfinished) return false;
  if (!mayDelete(outcome) && (await handedOver(volume, deps)) === volume.id) {
    await volumes.release(volume.id);
    return true;
  }
  return deleteLeft(volume, volumes, deps);
}

/** The volume that a completed run was about. @throws Internal when nobody can tell: then none of its volumes is deleted */
async function handedOver({ id, runId, part }: MadeVolume, { state }: StepDeps): Promise<string> {
  const result = await findDocument(state, stateKeys.restoreResult(runId, part), restoreResultSchema);
  if (result?.volume !== undefined) return result.volume.id;
  throw new HoldfastError('Internal', `the run ${runId} is complete, and nothing says whether ${id} is its volume`);
}

async function deleteLeft(
  { id, runId, state }: TemporaryVolume,
  volumes: Volumes,
  { logger }: StepDeps,
): Promise<boolean> {
  if (!deletable.includes(state) || !(await volumes.delete(id))) return false;
  logger.info('deleted a volume that its run left', { runId, volume: id });
  return true;
}

export interface SweptVolumes {
  readonly settledVolumes: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Volumes of runs that are over: those of restores that were not settled then, because their task still held them or they
 * came up late, and those that workers read or worked on, which should have gone with their tasks. One whose run has no outcome yet is
 * left alone: the sweep of runs gives it one.
 */
export async function sweepVolumes(deps: SettleVolumesDeps & LeftoverDeps): Promise<SweptVolumes> {
  const { restoreVolumes } = deps;
  const settledVolumes: string[] = [];
  const problems: string[] = [];
  if (restoreVolumes === undefined) return { settledVolumes, problems };
  const sweep = async (
    { id, runId }: TemporaryVolume,
    settle: (outcome: Outcome) => Promise<boolean>,
  ): Promise<void> => {
    try {
      const outcome = await outcomeOfEnded(runId, deps);
      if (outcome && (await settle(outcome))) settledVolumes.push(id);
    } catch (error) {
      problems.push(`volume ${id}: ${isHoldfastError(error) ? error.message : String(error)}`);
    }
  };
  for (const volume of await restoreVolumes.list())
    await sweep(volume, (outcome) => settleVolume(volume, outcome, restoreVolumes, deps));
  for (const volume of await restoreVolumes.listTemporary())
    await sweep(volume, () => deleteLeft(volume, restoreVolumes, deps));
  return { settledVolumes, problems };
}
