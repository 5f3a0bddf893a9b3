import { HoldfastError } from '../domain/errors.ts';
import type { Manifest, ManifestPart } from '../domain/manifest.ts';
import { requireReachable } from '../domain/manifest-parts.ts';
import { resourceTags } from '../domain/names.ts';
import { selectionOf } from '../domain/namespace-selection.ts';
import { type EstimateInput, estimateRestore, requireTime, type RestoreEstimate } from '../domain/restore-estimate.ts';
import type { RestoreRequest } from '../domain/run.ts';
import { chooseMongod } from '../domain/server-version.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import {
  chooseZone,
  deviceKey,
  performanceOf,
  sameDevice,
  sizeOfVolume,
  type TargetVolume,
  type VolumeRequest,
} from '../domain/volume-target.ts';
import { sha256Hex } from './documents.ts';
import type { RestoreVolumes } from './ports/restore-volumes.ts';
import type { ArchivedSlice } from './recovery-sources.ts';
import { noteOfKey, requireGranted } from './restore-keys.ts';
import { bytesNeeded, lookAtSource, unsuitable } from './volume-source.ts';

/** Volumes as targets of restores, where the workers get one: on AWS. */
export interface VolumeTargets {
  readonly volumes: RestoreVolumes;
  readonly stage: string;
  /** In which the stage starts workers. */
  readonly subnets: readonly string[];
  /** Of the mongods that there are images of. */
  readonly mongodbVersions: readonly string[];
}

export interface VolumeToPlan {
  readonly request: RestoreRequest;
  readonly runId: string;
  readonly manifest: Manifest;
  readonly part: ManifestPart;
  /** Null for a standalone's snapshot, which is of its own time. */
  readonly restoreTime: Timestamp | null;
  /** Of the archive, after the backup's own. */
  readonly slices: readonly ArchivedSlice[];
  /** ARNs of the KMS keys that the stage's roles may use on volumes. */
  readonly keys: readonly string[];
}

export interface PlannedTarget {
  /** What the lease on the target is named after. */
  readonly digest: string;
  readonly description: string;
  readonly volume: TargetVolume;
  readonly estimate: RestoreEstimate;
}

/**
 * Everything that can be known beforehand of a volume as the target of a part: which one is made, where, with which mongod,
 * how long that takes and what it costs. Makes nothing.
 * @throws InvalidInput, MongodUnavailable, ObjectNotFound (a snapshot that is gone or of no use), TargetNotSuitable,
 *   TargetUnreachable, VolumeKeyUnavailable
 */
export async function planVolume(plan: VolumeToPlan, targets: VolumeTargets): Promise<PlannedTarget> {
  const { request, runId, manifest, part, restoreTime, slices } = plan;
  refuseServerOptions(request);
  requireReachable(part, restoreTime, manifest.backupId);
  const wanted = request.volume ?? {};
  const mongodbVersion = chooseMongod(targets.mongodbVersions, manifest.serverVersion);
  requireGranted(plan);
  const source = await lookAtSource(part, wanted, targets.volumes);
  const keyNote = noteOfKey(source, plan);
  const { zone, subnet } = await placeVolume(part, wanted, targets);
  const bytes = bytesNeeded(part, slices);
  const sizeGiB = sizeOfVolume(wanted, { bytes, snapshotGiB: source.look?.sizeGiB ?? null });
  const volume: TargetVolume = {
    ...{ zone, subnet, sizeGiB, mongodbVersion, ...performanceOf(wanted, sizeGiB) },
    filesystem: source.filesystem,
    kmsKey: wanted.kmsKey ?? null,
    snapshot: source.snapshot,
    initialization: wanted.initialization ?? 'lazy',
    dataPath: source.dataPath,
    attach: wanted.attach ?? null,
  };
  const oplog = [...(part.oplog?.slices ?? []), ...slices];
  const note = await fastRestoreNote(volume, request.dryRun === true, targets.volumes);
  const input: EstimateInput = {
    volume,
    rawBytes: part.base.rawBytes,
    snapshotBytes: source.look?.storedBytes ?? sizeGiB * 2 ** 30,
    entries: oplog.reduce((sum, { entries }) => sum + entries, 0),
  };
  requireTime(input);
  const estimated = estimateRestore(input);
  const estimate = { ...estimated, assumptions: [...estimated.assumptions, ...note, ...keyNote] };
  const { attach } = volume;
  const to = attach === null ? `run\n${runId}` : `device\n${deviceKey(attach)}`;
  const kind = `${volume.sizeGiB} GiB ${volume.type} in ${zone}`;
  const description = attach === null ? `a new volume, ${kind}` : `a new volume, ${kind}, for ${attach.instance}`;
  return { digest: sha256Hex(`volume\n${to}`), description, volume, estimate };
}

