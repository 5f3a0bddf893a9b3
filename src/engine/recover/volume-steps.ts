import { join } from 'node:path';
import type { RestoreResult } from '../../domain/restore-result.ts';
import type { TargetVolume } from '../../domain/volume-target.ts';
import { describeSteps } from './hand-over-steps.ts';

/** Where the steps mount it: the dbPath of MongoDB's own packages. */
const mountPoint = '/var/lib/mongodb';

export interface VolumeStepsInput {
  readonly planned: TargetVolume;
  /** `vol-…` */
  readonly id: string;
  readonly attached: boolean;
  readonly files: NonNullable<RestoreResult['files']>;
}

/** What remains when a volume is ready, as commands with real ids where it is one. */
export function describeVolumeSteps({ planned, id, attached, files }: VolumeStepsInput): string[] {
  const { zone, attach, filesystem, snapshot, dataPath } = planned;
  const { instance = 'INSTANCE', device = '/dev/sdf' } = attach ?? {};
  // As Nitro instances show it; the volume's id is the serial number of the device.
  const path = `/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${id.replace('-', '')}`;
  // A copy of a file system has the id of the first, which may be mounted on the same machine.
  const options = snapshot !== null && filesystem === 'xfs' ? ' -o nouuid' : '';
  return [
    ...(attached
      ? []
      : [
          `Attach it to the node, which must be in ${zone}: aws ec2 attach-volume --volume-id ${id} --instance-id ${instance} --device ${device}`,
        ]),
    `Mount it on the node: mount -t ${filesystem}${options} ${path} ${mountPoint} (lsblk -o NAME,SERIAL shows the device of serial number ${id.replace('-', '')})`,
    ...describeSteps(join(mountPoint, dataPath), files, files.layout),
  ];
}
