import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import type { Manifest, Method } from '../../domain/manifest.ts';
import { isFilesPart, partObjects, requireReachable } from '../../domain/manifest-parts.ts';
import { selectionOf } from '../../domain/namespace-selection.ts';
import { stateKeys } from '../../domain/names.ts';
import { makeOutcome } from '../../domain/outcome.ts';
import { isDirectoryTarget, isVolumeTarget } from '../../domain/restore-place.ts';
import type { RestoreEstimate } from '../../domain/restore-estimate.ts';
import { type RestoreRequest, restoreRequestSchema } from '../../domain/run.ts';
import {
  type RestorePlan,
  restorePlanSchema,
  restoreRunSchema,
  type RestoreSlices,
} from '../../domain/run-documents.ts';
import { type Timestamp, timestampToDate } from '../../domain/timestamp.ts';
import type { ScratchVolume, TargetVolume } from '../../domain/volume-target.ts';
import { grantedKeys } from '../../domain/volume-keys.ts';
import type { Settings } from '../../domain/settings.ts';
import { checkTarget } from '../../engine/restore/check-target.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { chooseRestore } from '../choose-restore.ts';
import { createDocument, createOrReadDocument, findDocument, sha256Hex } from '../documents.ts';
import { holdForRun, releaseHold } from '../holds.ts';
import { type PlannedScratch, planScratch } from '../plan-scratch.ts';
import { planVolume, type VolumeTargets, type VolumeToPlan } from '../plan-volume.ts';
import type { ArchivedSlice } from '../recovery-sources.ts';
import { markSettled } from '../settle-run.ts';
import { adoptConfig, decideOutcome, type OpenStorage, refuseWhenCancelled, storageOf } from '../run-folder.ts';
import { requireStored } from '../stored-objects.ts';
import {
  type DirectoryRequest,
  type DirectoryTargets,
  type OpenTarget,
  targetDigest,
  type TargetRequest,
} from '../restore-target.ts';

export const planRestoreInput = stepSchema.extend({
  startedAt: z.iso.datetime(),
  request: restoreRequestSchema,
});
type PlanRestoreInput = z.output<typeof planRestoreInput>;

export interface PlanRestoreDeps extends StepDeps {
  /** The installation's config as it is now; the run keeps a copy. */
  readonly settings: Settings;
  readonly openStorage: OpenStorage;
  readonly openTarget: OpenTarget;
  /** Left out where the worker is on another machine. */
  readonly directories?: DirectoryTargets;
  /** Left out where workers get no volume. */
  readonly volumeTargets?: VolumeTargets;
}

/** What a dry run ends with. */
export interface PlannedRestore {
  readonly status: 'planned';
  readonly deployment: string;
  readonly backupId: string;
  readonly target: string;
  /** Null for a standalone's snapshot, which is of its own time. */
  readonly restoreTime: Timestamp | null;
  readonly restoreTimeWall: string | null;
  /** Null where the target is no volume. */
  readonly volume: TargetVolume | null;
  /** The volume on which files become collections on their way to a server; null where they need none. */
  readonly scratch: ScratchVolume | null;
  readonly estimate: RestoreEstimate | null;
}

export interface PlanRestoreOutput {
  readonly backupId: string;
  readonly parts: readonly { readonly name: string }[];
  /** Whether nothing more is wanted than this plan. */
  readonly dryRun: boolean;
  readonly planned: PlannedRestore;
}

/** Finds the backup, looks at the target, that every object of the backup is there; writes the plan and nothing else. */
export async function planRestore(
  input: PlanRestoreInput,
  deps: PlanRestoreDeps,
  signal?: AbortSignal,
): Promise<PlanRestoreOutput> {
  const { runId } = input;
  await refuseWhenCancelled(deps.state, runId);
  const settings = await adoptConfig(deps.state, runId, deps.settings);
  await createOrReadDocument(deps.state, stateKeys.runRequest(runId), restoreRunSchema, {
    schemaVersion: 1,
    workflow: 'restore',
    startedAt: input.startedAt,
    requestedBy: input.request.requestedBy ?? 'unknown',
    request: input.request,
  });
  const plan =
    (await findDocument(deps.state, stateKeys.plan(runId), restorePlanSchema)) ??
    (await makePlan(input, settings, deps, signal));
  const dryRun = input.request.dryRun === true;
  if (dryRun) await endDryRun(runId, deps);
  const parts = plan.parts.map(({ name }) => ({ name }));
  return { backupId: plan.backupId, parts, dryRun, planned: describePlan(plan) };
}

