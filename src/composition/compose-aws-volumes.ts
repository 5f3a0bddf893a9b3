import { Ec2RestoreVolumes } from '../adapters/aws/ec2-restore-volumes.ts';
import { openEc2 } from '../adapters/aws/service-clients.ts';
import type { VolumeTargets } from '../application/plan-volume.ts';
import type { RestoreVolumes } from '../application/ports/restore-volumes.ts';

interface StageEnvironment {
  readonly STAGE: string;
}

/** For functions that settle restores, and say what became of their volumes. */
export function composeRestoreVolumes({ STAGE: stage }: StageEnvironment): { readonly restoreVolumes: RestoreVolumes } {
  return { restoreVolumes: new Ec2RestoreVolumes({ client: openEc2(), stage }) };
}

/** For the function that plans restores. */
export function composeVolumeTargets(
  env: StageEnvironment & {
    readonly SUBNET_IDS: readonly string[];
    readonly VOLUME_TASK_DEFINITIONS: Readonly<Record<string, string>>;
  },
): { readonly volumeTargets: VolumeTargets } {
  const { restoreVolumes: volumes } = composeRestoreVolumes(env);
  const mongodbVersions = Object.keys(env.VOLUME_TASK_DEFINITIONS);
  return { volumeTargets: { volumes, stage: env.STAGE, subnets: env.SUBNET_IDS, mongodbVersions } };
}
