import * as z from 'zod';
import { stateKeys } from '../../domain/names.ts';
import { isBaseDue } from '../../domain/oplog-archive.ts';
import type { Settings } from '../../domain/settings.ts';
import { compareTimestamps, formatTimestampKey, type Timestamp } from '../../domain/timestamp.ts';
import { changeProgress } from '../archive-progress.ts';
import type { StepDeps } from '../bind.ts';
import { type CatalogDeps, findManifests, readableManifests } from '../catalog.ts';
import { readLease } from '../leases.ts';
import type { BackupStarter } from '../ports/backup-starter.ts';
import { deploymentOf } from '../run-folder.ts';

export const startNewBaseInput = z.strictObject({
  deployment: z.string(),
  replicaSet: z.string(),
  replicaSetId: z.string().regex(/^[0-9a-f]{24}$/),
});

export interface StartNewBaseDeps extends StepDeps, CatalogDeps, BackupStarter {
  readonly settings: Settings;
}

export interface StartNewBaseOutput {
  /** `taken`: a backup was taken since the gap. `running`: the deployment is held by a run. `wait`: not yet, or not wanted. */
  readonly status: 'started' | 'taken' | 'running' | 'wait';
  readonly runId: string | null;
}

/**
 * Starts the backup from which restores can reach any moment again after a gap: once, and again after an hour, two hours and
 * so on while no backup was taken since. The attempt is written down first: one of two that ask at once starts it.
 */
export async function startNewBase(
  { deployment, replicaSet, replicaSetId }: z.output<typeof startNewBaseInput>,
  deps: StartNewBaseDeps,
): Promise<StartNewBaseOutput> {
  const { state, logger, clock, settings } = deps;
  const place = { state, logger, key: stateKeys.archiveProgress(deployment, `${replicaSet}-${replicaSetId}`) };
  if (deploymentOf(settings, deployment).oplogArchive?.newBaseOnGap !== true) return { status: 'wait', runId: null };
  const running = await isHeld(deployment, deps);
  const taken = await basesSince(deployment, replicaSetId, deps);
  const decision: { start?: { readonly from: Timestamp; readonly attempt: number }; taken: boolean } = { taken: false };
  await changeProgress(place, (current) => {
    delete decision.start;
    if (!current?.wantsBase) return undefined;
    const { wantsBase, ...rest } = current;
    decision.taken = taken.some((point) => compareTimestamps(point, wantsBase.from.ts) >= 0);
    if (decision.taken) return rest;
    if (running || !isBaseDue(wantsBase, clock.now())) return undefined;
    decision.start = { from: wantsBase.from.ts, attempt: wantsBase.attempts + 1 };
    return {
      ...rest,
      wantsBase: { ...wantsBase, attempts: wantsBase.attempts + 1, attemptedAt: clock.now().toISOString() },
    };
  });
  if (!decision.start) return { status: decision.taken ? 'taken' : running ? 'running' : 'wait', runId: null };
  const { from, attempt } = decision.start;
  const { runId } = await deps.startBackup({
    deployment,
    requestedBy: 'oplog archive (gap)',
    idempotencyKey: `gap-${replicaSetId}-${formatTimestampKey(from)}-${attempt}`,
  });
  logger.info('a backup was started because of a gap in the oplog archive', { deployment, replicaSet, runId, attempt });
  return { status: 'started', runId };
}

/** A run that died holds its lease until the sweep releases it; the next turn asks again. */
async function isHeld(deployment: string, { state }: StepDeps): Promise<boolean> {
  const lease = (await readLease(state, stateKeys.lease(deployment)))?.lease;
  return lease !== undefined && lease.released !== true;
}

/** The points of the newest backups of the set. */
async function basesSince(deployment: string, replicaSetId: string, deps: StartNewBaseDeps): Promise<Timestamp[]> {
  const newest = (await findManifests({ deployment }, deps))
    .sort((a, b) => (a.backupId < b.backupId ? 1 : -1))
    .slice(0, 3);
  const manifests = await readableManifests(newest, deps.logger);
  return manifests.flatMap(({ manifest }) =>
    manifest.parts
      .filter(({ topology, point }) => topology.replicaSetId === replicaSetId && point)
      .flatMap(({ point }) => point?.ts ?? []),
  );
}
