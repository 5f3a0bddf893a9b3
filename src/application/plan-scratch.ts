import { HoldfastError } from '../domain/errors.ts';
import type { FilesPart } from '../domain/manifest-parts.ts';
import { isPhysicalPart } from '../domain/manifest-parts.ts';
import { estimateRestore, type RestoreEstimate } from '../domain/restore-estimate.ts';
import { chooseMongod } from '../domain/server-version.ts';
import { performanceOf, type ScratchVolume, sizeOfVolume } from '../domain/volume-target.ts';
import type { VolumeTargets, VolumeToPlan } from './plan-volume.ts';
import { bytesNeeded } from './volume-source.ts';

export interface PlannedScratch {
  readonly scratch: ScratchVolume;
  readonly estimate: RestoreEstimate;
}

export interface ScratchToPlan extends Pick<VolumeToPlan, 'manifest' | 'slices'> {
  readonly part: FilesPart;
}

/**
 * The volume on which a worker lays the files of a part, recovers them and keeps their collections while it loads them into a
 * running server: it is made with the task and goes with it. Makes nothing.
 * @throws MethodNotAvailable for a kept snapshot, MongodUnavailable, TargetNotSuitable for what no volume of a task can hold
 */
export function planScratch(
  { manifest, part, slices }: ScratchToPlan,
  targets: Pick<VolumeTargets, 'mongodbVersions'>,
): PlannedScratch {
  if (!isPhysicalPart(part)) throw keptSnapshot(part);
  const mongodbVersion = chooseMongod(targets.mongodbVersions, manifest.serverVersion);
  // The files once, and once more as collections.
  const sizeGiB = sizeOfVolume({}, { bytes: 2 * bytesNeeded(part, slices), snapshotGiB: null });
  const scratch: ScratchVolume = {
    ...{ sizeGiB, mongodbVersion, ...performanceOf({}, sizeGiB) },
    ...{ filesystem: 'xfs', kmsKey: null, snapshot: null, initialization: 'lazy', dataPath: '' },
  };
  const estimate = estimateRestore({
    volume: scratch,
    rawBytes: part.base.rawBytes,
    snapshotBytes: 0,
    entries: [...part.oplog.slices, ...slices].reduce((sum, { entries }) => sum + entries, 0),
    toServer: true,
  });
  return { scratch, estimate };
}

function keptSnapshot({ name }: FilesPart): HoldfastError {
  return new HoldfastError(
    'MethodNotAvailable',
    `The part ${name} is a snapshot that is kept: on AWS it is restored to a volume, and not loaded into a running server.`,
    {
      next: 'Restore it to a volume ("to": "volume") and start mongod on that; or restore a physical or logical backup.',
    },
  );
}
