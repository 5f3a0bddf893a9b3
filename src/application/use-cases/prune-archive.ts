import { archiveCut, slicesToPrune } from '../../domain/archive-retention.ts';
import { artifactKeys } from '../../domain/names.ts';
import { reachOfBases } from '../../domain/recovery-window.ts';
import { dayOf } from '../../domain/slice-index.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { compareTimestamps, type Timestamp } from '../../domain/timestamp.ts';
import { listIndexes } from '../../engine/oplog/archive-tail.ts';
import { beginsWith, type CheckedPlace } from '../archive-check-record.ts';
import { raiseTombstone, removeDeadTombstones, wouldGo } from '../holds.ts';
import type { Clock } from '../ports/clock.ts';
import type { PrunedArchive } from '../ports/holdfast-client.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import {
  type ArchivedSlice,
  readRecoverySources,
  type RecoverySources,
  type RecoverySourcesDeps,
  type UnreadableSlice,
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
    const now = secondsNow(sets, deps.clock);
    for (const sources of sets) pruned.push(...(await pruneSet(one, sources, { now, dryRun }, deps)));
  }
  return pruned;
}

/**
 * The time up to which the deployment is archived, at most: a clock that is ahead must not age what is kept, and an archive
 * that stands still keeps what it promised when it stopped.
 */
function secondsNow(sets: readonly RecoverySources[], clock: Clock): number {
  const ends = sets.flatMap(({ slices, quiet }) => [...slices.map(({ to }) => to.ts.t), quiet?.until.ts.t ?? 0]);
  const newest = ends.reduce((last, end) => Math.max(last, end), 0);
  return Math.min(Math.floor(clock.now().getTime() / 1000), newest);
}

async function pruneSet(
  { name, oplogArchive }: DeploymentSettings,
  sources: RecoverySources,
  { now, dryRun }: { readonly now: number; readonly dryRun: boolean },
  deps: PruneArchiveDeps,
): Promise<PrunedArchive[]> {
  const { replicaSet, replicaSetId } = sources;
  if (oplogArchive === undefined || replicaSetId === null) return [];
  const { storage, retention } = oplogArchive;
  const slices = sources.slices.filter((slice) => slice.storage === storage);
  if (slices.length === 0) return [];
  const promisedFrom = { t: Math.max(0, now - retention.days * secondsOfDay), i: 0 };
  const cut = archiveCut({ reaches: reachOfBases(sources), slices, promisedFrom, held: [] });
  const archive = artifactKeys.archive(name, replicaSet, replicaSetId);
  const place = { deployment: name, replicaSet, replicaSetId, storage, archive };
  const damaged = sources.damaged.filter((slice) => slice.storage === storage);
  const gone = cut ? await pruneTo(cut, { slices, damaged, place }, dryRun, deps) : [];
  return [
    {
      ...{ deployment: name, replicaSet, replicaSetId, storage, promisedFrom, kept: slices.length - gone.length },
      slices: gone.length,
      bytes: gone.reduce((total, { size }) => total + size, 0),
      upTo: gone.at(-1)?.to.ts ?? null,
    },
  ];
}

interface Prunable {
  readonly slices: readonly ArchivedSlice[];
  /** Of no use to anybody: they go with what is older than the first slice that stays. */
  readonly damaged: readonly UnreadableSlice[];
  readonly place: CheckedPlace & { readonly archive: string };
}

async function pruneTo(
  cut: Timestamp,
  { slices, damaged, place }: Prunable,
  dryRun: boolean,
  { state, clock, settings, openStorage }: PruneArchiveDeps,
): Promise<ArchivedSlice[]> {
  const { storage, archive } = place;
  if (!dryRun) await removeDeadTombstones(state, place);
  if (slicesToPrune(slices, cut).length === 0) return [];
  if (dryRun) return slicesToPrune(slices, await wouldGo(state, { storage, archive, cut }));
  const { allowed, remove } = await raiseTombstone(state, { storage, archive, cut, at: clock.now().toISOString() });
  const gone = slicesToPrune(slices, allowed);
  const stays = slices
    .filter((slice) => !gone.includes(slice))
    .reduce((first, slice) => (compareTimestamps(slice.from.ts, first.from.ts) < 0 ? slice : first));
  if (gone.length > 0) await beginsWith(state, place, stays.from);
  const useless = gone.length > 0 ? damaged.filter(({ from }) => compareTimestamps(from, stays.from.ts) < 0) : [];
  // Oldest first: what is left when this ends early is whole from its first slice on.
  const keys = [...gone.map(({ key }) => key), ...useless.map(({ key }) => key)].sort();
  const store = openStorage(storageOf(settings, storage));
  await store.delete(keys);
  await deleteIndexes(store, archive, dayOf(stays.from.ts));
  await remove();
  return gone;
}

/** What was seen of slices that are gone is of no use; of the first day that is left, it may be. */
async function deleteIndexes(store: ObjectStore, archive: string, firstDay: string): Promise<void> {
  const listed = await listIndexes(store, artifactKeys.sliceIndexesOf(archive));
  const over = listed.filter(({ day }) => day < firstDay);
  await store.delete(over.map(({ archivePrefix, day }) => artifactKeys.sliceIndex(archivePrefix, day)));
}