/**
 * Fast snapshot restore is switched on by whoever pays for it, by the hour: a run that dies could leave it on.
 * @returns what has to be done first, for a dry run
 * @throws TargetNotSuitable where it is not on
 */
async function fastRestoreNote(
  { initialization, snapshot, zone }: TargetVolume,
  dryRun: boolean,
  volumes: RestoreVolumes,
): Promise<readonly string[]> {
  if (initialization !== 'fast' || snapshot === null) return [];
  const state = await volumes.fastRestore(snapshot, zone);
  if (state === 'enabled') return [];
  const at = `--availability-zones ${zone} --source-snapshot-ids ${snapshot}`;
  const message = `Fast snapshot restore of ${snapshot} is ${state ?? 'off'} in ${zone}.`;
  const next =
    state === 'enabling' || state === 'optimizing'
      ? `Wait until it is enabled: aws ec2 describe-fast-snapshot-restores --filters Name=snapshot-id,Values=${snapshot}`
      : `Switch it on first: aws ec2 enable-fast-snapshot-restores ${at}; and off after the restore: it is billed by the hour.`;
  if (dryRun) return [`${message} ${next}`];
  throw unsuitable(message, next);
}

/** A volume is a copy of the whole, and nothing runs on it that anyone could log in to. */
function refuseServerOptions(request: RestoreRequest): void {
  const refuse = (where: string, message: string) =>
    new HoldfastError('InvalidInput', message, { details: { where }, next: `Leave ${where} out.` });
  if (request.credentials !== undefined) throw refuse('credentials', 'a volume wants no credentials');
  if (request.overwrite !== undefined)
    throw refuse('overwrite', 'a volume is always a new one: there is nothing to overwrite');
  if (request.keepExpired === true)
    throw refuse('keepExpired', 'on a volume nothing expires before a mongod is started on it');
  if (selectionOf(request) || Array.isArray(request.users))
    throw new HoldfastError('InvalidInput', 'a volume is a copy of the whole, users and roles included', {
      next: 'Leave namespaces, renames and users out; restore to a server to choose among them.',
    });
}

async function placeVolume(part: ManifestPart, wanted: VolumeRequest, { volumes, subnets, stage }: VolumeTargets) {
  const [zones, ofInstance, ofSource] = await Promise.all([
    volumes.zonesOf(subnets),
    requireInstance(wanted, volumes, stage),
    zoneOfSource(part, volumes),
  ]);
  return chooseZone(wanted, { subnets: zones, ofInstance, ofSource });
}

async function zoneOfSource({ base }: ManifestPart, volumes: RestoreVolumes): Promise<string | undefined> {
  if (base.method === 'logical' || base.snapshot.type !== 'ebs') return undefined;
  const [first] = base.snapshot.snapshots;
  return first && volumes.zoneOfVolume(first.volume);
}

/** @returns its zone; undefined where nothing is to be attached */
async function requireInstance(
  { attach }: VolumeRequest,
  volumes: RestoreVolumes,
  stage: string,
): Promise<string | undefined> {
  if (attach === undefined) return undefined;
  const { instance, device } = attach;
  const found = await volumes.findInstance(instance);
  if (found === undefined)
    throw unsuitable(
      `There is no instance ${instance} in this region.`,
      'Correct attach.instance, or leave attach out.',
    );
  if (!found.ofStage)
    throw unsuitable(
      `The instance ${instance} is not tagged as one that this stage may attach volumes to.`,
      `Tag it: aws ec2 create-tags --resources ${instance} --tags Key=${resourceTags.stage},Value=${stage}; or leave attach out.`,
    );
  if (found.state !== 'running' && found.state !== 'stopped')
    throw unsuitable(`The instance ${instance} is ${found.state}.`, 'Start it, name another, or leave attach out.');
  if (!found.devices.some((used) => sameDevice(used, device))) return found.zone;
  throw unsuitable(
    `The device ${device} of ${instance} is in use; in use are ${found.devices.join(', ')}.`,
    'Name a device that is free, or leave attach out and attach the volume yourself.',
  );
}