/** Nothing comes after its plan: in this order, so that no sweep finishes what was never begun. */
async function endDryRun(runId: string, deps: PlanRestoreDeps): Promise<void> {
  await releaseHold(deps.state, runId);
  await markSettled(runId, 0, deps);
  await decideOutcome(deps.state, runId, makeOutcome('complete', 'completed', deps.clock.now()));
}

function describePlan(plan: RestorePlan): PlannedRestore {
  const { deployment, backupId, targetDescription: target, restoreTime = null } = plan;
  const { volume = null, scratch = null, estimate = null } = plan;
  const restoreTimeWall = restoreTime && timestampToDate(restoreTime).toISOString();
  return { status: 'planned', deployment, backupId, target, restoreTime, restoreTimeWall, volume, scratch, estimate };
}

/** Methods whose bases become a data directory, and by way of one are loaded into a running server. */
const recoverable: ReadonlySet<Method> = new Set(['logical', 'physical', 'snapshot']);
/** Methods whose bases a running server is restored from by themselves: preferred to files, which need a volume on their way. */
const loadable: ReadonlySet<Method> = new Set(['logical']);

async function makePlan(
  { runId, request }: PlanRestoreInput,
  settings: Settings,
  deps: PlanRestoreDeps,
  signal?: AbortSignal,
): Promise<RestorePlan> {
  const toDirectory = isDirectoryTarget(request.to);
  const toVolume = isVolumeTarget(request.to);
  requireVolumeTarget(request, deps);
  const methods = toVolume || toDirectory || deps.directories ? recoverable : loadable;
  const { entry, manifest, restoreTime, slices } = await chooseRestore(request, methods, { ...deps, settings });
  requireDeployment(manifest, request.deployment);
  const part = onlyPart(manifest);
  const chosen: VolumeToPlan = { runId, request, manifest, part, restoreTime, slices, keys: grantedKeys(settings) };
  const made = toVolume && deps.volumeTargets && (await planVolume(chosen, deps.volumeTargets));
  const scratch = toVolume || toDirectory ? undefined : await planWayToServer(chosen, deps);
  const target: TargetDescription = made
    ? made
    : toDirectory
      ? await describeDirectory(request, { manifest, part: part.name, runId }, restoreTime, deps)
      : await describeServer(manifest, { request, deployment: manifest.deployment, settings, runId, signal }, deps);
  const held = [{ storage: entry.storageName, backupId: manifest.backupId }];
  const storeOf = (name: string) => deps.openStorage(storageOf(settings, name));
  if (slices.length > 0)
    await holdForRun(deps.state, { run: runId, at: deps.clock.now().toISOString(), backups: held }, slices, storeOf);
  await requireStored(partObjects(part), entry.storage, signal);
  const archived = await writeSlices(runId, part.name, slices, deps);
  return createOrReadDocument(deps.state, stateKeys.plan(runId), restorePlanSchema, {
    schemaVersion: 1,
    kind: 'restore',
    runId,
    backupId: manifest.backupId,
    deployment: manifest.deployment,
    storage: entry.storageName,
    createdAt: deps.clock.now().toISOString(),
    target: target.digest,
    targetDescription: target.description,
    ...(restoreTime === null ? {} : { restoreTime }),
    requestedBy: request.requestedBy ?? 'unknown',
    request,
    ...(made && { volume: made.volume, estimate: made.estimate }),
    ...scratch,
    parts: [{ name: part.name, ...(archived === undefined ? {} : { slices: archived }) }],
  });
}

/**
 * Beside the plan, which every state reads: days of an archive are thousands of slices. Named after what is in it, so that
 * the plan that stands names its own, whoever else tried to make one.
 */
async function writeSlices(
  runId: string,
  part: string,
  slices: readonly ArchivedSlice[],
  { state }: PlanRestoreDeps,
): Promise<string | undefined> {
  if (slices.length === 0) return undefined;
  const named: RestoreSlices = {
    schemaVersion: 1,
    slices: slices.map(({ storage, key, from, to, entries, rawBytes, size }) => ({
      ...{ storage, key, from, to, entries, rawBytes, size },
    })),
  };
  const name = sha256Hex(JSON.stringify(named)).slice(0, 16);
  await createDocument(state, stateKeys.restoreSlices(runId, part, name), named);
  return name;
}

