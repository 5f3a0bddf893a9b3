import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { manifestSchema } from '../domain/manifest.ts';
import { stateKeys } from '../domain/names.ts';
import { mayDelete } from '../domain/outcome.ts';
import type { Outcome } from '../domain/run.ts';
import { findDocument } from './documents.ts';
import { type LeftoverDeps, outcomeOfEnded } from './leftovers.ts';
import type { OwnedSnapshots, VolumeSnapshots } from './ports/volume-snapshots.ts';

export interface SweepSnapshotsDeps extends LeftoverDeps {
  readonly volumes: Pick<VolumeSnapshots, 'delete' | 'list' | 'discard'>;
}

export interface SweptSnapshots {
  /** `run part`. */
  readonly deletedSnapshots: readonly string[];
  readonly problems: readonly string[];
}

/** Milliseconds after a run was completed before a snapshot of it can be one too many: one hour. */
const graceMs = 60 * 60 * 1000;

/**
 * Snapshots of runs that are over: one that was made when its run had ended, or that its tags did not yet show then. Of a
 * completed run those stay that its manifest names; of a failed or cancelled one none. Those of a run that the state does not
 * have stay.
 */
export async function sweepSnapshots(deps: SweepSnapshotsDeps): Promise<SweptSnapshots> {
  const deletedSnapshots: string[] = [];
  const problems: string[] = [];
  const foreign: string[] = [];
  for (const owned of (await deps.volumes.list?.()) ?? []) {
    try {
      const outcome = await outcomeOfEnded(owned.runId, deps);
      if (outcome && (await sweepOwned(owned, outcome, deps))) deletedSnapshots.push(`${owned.runId} ${owned.part}`);
    } catch (error) {
      // Of a stage of this name that is gone: its backups can be used, and nothing is wrong with that.
      if (owned.kept && isHoldfastError(error, 'UnknownRun')) foreign.push(...owned.ids);
      else
        problems.push(
          `snapshots ${owned.ids.join(', ')} of ${owned.runId}: ${isHoldfastError(error) ? error.message : String(error)}`,
        );
    }
  }
  if (foreign.length > 0) deps.logger.info('kept snapshots are of runs that the state does not have', { foreign });
  return { deletedSnapshots, problems };
}

/** @returns whether something was deleted */
async function sweepOwned(owned: OwnedSnapshots, outcome: Outcome, deps: SweepSnapshotsDeps): Promise<boolean> {
  if (!owned.kept || mayDelete(outcome)) {
    await deps.volumes.delete(owned);
    return true;
  }
  if (deps.clock.now().getTime() - Date.parse(outcome.at) < graceMs) return false;
  const surplus = await surplusOf(owned, deps);
  if (surplus.length > 0) {
    await deps.volumes.discard?.(surplus);
    deps.logger.info('deleted snapshots that a backup does not need', { runId: owned.runId, snapshots: surplus });
  }
  return surplus.length > 0;
}

/**
 * What a completed run has beside its backup: CreateSnapshot has no token, and an answer that was lost may have made a second.
 * The manifest that the run prepared is, byte for byte, the backup's.
 * @throws ObjectNotFound when nothing says what the backup is, or when what it says is not there: then all of them stay
 */
async function surplusOf({ runId, part, ids }: OwnedSnapshots, { state }: SweepSnapshotsDeps): Promise<string[]> {
  const manifest = await findDocument(state, stateKeys.preparedManifest(runId), manifestSchema);
  const base = manifest?.parts.find(({ name }) => name === part)?.base;
  if (base?.method !== 'snapshot')
    throw new HoldfastError('ObjectNotFound', 'no manifest says which of them is the backup: they stay.');
  const named = base.snapshot.snapshots.map(({ id }) => id);
  const gone = named.filter((id) => !ids.includes(id));
  if (gone.length > 0)
    throw new HoldfastError('ObjectNotFound', `${gone.join(', ')}, which is the backup, is not there: they stay.`);
  return ids.filter((id) => !named.includes(id));
}
