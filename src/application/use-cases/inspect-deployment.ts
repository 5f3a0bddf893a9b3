import * as z from 'zod';
import { chooseCompression } from '../../domain/compression.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { type BackupRequest, backupRequestSchema } from '../../domain/run.ts';
import {
  type AcceptedRequest,
  acceptedRequestSchema,
  type BackupRun,
  backupRunSchema,
} from '../../domain/run-documents.ts';
import type { Settings } from '../../domain/settings.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createDocument, createOrReadDocument, findStored, sha256Hex, writeDocument } from '../documents.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import type { Executions } from '../ports/executions.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { markSettled } from '../settle-run.ts';
import { adoptConfig, deploymentOf, readOutcome, refuseWhenCancelled, storageOf } from '../run-folder.ts';

export const inspectDeploymentInput = stepSchema.extend({
  startedAt: z.iso.datetime(),
  request: backupRequestSchema,
});

export interface InspectDeploymentOutput {
  readonly deployment: string;
  /** The run that answers the same request; null when this one does. */
  readonly duplicateOf: string | null;
}

export interface InspectDeploymentDeps extends StepDeps {
  /** The installation's config as it is now; the run keeps a copy. */
  readonly settings: Settings;
  readonly inspector: DeploymentInspector;
  /** Whether the run that a request was accepted for before still runs. */
  readonly executions: Executions;
}

/** First state of a backup: completes the request, recognises a duplicate, and writes what the deployment looks like. */
export async function inspectDeployment(
  input: z.output<typeof inspectDeploymentInput>,
  deps: InspectDeploymentDeps,
  signal?: AbortSignal,
): Promise<InspectDeploymentOutput> {
  const { runId, request } = input;
  await refuseWhenCancelled(deps.state, runId);
  const settings = await adoptConfig(deps.state, runId, deps.settings);
  const run = completeRequest(request, settings, input.startedAt);
  const duplicateOf = await findEarlierRun(request, run, runId, deps);
  if (duplicateOf !== null) {
    // It ends without an outcome of its own, and nothing is left to do for it.
    await markSettled(runId, 0, deps);
    return { deployment: run.deployment, duplicateOf };
  }
  await createOrReadDocument(deps.state, stateKeys.runRequest(runId), backupRunSchema, run);
  const topology = await deps.inspector.inspect(deploymentOf(settings, run.deployment), signal);
  await writeDocument(deps.state, stateKeys.topology(runId), topology);
  return { deployment: run.deployment, duplicateOf: null };
}

/** What was asked, with what was left out. @throws UnknownDeployment, UnknownStorage, InvalidInput */
export function completeRequest(request: BackupRequest, settings: Settings, startedAt: string): BackupRun {
  const deployment = deploymentOf(settings, request.deployment ?? onlyDeployment(settings));
  const storage = storageOf(settings, request.storage ?? deployment.storage).name;
  return {
    schemaVersion: 1,
    workflow: 'backup',
    startedAt,
    deployment: deployment.name,
    storage,
    method: request.method ?? null,
    compression: chooseCompression(request.compression ?? {}, deployment.compression),
    labels: request.labels ?? {},
    requestedBy: request.requestedBy ?? 'unknown',
  };
}

function onlyDeployment(settings: Settings): string {
  const names = Object.keys(settings.deployments);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new HoldfastError(
    'UnknownDeployment',
    `name the deployment to back up: ${names.join(', ') || 'none is configured'}`,
    { next: `Write for example {"deployment": "${only ?? 'orders'}"}.` },
  );
}

/**
 * A key is accepted for one deployment: the same key for another is another request. The run that it was accepted for
 * answers it while it runs and once it has succeeded; from one that came to nothing a later run takes it over, and of
 * several that try one wins.
 */
async function findEarlierRun(
  request: BackupRequest,
  run: BackupRun,
  runId: string,
  deps: InspectDeploymentDeps,
): Promise<string | null> {
  if (request.idempotencyKey === undefined) return null;
  const key = stateKeys.request(sha256Hex(`${run.deployment}\n${request.idempotencyKey}`));
  const at = deps.clock.now().toISOString();
  const mine: AcceptedRequest = { schemaVersion: 1, run: runId, deployment: run.deployment, at };
  for (;;) {
    if (await createDocument(deps.state, key, mine)) return null;
    const accepted = await findStored(deps.state, key, acceptedRequestSchema);
    if (accepted === undefined) continue;
    const earlier = accepted.value.run;
    if (earlier === runId) return null;
    if (await answers(earlier, deps)) return earlier;
    if (await takeOver(deps.state, key, mine, accepted.etag)) return null;
  }
}

/** Whether a run still may make the backup that was asked for, or has made it. */
async function answers(runId: string, { state, executions }: InspectDeploymentDeps): Promise<boolean> {
  if ((await readOutcome(state, runId)) === undefined && (await executions.isRunning(runId))) return true;
  // Read again: it may have ended in between.
  return (await readOutcome(state, runId))?.status === 'completed';
}

/** @returns false when another run was first */
async function takeOver(state: ObjectStore, key: string, mine: AcceptedRequest, etag: string): Promise<boolean> {
  try {
    await writeDocument(state, key, mine, { ifMatch: etag });
    return true;
  } catch (error) {
    if (isHoldfastError(error, 'PreconditionFailed')) return false;
    throw error;
  }
}