/** @throws UnknownBackup for a backup of another deployment than was named beside its id */
function requireDeployment({ backupId, deployment }: Manifest, named: string | undefined): void {
  if (named === undefined || named === deployment) return;
  throw new HoldfastError('UnknownBackup', `the backup ${backupId} is of ${deployment}, not of ${named}`);
}

/** @throws InvalidInput for a volume where none can be made, and for its options beside another target */
function requireVolumeTarget({ to, volume }: RestoreRequest, { volumeTargets }: PlanRestoreDeps): void {
  if (isVolumeTarget(to)) {
    if (volumeTargets) return;
    throw new HoldfastError('InvalidInput', 'a volume is a target on AWS only', {
      details: { where: 'to', given: to },
      next: 'Name a directory of this machine: --to ./data; a volume is made by the stage on AWS, which its API and its state machine restore start.',
    });
  }
  // Files may go to a server by way of one.
  if (volume !== undefined && (!volumeTargets || isDirectoryTarget(to)))
    throw noVolume('Write "to": "volume", or leave volume out.');
}

const noVolume = (next: string) =>
  new HoldfastError('InvalidInput', 'volume says what kind of volume is made; here none is', {
    details: { where: 'volume' },
    next,
  });

interface TargetDescription {
  readonly digest: string;
  readonly description: string;
}

async function describeServer(
  manifest: Manifest,
  target: TargetRequest,
  { openTarget }: PlanRestoreDeps,
): Promise<TargetDescription> {
  const { runId, request } = target;
  const part = onlyPart(manifest);
  const client = await openTarget(target);
  try {
    const { name } = await checkTarget(client, {
      ...{ manifest, part: part.name, runId, overwrite: request.overwrite, selection: selectionOf(request) },
    });
    return { description: name, digest: await targetDigest(client) };
  } finally {
    await client.close();
  }
}

/**
 * Files are laid and recovered before anything can be read from them: on this machine, or on a volume of the worker's.
 * @returns undefined where no volume is needed
 * @throws what {@link planScratch} and {@link DirectoryTargets.checkFiles} throw
 */
async function planWayToServer(
  { part, ...chosen }: VolumeToPlan,
  { directories, volumeTargets }: PlanRestoreDeps,
): Promise<PlannedScratch | undefined> {
  if (!isFilesPart(part)) {
    if (chosen.request.volume !== undefined)
      throw noVolume(
        'Leave volume out: the backup is a logical one, whose collections need none. Or name a physical backup, or a kept snapshot, by its id.',
      );
    return undefined;
  }
  const { manifest, restoreTime } = chosen;
  requireReachable(part, restoreTime, manifest.backupId);
  if (volumeTargets) return planScratch({ ...chosen, part }, volumeTargets);
  if (!directories) throw new HoldfastError('Internal', 'files have no room on their way to a server');
  await directories.checkFiles(manifest, part);
  return undefined;
}

/** @throws InvalidInput for what only a server has, and where no directory can be reached */
async function describeDirectory(
  request: RestoreRequest,
  restore: Pick<DirectoryRequest, 'manifest' | 'part' | 'runId'>,
  restoreTime: Timestamp | null,
  { directories }: PlanRestoreDeps,
): Promise<TargetDescription> {
  const { to: directory, overwrite, credentials, users, keepExpired } = request;
  const refuse = (message: string) => new HoldfastError('InvalidInput', message);
  if (!directories) throw refuse('A directory is a target of `holdfast restore` on the machine that holds it.');
  if (credentials !== undefined) throw refuse('A directory wants no credentials.');
  if (selectionOf(request)) throw refuse('A directory is a copy of the whole: collections are chosen for a server.');
  if (Array.isArray(users))
    throw refuse('A directory gets users and roles of every database: it is a copy of the whole.');
  if (keepExpired === true)
    throw refuse('In a directory nothing expires: start it with --setParameter ttlMonitorEnabled=false to look at it.');
  const digest = await directories.check({ ...restore, directory, restoreTime, overwrite });
  return { digest, description: directory };
}

/** @throws UnsupportedTopology for a backup of several parts, which needs as many targets */
function onlyPart(manifest: Manifest): Manifest['parts'][number] {
  const [part, ...others] = manifest.parts;
  if (part !== undefined && others.length === 0) return part;
  const names = manifest.parts.map(({ name }) => name).join(', ');
  throw new HoldfastError(
    'UnsupportedTopology',
    `the backup ${manifest.backupId} has the parts ${names}; this release restores backups of one replica set`,
  );
}
