import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { type Manifest, manifestSchema } from '../domain/manifest.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import { mayDelete, mayUnmarkTarget, mayWriteManifest } from '../domain/outcome.ts';
import type { BackupPlan, Outcome } from '../domain/run.ts';
import { planSchema, type RestorePlan, runRequestSchema, type Settled } from '../domain/run-documents.ts';
import type { StepDeps } from './bind.ts';
import { createDocument, findDocument, readDocument } from './documents.ts';
import { type KeptSnapshotsDeps, requireKeptSnapshots } from './kept-snapshots.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';
import { releaseHold } from './holds.ts';
import { settleCollections } from './restore-collections.ts';
import type { RestoreVolumes } from './ports/restore-volumes.ts';
import { settleVolumes } from './settle-volumes.ts';
import type { ObjectStore } from './ports/object-store.ts';
import type { UnmarkTarget } from './restore-target.ts';
import { type OpenStorage, readConfig, storageOf } from './run-folder.ts';
import { discardUnfinished, lockBackup, manifestObjects, requireStored } from './stored-objects.ts';

export interface SettleDeps extends StepDeps {
  readonly volumes: Pick<VolumeSnapshots, 'delete' | 'list' | 'discard'>;
  /** Gives back every lock that the run has left on a member. @throws SourceUnreachable */
  readonly unlockMembers: (runId: string) => Promise<unknown>;
  readonly openStorage: OpenStorage;
  readonly unmarkTarget: UnmarkTarget;
  /** Left out where restores make no volumes. */
  readonly restoreVolumes?: RestoreVolumes | undefined;
}

/** The artifact storage of a run's plan, by the config that the run began with. */
export async function storageOfRun(runId: string, storage: string, deps: SettleDeps): Promise<ObjectStore> {
  return deps.openStorage(storageOf(await readConfig(deps.state, runId), storage));
}

/**
 * Does what a decided outcome demands (consistency rule 23): a completed backup's manifest is written, a failed or
 * cancelled one's objects are deleted; a completed restore's target loses its mark, any other keeps it. Re-entrant; when it is done the run is marked as settled and the sweep leaves it alone.
 * @returns what is left of the run for the sweep, in words: of a run that is settled nevertheless
 */
export async function settleRun(runId: string, outcome: Outcome, deps: SettleDeps): Promise<string | undefined> {
  // Nobody reads slices for a run that is over: whatever fails below keeps none of them.
  if (await mayHold(runId, deps)) await releaseHold(deps.state, runId);
  const plan = await findDocument(deps.state, stateKeys.plan(runId), planSchema);
  let deletedObjects = 0;
  let left: string | undefined;
  if (plan?.kind === 'backup') {
    await releaseSource(plan, outcome, deps);
    const storage = await storageOfRun(runId, plan.storage, deps);
    if (mayWriteManifest(outcome)) {
      const manifest = await writeManifest(plan, storage, deps);
      await lockBackup(manifest, storage);
      deletedObjects = await deleteSuperseded(manifest, storage);
    } else if (mayDelete(outcome)) {
      deletedObjects = await deleteBackupObjects(plan, storage, deps);
    }
    await discardUnfinished({ runId, prefix: artifactKeys.backup(plan.deployment, plan.backupId) }, storage, deps);
  } else if (plan !== undefined) left = await settleTarget(plan, outcome, deps);
  await deleteCheckpoints(runId, deps);
  await markSettled(runId, deletedObjects, deps);
  return left;
}

/**
 * What a backup had of its source: locks are given back, and snapshots deleted that nobody keeps. A lock that can't be given
 * back now is written down, and the sweep's, also of a settled run: no reason to keep back how the run ended.
 */
async function releaseSource(plan: BackupPlan, outcome: Outcome, deps: SettleDeps): Promise<void> {
  try {
    await deps.unlockMembers(plan.runId);
  } catch (error) {
    deps.logger.error('locks of the run could not be given back now', { runId: plan.runId, reason: String(error) });
  }
  for (const { name: part, method } of plan.parts) {
    const kept = method === 'snapshot' && mayWriteManifest(outcome);
    if (method !== 'logical' && !kept) await deps.volumes.delete({ runId: plan.runId, part });
  }
}

/** A restore to a time holds what it reads, also one that failed before it had a plan. */
async function mayHold(runId: string, { state }: StepDeps): Promise<boolean> {
  const run = await findDocument(state, stateKeys.runRequest(runId), runRequestSchema);
  return run?.workflow === 'restore' && (run.request.at ?? run.request.beforeDrop) !== undefined;
}

