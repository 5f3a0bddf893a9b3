import { HoldfastError } from '../domain/errors.ts';
import type { FilesPart } from '../domain/manifest-parts.ts';
import { type EstimateInput, estimateRestore, requireTime, type RestoreEstimate } from '../domain/restore-estimate.ts';
import { selectionOf } from '../domain/namespace-selection.ts';
import { chooseMongod } from '../domain/server-version.ts';
import { performanceOf, type ScratchVolume, sizeOfVolume, type VolumeRequest } from '../domain/volume-target.ts';
import type { VolumeTargets, VolumeToPlan } from './plan-volume.ts';
import { noteOfKey, requireGranted } from './restore-keys.ts';
import { bytesNeeded, lookAtSource } from './volume-source.ts';

export interface PlannedScratch {
  readonly scratch: ScratchVolume;
  readonly estimate: RestoreEstimate;
}

export interface ScratchToPlan extends Pick<VolumeToPlan, 'request' | 'manifest' | 'slices' | 'keys'> {
  readonly part: FilesPart;
}

/**
 * The volume on which a worker recovers the files of a part and serves them, to load their collections into a running server: it is
 * made with the task and goes with it. Files of a physical base are laid on it, and their collections kept on it; of a kept snapshot it is
 * made, and the collections lie in the storage of the backup meanwhile. Makes nothing.
 * @throws InvalidInput, MongodUnavailable, ObjectNotFound (a snapshot that is gone or of no use), VolumeKeyUnavailable, TargetNotSuitable for
 *   what a task can't mount, no volume of one can hold, or it has no time for
 */
export async function planScratch(
  plan: ScratchToPlan,
  targets: Pick<VolumeTargets, 'volumes' | 'mongodbVersions'>,
): Promise<PlannedScratch> {
  const { request, manifest, part, slices } = plan;
  const wanted = request.volume ?? {};
  refusePlaces(wanted);
  requireGranted(plan);
  const mongodbVersion = chooseMongod(targets.mongodbVersions, manifest.serverVersion);
  const { snapshot, look, filesystem, dataPath } = await lookAtSource(part, wanted, targets.volumes);
  const keyNote = noteOfKey({ snapshot, look }, plan);
  // The files once, and once more as collections.
  const sizeGiB = sizeOfVolume(wanted, { bytes: 2 * bytesNeeded(part, slices), snapshotGiB: look?.sizeGiB ?? null });
  const scratch: ScratchVolume = {
    ...{ sizeGiB, mongodbVersion, ...performanceOf(wanted, sizeGiB), filesystem, kmsKey: wanted.kmsKey ?? null },
    ...{ snapshot, initialization: wanted.initialization ?? 'lazy', dataPath: snapshot === null ? '' : dataPath },
  };
  const { rawBytes } = part.base;
  const stored = look?.storedBytes ?? rawBytes;
  const input: EstimateInput = {
    // A snapshot's size is that of its volume: the files are what it holds.
    ...{ volume: scratch, rawBytes: Math.min(rawBytes, stored), snapshotBytes: stored, toServer: true },
    entries: [...(part.oplog?.slices ?? []), ...slices].reduce((sum, { entries }) => sum + entries, 0),
  };
  // Where EBS doesn't say what a snapshot holds, it may be far less than its volume's size.
  if (snapshot === null || typeof look?.storedBytes === 'number')
    requireTime(input, selectionOf(request) !== undefined);
  const estimated = estimateRestore(input);
  const notes = snapshot === null ? keyNote : [meanwhile, ...keyNote];
  const initializations = estimated.initializations.filter(({ initialization }) => initialization !== 'fast');
  return { scratch, estimate: { ...estimated, initializations, assumptions: [...estimated.assumptions, ...notes] } };
}

const meanwhile =
  'The collections lie compressed in the storage of the backup until the run is over; a bucket with versions keeps and bills them for as long as its lifecycle says.';

/** Which zone its task is in nobody knows, nor is anything to be found there afterwards. */
function refusePlaces({ zone, attach, initialization }: VolumeRequest): void {
  const refuse = (where: string, why: string) =>
    new HoldfastError('InvalidInput', `the volume goes with its worker, which is in any zone of the stage: ${why}`, {
      details: { where: `volume.${where}` },
      next: `Leave ${where} out.`,
    });
  if (zone !== undefined) throw refuse('zone', 'it has none of its own');
  if (attach !== undefined) throw refuse('attach', 'there is nothing to attach');
  if (initialization === 'fast') throw refuse('initialization', 'fast snapshot restore is of one zone');
}
