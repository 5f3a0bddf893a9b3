import * as z from 'zod';
import type { SliceSummary } from '../../domain/base.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { type Manifest, manifestSchema, type Method } from '../../domain/manifest.ts';
import { partObjects } from '../../domain/manifest-parts.ts';
import { artifactKeys, stateKeys } from '../../domain/names.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import type { BackupPlan } from '../../domain/run.ts';
import { sealManifest } from '../../domain/manifest-seal.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import { readSlices } from '../../engine/oplog/read-slices.ts';
import { assembleManifest } from '../assemble-manifest.ts';
import { stepSchema } from '../bind.ts';
import { createOrReadDocument, readDocument, sha256Hex } from '../documents.ts';
import { requireHeldLease } from '../leases.ts';
import { type KeptSnapshotsDeps, requireKeptSnapshots } from '../kept-snapshots.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { WorkerLauncher } from '../ports/worker-launcher.ts';
import { decideOutcome, readBackupPlan, readOutcome, refuseWhenCancelled } from '../run-folder.ts';
import { manifestUri, shownWarnings } from '../run-summary.ts';
import { type SettleDeps, settleRun, storageOfRun } from '../settle-run.ts';
import { verifyStored } from '../stored-objects.ts';

export const completeBackupInput = stepSchema.extend({ fence: z.int().min(1) });

/** What the execution ends with: what somebody wants to know who started it by hand. */
export interface CompleteBackupOutput {
  readonly deployment: string;
  readonly backupId: string;
  readonly method: Method;
  /** host:port of the member that was read; of several parts all of them, separated by commas. */
  readonly member: string;
  readonly restoreTime: Timestamp | null;
  /** The same as an ISO 8601 time. */
  readonly restoreTimeWall: string | null;
  /** Null where nobody has counted: a physical base is files. */
  readonly documents: number | null;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly durationSeconds: number;
  /** URI of the manifest: `s3://bucket/key`. */
  readonly manifest: string;
  readonly warnings: readonly string[];
}

export interface CompleteBackupDeps extends SettleDeps {
  readonly volumes: SettleDeps['volumes'] & KeptSnapshotsDeps['volumes'];
  /** The product's version, for the manifest. */
  readonly toolVersion: string;
  readonly launcher: WorkerLauncher;
}

/**
 * Verifies what is stored, prepares the manifest in the state storage, wins the outcome `completed`, and only then writes
 * the manifest (consistency rule 23). A state that runs again after the decision finishes it.
 */
export async function completeBackup(
  input: z.output<typeof completeBackupInput>,
  deps: CompleteBackupDeps,
  signal?: AbortSignal,
): Promise<CompleteBackupOutput> {
  const { runId, fence } = input;
  const plan = await readBackupPlan(deps.state, runId);
  if ((await readOutcome(deps.state, runId))?.status !== 'completed') {
    await refuseWhenCancelled(deps.state, runId);
    // What is verified and named must be final: a worker that was given up may still live.
    await deps.launcher.stopAll(runId);
    await prepareManifest(plan, fence, deps, signal);
    await requireHeldLease(deps.state, plan, fence);
    // Who stopped this decides how the run ended, and may delete what it has.
    signal?.throwIfAborted();
  }
  const outcome = await decideOutcome(deps.state, runId, makeOutcome('complete', 'completed', deps.clock.now()));
  if (outcome.status !== 'completed') {
    throw new HoldfastError('Cancelled', `the run is over: its outcome is ${outcome.status}`);
  }
  await settleRun(runId, outcome, deps);
  const manifest = await readDocument(deps.state, stateKeys.preparedManifest(runId), manifestSchema);
  return summarise(manifest, await manifestUri(runId, plan, deps));
}

function summarise(manifest: Manifest, uri: string): CompleteBackupOutput {
  const { deployment, backupId, method, parts, restoreTime, restoreTimeWall, totals, warnings } = manifest;
  return {
    deployment,
    backupId,
    method,
    member: parts.map(({ member }) => member).join(', '),
    restoreTime,
    restoreTimeWall,
    documents: totals.documents,
    rawBytes: totals.rawBytes,
    storedBytes: totals.storedBytes,
    durationSeconds: totals.seconds,
    manifest: uri,
    warnings: shownWarnings(warnings),
  };
}

/** Written once: a state that runs again, and the sweep, use what was prepared first. */
async function prepareManifest(
  plan: BackupPlan,
  fence: number,
  deps: CompleteBackupDeps,
  signal?: AbortSignal,
): Promise<void> {
  const storage = await storageOfRun(plan.runId, plan.storage, deps);
  const { state, clock, toolVersion } = deps;
  const content = await assembleManifest(plan, { state, storage, fence, toolVersion, finishedAt: clock.now() });
  const manifest = sealManifest(content, sha256Hex);
  const goOn = async (): Promise<void> => {
    signal?.throwIfAborted();
    await refuseWhenCancelled(state, plan.runId);
  };
  for (const part of manifest.parts) {
    const prefix = artifactKeys.part(plan.deployment, plan.backupId, part.name);
    await verifyStored(prefix, partObjects(part), storage, goOn);
    await verifySlices(part.oplog?.slices ?? [], storage, signal);
  }
  const prepared = await createOrReadDocument(state, stateKeys.preparedManifest(plan.runId), manifestSchema, manifest);
  // Last: what is stored is read for hours, and what it names nobody but the storage's owner may delete meanwhile.
  await requireKeptSnapshots(prepared, deps);
}

/** The checksums of slices come from the storage itself, so what they hold is compared with the hash in their headers. */
async function verifySlices(
  slices: readonly SliceSummary[],
  storage: ObjectStore,
  signal?: AbortSignal,
): Promise<void> {
  const chain = readSlices(storage, slices);
  for (let read = await chain.next(); read.done !== true; read = await chain.next()) signal?.throwIfAborted();
}
