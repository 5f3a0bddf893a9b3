import { isHoldfastError } from '../domain/errors.ts';
import { mayDelete } from '../domain/outcome.ts';
import type { StepDeps } from './bind.ts';
import type { OwnedSnapshots, VolumeSnapshots } from './ports/volume-snapshots.ts';
import { readOutcome } from './run-folder.ts';

export interface SweepSnapshotsDeps extends StepDeps {
  readonly volumes: Pick<VolumeSnapshots, 'delete' | 'list'>;
  readonly isRunning: (runId: string) => Promise<boolean>;
}

export interface SweptSnapshots {
  /** `run part`. */
  readonly deletedSnapshots: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Snapshots of runs that are over: one that was made when its run had ended, or that its tags did not yet show then. One
 * that is a backup, or may be, stays: only a run that is known to have failed or to have been cancelled gives its own up.
 */
export async function sweepSnapshots(deps: SweepSnapshotsDeps): Promise<SweptSnapshots> {
  const deletedSnapshots: string[] = [];
  const problems: string[] = [];
  for (const owned of (await deps.volumes.list?.()) ?? []) {
    try {
      if (!(await mayGo(owned, deps))) continue;
      await deps.volumes.delete(owned);
      deletedSnapshots.push(`${owned.runId} ${owned.part}`);
    } catch (error) {
      problems.push(`snapshots of ${owned.runId}: ${isHoldfastError(error) ? error.message : String(error)}`);
    }
  }
  return { deletedSnapshots, problems };
}

async function mayGo({ runId, kept }: OwnedSnapshots, { isRunning, state }: SweepSnapshotsDeps): Promise<boolean> {
  if (await isRunning(runId)) return false;
  const outcome = await readOutcome(state, runId);
  return outcome !== undefined && (!kept || mayDelete(outcome));
}
