import * as z from 'zod';
import type { Method } from '../../domain/manifest.ts';
import { chooseMethod } from '../../domain/method-choice.ts';
import { makeBackupId, stateKeys } from '../../domain/names.ts';
import { type BackupPlan, backupPlanSchema } from '../../domain/run.ts';
import { type BackupRun, backupRunSchema } from '../../domain/run-documents.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { type Topology, topologySchema } from '../../domain/topology.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createOrReadDocument, readDocument, sha256Hex } from '../documents.ts';
import { lookAtParts, planPart, volumeVerdict } from '../plan-parts.ts';
import type { VolumeSnapshots } from '../ports/volume-snapshots.ts';
import { deploymentOf, readConfig, refuseWhenCancelled } from '../run-folder.ts';

export const planBackupInput = stepSchema.extend({ startedAt: z.iso.datetime() });

export interface PlanBackupDeps extends StepDeps {
  /** Seconds: consistency rule 3. */
  readonly captureWait: BackupPlan['captureWait'];
  readonly volumes: VolumeSnapshots;
}

export interface PlanBackupOutput {
  readonly backupId: string;
  readonly parts: readonly { readonly name: string; readonly method: Method }[];
  readonly captureWaitSeconds: number;
}

/** Chooses method and members and writes the plan that every later state follows. Written once. */
export async function planBackup(
  input: z.output<typeof planBackupInput>,
  deps: PlanBackupDeps,
): Promise<PlanBackupOutput> {
  const { runId } = input;
  await refuseWhenCancelled(deps.state, runId);
  const settings = await readConfig(deps.state, runId);
  const run = await readDocument(deps.state, stateKeys.runRequest(runId), backupRunSchema);
  const topology = await readDocument(deps.state, stateKeys.topology(runId), topologySchema);
  const made = await makePlan(runId, run, topology, deploymentOf(settings, run.deployment), deps);
  const plan = await createOrReadDocument(deps.state, stateKeys.plan(runId), backupPlanSchema, made);
  return {
    backupId: plan.backupId,
    parts: plan.parts.map(({ name, method }) => ({ name, method })),
    captureWaitSeconds: plan.captureWait.first,
  };
}

/** @throws NoEligibleMember with the reason of every refusal, MethodNotAvailable, VolumeNotFound, VolumeLayoutUnsupported, LockRefused */
async function makePlan(
  runId: string,
  run: BackupRun,
  topology: Topology,
  settings: DeploymentSettings,
  deps: PlanBackupDeps,
): Promise<BackupPlan> {
  const looks = await lookAtParts(topology, settings, deps.volumes);
  const wishes = { requested: run.method ?? undefined, deploymentDefault: settings.method };
  const choice = chooseMethod(topology, wishes, volumeVerdict(looks));
  return {
    schemaVersion: 1,
    kind: 'backup',
    runId,
    backupId: makeBackupId(new Date(run.startedAt), choice.method, sha256Hex(runId)),
    deployment: run.deployment,
    method: choice.method,
    methodReason: choice.reason,
    storage: run.storage,
    createdAt: deps.clock.now().toISOString(),
    ...run.compression,
    parallel: settings.limits.parallel,
    requestedBy: run.requestedBy,
    labels: run.labels,
    captureWait: deps.captureWait,
    parts: looks.map((look) => planPart(look, choice.method)),
  };
}
