import type { FilesPart } from '../domain/manifest-parts.ts';
import { estimateRestore, type RestoreEstimate } from '../domain/restore-estimate.ts';
import { chooseMongod } from '../domain/server-version.ts';
import { performanceOf, type ScratchVolume, sizeOfVolume } from '../domain/volume-target.ts';
import type { VolumeTargets, VolumeToPlan } from './plan-volume.ts';
import { noteOfKey } from './restore-keys.ts';
import { bytesNeeded, lookAtSource } from './volume-source.ts';

export interface PlannedScratch {
  readonly scratch: ScratchVolume;
  readonly estimate: RestoreEstimate;
}

export interface ScratchToPlan extends Pick<VolumeToPlan, 'request' | 'manifest' | 'slices' | 'keys'> {
  readonly part: FilesPart;
}

/** What nobody has to choose for hours of work. */
const usual = {} as const;

/**
 * The volume on which a worker recovers the files of a part and serves them, to load their collections into a running server: it is
 * made with the task and goes with it. Files of a physical base are laid on it, and their collections kept on it; of a kept snapshot it is
 * made, and the collections lie in the storage of the backup meanwhile. Makes nothing.
 * @throws MongodUnavailable, ObjectNotFound (a snapshot that is gone or of no use), VolumeKeyUnavailable, TargetNotSuitable for
 *   what a task can't mount, or no volume of one can hold
 */
export async function planScratch(
  plan: ScratchToPlan,
  targets: Pick<VolumeTargets, 'volumes' | 'mongodbVersions'>,
): Promise<PlannedScratch> {
  const { manifest, part, slices } = plan;
  const mongodbVersion = chooseMongod(targets.mongodbVersions, manifest.serverVersion);
  const { snapshot, look, filesystem, dataPath } = await lookAtSource(part, usual, targets.volumes);
  const keyNote = noteOfKey({ snapshot, look }, plan);
  // The files once, and once more as collections.
  const sizeGiB = sizeOfVolume(usual, { bytes: 2 * bytesNeeded(part, slices), snapshotGiB: look?.sizeGiB ?? null });
  const scratch: ScratchVolume = {
    ...{ sizeGiB, mongodbVersion, ...performanceOf(usual, sizeGiB), filesystem, kmsKey: null, snapshot },
    ...{ initialization: 'lazy', dataPath: snapshot === null ? '' : dataPath },
  };
  const { rawBytes } = part.base;
  const stored = look?.storedBytes ?? rawBytes;
  const estimated = estimateRestore({
    // A snapshot's size is that of its volume: the files are what it holds.
    ...{ volume: scratch, rawBytes: Math.min(rawBytes, stored), snapshotBytes: stored, toServer: true },
    entries: [...(part.oplog?.slices ?? []), ...slices].reduce((sum, { entries }) => sum + entries, 0),
  });
  const notes = snapshot === null ? keyNote : [meanwhile, ...keyNote];
  return { scratch, estimate: { ...estimated, assumptions: [...estimated.assumptions, ...notes] } };
}

const meanwhile =
  'The collections lie compressed in the storage of the backup until the run is over; a bucket with versions keeps and bills them for as long as its lifecycle says.';