async function unmarkTarget({ runId, request, deployment }: RestorePlan, deps: SettleDeps): Promise<void> {
  const settings = await readConfig(deps.state, runId);
  await deps.unmarkTarget({ request, deployment, settings, runId, signal: undefined });
}

/** @returns what is left of what led to the target */
async function settleTarget(plan: RestorePlan, outcome: Outcome, deps: SettleDeps): Promise<string | undefined> {
  if (plan.volume !== undefined) {
    await settleVolumes(plan.runId, outcome, deps);
    return undefined;
  }
  let left: string | undefined;
  try {
    // First: a target that is whole is told so before what led to it is deleted, which may take minutes.
    if (mayUnmarkTarget(outcome)) await unmarkTarget(plan, deps);
  } finally {
    left = await settleCollections(plan, deps);
  }
  return left;
}

/** Nobody goes on with a run that is over. */
async function deleteCheckpoints(runId: string, { state }: StepDeps): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of state.list(stateKeys.checkpointsOfRun(runId))) keys.push(key);
  await state.delete(keys);
}

/**
 * That what a run that won `completed` had verified is still there: it died since, and a storage that is not mounted now
 * would take the manifest and hold nothing else. @throws ObjectNotFound, CorruptObject, SnapshotFailed
 */
export async function requireObjectsOfRun(runId: string, deps: SettleDeps & KeptSnapshotsDeps): Promise<void> {
  const plan = await findDocument(deps.state, stateKeys.plan(runId), planSchema);
  if (plan?.kind !== 'backup') return;
  const manifest = await readDocument(deps.state, stateKeys.preparedManifest(runId), manifestSchema);
  await requireStored(manifestObjects(manifest), await storageOfRun(runId, plan.storage, deps));
  await requireKeptSnapshots(manifest, deps);
}

export async function markSettled(runId: string, deletedObjects: number, deps: StepDeps): Promise<void> {
  const settled: Settled = { schemaVersion: 1, at: deps.clock.now().toISOString(), deletedObjects };
  await createDocument(deps.state, stateKeys.settled(runId), settled);
}

/** Writes the prepared manifest, byte for byte, unless it is there. Only for a run that won `completed`. */
async function writeManifest(plan: BackupPlan, storage: ObjectStore, deps: SettleDeps): Promise<Manifest> {
  const prepared = await deps.state.get(stateKeys.preparedManifest(plan.runId));
  const key = artifactKeys.manifest(plan.deployment, plan.backupId);
  try {
    await storage.put(key, prepared.body, { ifNoneMatch: '*' });
  } catch (error) {
    if (!isHoldfastError(error, 'ObjectExists')) throw error;
    const there = await storage.get(key);
    if (!there.body.equals(prepared.body)) {
      throw new HoldfastError(
        'VerificationFailed',
        `${key} in ${storage.description} is not what run ${plan.runId} prepared`,
      );
    }
  }
  return readDocument(deps.state, stateKeys.preparedManifest(plan.runId), manifestSchema);
}

/** Packs and slices of attempts that the complete one superseded: nothing names them. Only once the manifest is written. */
async function deleteSuperseded(manifest: Manifest, storage: ObjectStore): Promise<number> {
  const named = new Set(manifestObjects(manifest).map((object) => object.key));
  const superseded: string[] = [];
  for (const part of manifest.parts) {
    const prefix = artifactKeys.part(manifest.deployment, manifest.backupId, part.name);
    for (const data of [artifactKeys.packs(prefix), artifactKeys.oplog(prefix)]) {
      for await (const object of storage.list(data)) if (!named.has(object.key)) superseded.push(object.key);
    }
  }
  await storage.delete(superseded);
  return superseded.length;
}

/** Everything that a failed or cancelled run wrote. A manifest there means another run's backup: it is never touched. */
async function deleteBackupObjects(plan: BackupPlan, storage: ObjectStore, deps: SettleDeps): Promise<number> {
  if ((await storage.head(artifactKeys.manifest(plan.deployment, plan.backupId))) !== undefined) {
    deps.logger.error('a backup that exists was not deleted', { runId: plan.runId, backupId: plan.backupId });
    return 0;
  }
  const keys: string[] = [];
  for await (const object of storage.list(artifactKeys.backup(plan.deployment, plan.backupId))) keys.push(object.key);
  await storage.delete(keys);
  return keys.length;
}
