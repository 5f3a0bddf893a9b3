import { HoldfastError } from '../domain/errors.ts';
import type { ManifestPart } from '../domain/manifest.ts';
import { isLogicalPart, isPhysicalPart } from '../domain/manifest-parts.ts';
import type { TargetVolume, VolumeRequest } from '../domain/volume-target.ts';
import { neededBytes } from '../engine/recover/target-directory.ts';
import type { RestoreVolumes, SnapshotLook } from './ports/restore-volumes.ts';
import type { ArchivedSlice } from './recovery-sources.ts';

/** What a volume is made from. */
export interface VolumeSource {
  /** Null for an empty volume. */
  readonly snapshot: string | null;
  readonly look: SnapshotLook | null;
  readonly filesystem: TargetVolume['filesystem'];
  readonly dataPath: string;
}

/**
 * Looks at what a part's volume is made from: nothing, or its one kept snapshot.
 * @throws InvalidInput for what was asked of it and can't be, ObjectNotFound (a snapshot that is gone or of no use), TargetNotSuitable
 */
export async function lookAtSource(
  { name, base }: ManifestPart,
  wanted: VolumeRequest,
  volumes: RestoreVolumes,
): Promise<VolumeSource> {
  if (base.method !== 'snapshot') {
    if (wanted.initialization !== undefined)
      throw new HoldfastError(
        'InvalidInput',
        `the part ${name} is a ${base.method} base: there are no blocks of a snapshot to load`,
        {
          details: { where: 'volume.initialization', given: wanted.initialization },
          next: 'Leave initialization out.',
        },
      );
    // Where the source has it in its own volume, so that the new one can take its place.
    const dataPath = base.method === 'physical' && base.snapshot.type === 'ebs' ? base.snapshot.dataPath : '';
    return { snapshot: null, look: null, filesystem: wanted.filesystem ?? 'xfs', dataPath: within(dataPath) };
  }
  const { type, snapshots, filesystem, dataPath } = base.snapshot;
  if (type !== 'ebs')
    throw unsuitable(
      `The snapshot of ${name} is a copy in a directory, not a snapshot of EBS.`,
      'Restore it on the machine that keeps it.',
    );
  const [only, ...others] = snapshots;
  if (only === undefined || others.length > 0)
    throw severalVolumes(
      name,
      snapshots.map(({ id }) => id),
    );
  if (filesystem !== 'xfs' && filesystem !== 'ext4' && filesystem !== 'ext3')
    throw unsuitable(
      filesystem === null
        ? `No task can mount the volume of ${name}: there are partitions, LVM, RAID or LUKS on it, or a file system other than xfs, ext4 and ext3.`
        : `The volume of ${name} has the file system ${filesystem}: a task mounts xfs, ext4 and ext3.`,
      `Make a volume of it yourself: aws ec2 create-volume --snapshot-id ${only.id} --availability-zone ZONE`,
    );
  if (wanted.filesystem !== undefined && wanted.filesystem !== filesystem)
    throw new HoldfastError('InvalidInput', `the snapshot of ${name} has the file system ${filesystem}`, {
      details: { where: 'volume.filesystem', given: wanted.filesystem },
      next: 'Leave filesystem out.',
    });
  const look = requireUsable(only.id, await volumes.findSnapshot(only.id));
  return { snapshot: only.id, look, filesystem, dataPath: within(dataPath) };
}

function requireUsable(id: string, look: SnapshotLook | undefined): SnapshotLook {
  if (look?.state === 'completed') return look;
  throw new HoldfastError(
    'ObjectNotFound',
    look === undefined
      ? `The snapshot ${id} of the backup is gone.`
      : `The snapshot ${id} of the backup can't be used: EBS calls it ${look.state}.`,
    {
      details: { key: id },
      next:
        look === undefined
          ? 'Look for it in the Recycle Bin of the region; else restore from another backup.'
          : `Look at it: aws ec2 describe-snapshots --snapshot-ids ${id}. A pending one is usable once it is completed.`,
    },
  );
}

function severalVolumes(name: string, ids: readonly string[]): HoldfastError {
  return unsuitable(
    `The data of ${name} lies on ${ids.length} volumes (${ids.join(', ')}): a task gets one.`,
    'Restore from a physical or logical backup; or make a volume of each yourself (aws ec2 create-volume --snapshot-id ID --availability-zone ZONE), all in one zone, and mount them as at the source.',
  );
}

export const unsuitable = (message: string, next: string) => new HoldfastError('TargetNotSuitable', message, { next });

/** @throws TargetNotSuitable for a path that leads out of the volume */
function within(dataPath: string): string {
  if (!dataPath.split('/').includes('..') && !dataPath.startsWith('/')) return dataPath;
  throw unsuitable(`The data directory ${dataPath} lies outside of its volume.`, 'Restore from another backup.');
}

/** What the files and their recovery take, of a volume that is empty at first. */
export function bytesNeeded(part: ManifestPart, slices: readonly ArchivedSlice[]): number {
  const archived = slices.map((slice) => ({ slice }));
  // A snapshot's files have their room; whether the oplog has, only the volume itself can say.
  return isLogicalPart(part) || isPhysicalPart(part) ? neededBytes(part, archived) : 0;
}
