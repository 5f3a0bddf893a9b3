import { archiveCut, slicesToPrune } from '../../domain/archive-retention.ts';
import { artifactKeys } from '../../domain/names.ts';
import { reachOfBases } from '../../domain/recovery-window.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import { raiseTombstone, removeTombstone, wouldGo } from '../holds.ts';
import type { Clock } from '../ports/clock.ts';
import type { PrunedArchive } from '../ports/holdfast-client.ts';
import {
  type ArchivedSlice,
  readRecoverySources,
  type RecoverySources,
  type RecoverySourcesDeps,
} from '../recovery-sources.ts';
import { deploymentOf, storageOf } from '../run-folder.ts';

export interface PruneArchiveDeps extends RecoverySourcesDeps {
  readonly clock: Clock;
}

export interface PruneRequest {
  readonly deployment?: string | undefined;
  readonly dryRun: boolean;
}

const secondsOfDay = 86_400;

/**
 * Deletes slices of oplog archives that no restore to a promised time reads: of one deployment, or of every one that
 * archives. Always a beginning of an archive, in the storage that it is written to; copies elsewhere are their owner's. Safe
 * to run again; with `dryRun` it only says what would go.
 * @throws UnknownDeployment; UnsupportedFormat and VerificationFailed for a backup that can't be read: what it needs is
 * unknown; the storages' errors
 */
export async function pruneArchive(
  { deployment, dryRun }: PruneRequest,
  deps: PruneArchiveDeps,
): Promise<readonly PrunedArchive[]> {
  const { settings } = deps;
  const chosen = deployment === undefined ? Object.values(settings.deployments) : [deploymentOf(settings, deployment)];
  const pruned: PrunedArchive[] = [];
  for (const one of chosen) {
    // An archive that is switched off keeps what it has.
    if (one.oplogArchive?.enabled !== true) continue;
    const sets = await readRecoverySources(one.name, { strict: true }, deps);
    for (const sources of sets) pruned.push(...(await pruneSet(one, one.oplogArchive, sources, dryRun, deps)));
  }
  return pruned;
}

async function pruneSet(
  { name }: DeploymentSettings,
  { storage, retention }: NonNullable<DeploymentSettings['oplogArchive']>,
  sources: RecoverySources,
  dryRun: boolean,
  deps: PruneArchiveDeps,
): Promise<PrunedArchive[]> {
  const { replicaSet, replicaSetId } = sources;
  const slices = sources.slices.filter((slice) => slice.storage === storage);
  if (replicaSetId === null || slices.length === 0) return [];
  const now = deps.clock.now();
  const promisedFrom = { t: Math.floor(now.getTime() / 1000) - retention.days * secondsOfDay, i: 0 };
  const cut = archiveCut({ reaches: reachOfBases(sources), slices, promisedFrom, held: [] });
  const place = { storage, archive: artifactKeys.archive(name, replicaSet, replicaSetId) };
  const gone = cut ? await pruneTo(cut, slices, place, dryRun, deps) : [];
  return [
    {
      ...{ deployment: name, replicaSet, replicaSetId, storage, promisedFrom, kept: slices.length - gone.length },
      slices: gone.length,
      bytes: gone.reduce((total, { size }) => total + size, 0),
      upTo: gone.at(-1)?.to.ts ?? null,
    },
  ];
}

async function pruneTo(
  cut: Timestamp,
  slices: readonly ArchivedSlice[],
  place: { readonly storage: string; readonly archive: string },
  dryRun: boolean,
  { state, clock, settings, openStorage }: PruneArchiveDeps,
): Promise<ArchivedSlice[]> {
  if (slicesToPrune(slices, cut).length === 0) return [];
  if (dryRun) return slicesToPrune(slices, await wouldGo(state, { ...place, cut }));
  const allowed = await raiseTombstone(state, { ...place, cut, at: clock.now().toISOString() });
  const gone = slicesToPrune(slices, allowed);
  // Oldest first: what is left when this ends early is whole from its first slice on.
  await openStorage(storageOf(settings, place.storage)).delete(gone.map(({ key }) => key));
  await removeTombstone(state, place);
  return gone;
}
