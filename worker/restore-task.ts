import { readManifest } from '../src/application/catalog.ts';
import { findDocument, readDocument, writeDocument } from '../src/application/documents.ts';
import { requireHeldLease } from '../src/application/leases.ts';
import { readConfig, storageOf } from '../src/application/run-folder.ts';
import type { WorkerDeps } from '../src/composition/compose-worker.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { selectionOf } from '../src/domain/namespace-selection.ts';
import { isFilesPart } from '../src/domain/manifest-parts.ts';
import { artifactKeys, stateKeys } from '../src/domain/names.ts';
import type { RestoreRequest } from '../src/domain/run.ts';
import { isDirectoryTarget } from '../src/domain/restore-place.ts';
import { type RestoreResult, restoreResultSchema } from '../src/domain/restore-result.ts';
import {
  type RestorePlan,
  restorePlanSchema,
  restoreSlicesSchema,
  type WorkerTask,
} from '../src/domain/run-documents.ts';
import type { Settings } from '../src/domain/settings.ts';
import type { Timestamp } from '../src/domain/timestamp.ts';
import type { SliceInStore } from '../src/engine/oplog/read-slices.ts';
import { loadFromFiles } from '../src/engine/recover/load-from-files.ts';
import { restoreDirectory } from '../src/engine/recover/restore-directory.ts';
import { restoreVolume } from '../src/engine/recover/restore-volume.ts';
import { type RestorePartDeps, restorePart } from '../src/engine/restore/restore-part.ts';
import { ProgressFile } from './progress-file.ts';
import { openWorkplace } from './workplace.ts';

/** Connections that load, replay and build when the request does not say. */
const defaultParallel = 4;

export interface RestoreTaskOutput {
  readonly part: string;
  readonly documents: number;
}

/** Restores one part to the target of the plan, to its restore time. */
export async function runRestoreTask(
  task: WorkerTask,
  deps: WorkerDeps,
  signal: AbortSignal,
): Promise<RestoreTaskOutput> {
  const { runId, part } = task;
  const key = stateKeys.restoreResult(runId, part);
  const done = await findDocument(deps.state, key, restoreResultSchema);
  if (done) return { part, documents: done.documents };
  const plan = await readDocument(deps.state, stateKeys.plan(runId), restorePlanSchema);
  await requireHeldLease(deps.state, plan, task.fence);
  const result = await restore(plan, task, deps, signal);
  await writeDocument(deps.state, key, result);
  return { part, documents: result.documents };
}

async function restore(
  plan: RestorePlan,
  { part, attempt }: WorkerTask,
  deps: WorkerDeps,
  signal: AbortSignal,
): Promise<RestoreResult> {
  const { state, clock, logger, scratch, snapshotRoot } = deps;
  const { runId, request, deployment, backupId } = plan;
  const settings = await readConfig(state, runId);
  const store = deps.openStorage(storageOf(settings, plan.storage));
  const key = artifactKeys.manifest(deployment, backupId);
  const manifest = await readManifest({ storage: store, storageName: plan.storage, deployment, backupId, key });
  const restoreTime = plan.restoreTime ?? manifest.restoreTime;
  const progress = new ProgressFile({ state, clock, logger, runId, part, interval: deps.progressInterval });
  const onProgress: RestorePartDeps['onProgress'] = ({ phase, documents, rawBytes, totalBytes }) => {
    progress.report({ phase, documents, rawBytes, storedBytes: 0, totalBytes });
  };
  const { to, overwrite, parallel = defaultParallel } = request;
  const archived = await archivedSlices(plan, part, settings, deps);
  const subject = { runId, manifest, part, archived, overwrite, parallel };
  const work = { store, clock, logger, signal, onProgress };
  const files = { scratch, snapshotRoot };
  try {
    if (plan.volume) {
      const place = { mountPoint: deps.volumePath, volume: plan.volume, attempt };
      return await restoreVolume({ ...subject, restoreTime, ...place }, { ...work, ...files });
    }
    if (isDirectoryTarget(to))
      return await restoreDirectory({ ...subject, restoreTime, directory: to }, { ...work, ...files });
    const client = await deps.openTarget({ request, deployment, settings, runId, signal });
    try {
      const of = manifest.parts.find(({ name }) => name === part);
      const input = { ...subject, ...whatToCarry(request) };
      return await (of && isFilesPart(of)
        ? loadFromFiles(
            { ...input, of, restoreTime },
            { ...work, ...files, client, openWorkplace: () => openWorkplace(plan, { attempt, settings }, deps) },
          )
        : restorePart({ ...input, restoreTime: requireTime(restoreTime, backupId) }, { ...work, client }));
    } finally {
      await client.close();
    }
  } finally {
    await progress.flush();
  }
}

function requireTime(restoreTime: Timestamp | null, backupId: string): Timestamp {
  if (restoreTime !== null) return restoreTime;
  throw new HoldfastError('Internal', `the backup ${backupId} has no restore time`);
}

const whatToCarry = ({ users, keepExpired, namespaces, renames }: RestoreRequest) => ({
  selection: selectionOf({ namespaces, renames }),
  users: users !== undefined && users !== false,
  usersOf: Array.isArray(users) ? users : undefined,
  keepExpired: keepExpired ?? false,
});

/** The slices of the archive that the plan names, wherever they are; none for a time that the backup's own reach. */
async function archivedSlices(
  { runId, parts }: RestorePlan,
  part: string,
  settings: Settings,
  { state, openStorage }: WorkerDeps,
): Promise<SliceInStore[]> {
  const name = parts.find((planned) => planned.name === part)?.slices;
  if (name === undefined) return [];
  const { slices } = await readDocument(state, stateKeys.restoreSlices(runId, part, name), restoreSlicesSchema);
  return slices.map((slice) => ({ slice, store: openStorage(storageOf(settings, slice.storage)) }));
}
