import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { manifestSchema } from '../domain/manifest.ts';
import { stateKeys } from '../domain/names.ts';
import { mayDelete } from '../domain/outcome.ts';
import type { Outcome } from '../domain/run.ts';
import { planSchema } from '../domain/run-documents.ts';
import { findDocument } from './documents.ts';
import { type LeftoverDeps, outcomeOfEnded } from './leftovers.ts';
import type { OwnedSnapshots, VolumeSnapshots } from './ports/volume-snapshots.ts';

export interface SweepSnapshotsDeps extends LeftoverDeps {
  readonly volumes: Pick<VolumeSnapshots, 'list' | 'discard'>;
}

export interface SweptSnapshots {
  /** `run part`. */
  readonly deletedSnapshots: readonly string[];
  readonly problems: readonly string[];
}

/**
 * Milliseconds after a run was completed before a snapshot of it can be one too many, and by which one may have been begun
 * before its run was planned or after it was over (a function outlives its run by minutes; clocks differ): one hour.
 */
const graceMs = 60 * 60 * 1000;

/**
 * Snapshots of runs that are over: one that was made when its run had ended, or that its tags did not yet show then. Of a
 * completed run those stay that its manifest names; of a failed or cancelled one none. Those of a run that the state does not
 * have stay, and so does what carries a run's tags and was not made by it: tags can be copied.
 */
export async function sweepSnapshots(deps: SweepSnapshotsDeps): Promise<SweptSnapshots> {
  const deletedSnapshots: string[] = [];
  const problems: string[] = [];
  const foreign: string[] = [];
  for (const owned of (await deps.volumes.list?.()) ?? []) {
    const ids = owned.snapshots.map(({ id }) => id);
    try {
      const outcome = await outcomeOfEnded(owned.runId, deps);
      if (outcome === undefined) continue;
      const made = await madeByRun(owned, outcome, deps);
      foreign.push(...ids.filter((id) => !made.includes(id)));
      if (await sweepMade(owned, made, outcome, deps)) deletedSnapshots.push(`${owned.runId} ${owned.part}`);
    } catch (error) {
      // Of a stage of this name that is gone: its backups can be used, and nothing is wrong with that.
      if (owned.kept && isHoldfastError(error, 'UnknownRun')) foreign.push(...ids);
      else
        problems.push(
          `snapshots ${ids.join(', ')} of ${owned.runId}: ${isHoldfastError(error) ? error.message : String(error)}`,
        );
    }
  }
  if (foreign.length > 0) deps.logger.info('snapshots carry the tags of runs that did not make them here', { foreign });
  return { deletedSnapshots, problems };
}

/** Of volumes that the run, a backup, has planned to snapshot, and begun while it ran. */
async function madeByRun(
  { runId, part, snapshots }: OwnedSnapshots,
  { at }: Outcome,
  { state }: SweepSnapshotsDeps,
): Promise<string[]> {
  const plan = await findDocument(state, stateKeys.plan(runId), planSchema);
  // A restore makes none: its volume has its tags, and whoever snapshots that may copy them.
  if (plan?.kind !== 'backup') return [];
  const { volumes = [] } = plan.parts.find(({ name }) => name === part)?.volume ?? {};
  const [earliest, latest] = [Date.parse(plan.createdAt) - graceMs, Date.parse(at) + graceMs];
  const made = snapshots.filter(({ volume, startedAt }) => {
    const begun = startedAt?.getTime() ?? Number.NaN;
    return volumes.includes(volume) && begun >= earliest && begun <= latest;
  });
  return made.map(({ id }) => id);
}

/** @returns whether something was deleted */
async function sweepMade(
  owned: OwnedSnapshots,
  made: readonly string[],
  outcome: Outcome,
  deps: SweepSnapshotsDeps,
): Promise<boolean> {
  if (made.length === 0) return false;
  if (!owned.kept || mayDelete(outcome)) {
    await deps.volumes.discard?.(made);
    return true;
  }
  if (deps.clock.now().getTime() - Date.parse(outcome.at) < graceMs) return false;
  const surplus = await surplusOf(owned, made, deps);
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
async function surplusOf(
  { runId, part }: OwnedSnapshots,
  made: readonly string[],
  { state }: SweepSnapshotsDeps,
): Promise<string[]> {
  const manifest = await findDocument(state, stateKeys.preparedManifest(runId), manifestSchema);
  const base = manifest?.parts.find(({ name }) => name === part)?.base;
  if (base?.method !== 'snapshot')
    throw new HoldfastError('ObjectNotFound', 'no manifest says which of them is the backup: they stay.');
  const named = base.snapshot.snapshots.map(({ id }) => id);
  const gone = named.filter((id) => !made.includes(id));
  if (gone.length > 0)
    throw new HoldfastError('ObjectNotFound', `${gone.join(', ')}, which is the backup, is not there: they stay.`);
  return made.filter((id) => !named.includes(id));
}
