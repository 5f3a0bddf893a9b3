import { z } from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { type BackupRequest, backupRequestSchema } from '../../domain/run.ts';
import { acceptedRequestSchema, type BackupRun, backupRunSchema } from '../../domain/run-documents.ts';
import type { Settings } from '../../domain/settings.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createOrReadDocument, sha256Hex, writeDocument } from '../documents.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import { markSettled } from '../settle-run.ts';
import { adoptConfig, deploymentOf, refuseWhenCancelled, storageOf } from '../run-folder.ts';

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

/** @throws UnknownDeployment, UnknownStorage */
function completeRequest(request: BackupRequest, settings: Settings, startedAt: string): BackupRun {
  const deployment = deploymentOf(settings, request.deployment ?? onlyDeployment(settings));
  const storage = storageOf(settings, request.storage ?? deployment.storage).name;
  return {
    schemaVersion: 1,
    workflow: 'backup',
    startedAt,
    deployment: deployment.name,
    storage,
    method: request.method ?? null,
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
  );
}

/** A key is accepted for one deployment: the same key for another is another request. */
async function findEarlierRun(
  request: BackupRequest,
  run: BackupRun,
  runId: string,
  deps: InspectDeploymentDeps,
): Promise<string | null> {
  if (request.idempotencyKey === undefined) return null;
  const digest = sha256Hex(`${run.deployment}\n${request.idempotencyKey}`);
  const accepted = await createOrReadDocument(deps.state, stateKeys.request(digest), acceptedRequestSchema, {
    schemaVersion: 1,
    run: runId,
    deployment: run.deployment,
    at: deps.clock.now().toISOString(),
  });
  return accepted.run === runId ? null : accepted.run;
}
