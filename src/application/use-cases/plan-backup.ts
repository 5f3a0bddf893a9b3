import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import type { Method } from '../../domain/manifest.ts';
import { chooseMethod, type MethodWishes } from '../../domain/method-choice.ts';
import { makeBackupId, scheduleOfRequester, stateKeys } from '../../domain/names.ts';
import { type BackupPlan, backupPlanSchema } from '../../domain/run.ts';
import { type BackupRun, backupRunSchema } from '../../domain/run-documents.ts';
import type { DeploymentSettings, StorageSettings } from '../../domain/settings.ts';
import { type Topology, topologySchema } from '../../domain/topology.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createOrReadDocument, readDocument, sha256Hex } from '../documents.ts';
import { lookAtParts, noVolumes, planPart, volumeVerdict } from '../plan-parts.ts';
import type { VolumeSnapshots } from '../ports/volume-snapshots.ts';
import { deploymentOf, readConfig, refuseWhenCancelled, storageOf } from '../run-folder.ts';

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
  const deployment = deploymentOf(settings, run.deployment);
  const objectLock = lockOf(storageOf(settings, run.storage), deployment);
  const made = await makePlan(runId, run, topology, deployment, { ...deps, objectLock });
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
  { clock, captureWait, volumes, objectLock }: PlanBackupDeps & { readonly objectLock: BackupPlan['objectLock'] },
): Promise<BackupPlan> {
  const wishes = wishesOf(run, settings);
  // Who asks for no snapshot depends on nothing that tells where volumes are.
  const logical = (wishes.requested ?? wishes.deploymentDefault) === 'logical';
  const looks = await lookAtParts(topology, settings, logical ? noVolumes : volumes);
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
    createdAt: clock.now().toISOString(),
    ...run.compression,
    parallel: settings.limits.parallel,
    requestedBy: run.requestedBy,
    labels: run.labels,
    ...(objectLock && { objectLock }),
    captureWait,
    parts: looks.map((look) => planPart(look, choice.method)),
  };
}

/** Whose wish the method is: a schedule's start carries its method as a person's does. */
function wishesOf(
  { method, requestedBy }: BackupRun,
  { method: deploymentDefault, schedules }: DeploymentSettings,
): MethodWishes {
  const schedule = scheduleOfRequester(requestedBy);
  const isOwn = schedule !== undefined && schedules?.[schedule]?.method === method;
  return { requested: method ?? undefined, deploymentDefault, ...(isOwn && { schedule }) };
}

/** @throws InvalidInput where nobody says for how long: better now than after hours of dump */
function lockOf(storage: StorageSettings, { name, retention }: DeploymentSettings): BackupPlan['objectLock'] {
  if (storage.type !== 's3' || storage.objectLock === undefined) return undefined;
  if (retention !== undefined) return { mode: storage.objectLock, days: retention.days };
  const message = `the storage ${storage.name} locks backups, and ${name} says not for how long`;
  throw new HoldfastError('InvalidInput', message, {
    next: `Add retention: { days: N } to deployments.${name}.`,
  });
}
