import { HoldfastError } from './errors.ts';
import type { Method } from './manifest.ts';
import type { Topology } from './topology.ts';

export interface MethodChoice {
  readonly method: Method;
  /** Why this one, for people: on the plan and on the backup. */
  readonly reason: string;
}

export interface MethodWishes {
  /** What this backup was asked for, by a person or by its schedule. */
  readonly requested?: Method | undefined;
  /** The schedule that asked, where its own method is the one that is requested. */
  readonly schedule?: string | undefined;
  /** What the config says for the deployment. */
  readonly deploymentDefault?: Method | undefined;
}

/** Whether the volumes under the members to read can be snapshotted, and why, or why not: for people. */
export interface VolumeVerdict {
  readonly usable: boolean;
  readonly reason: string;
}

const unknownVolume: VolumeVerdict = { usable: false, reason: 'no volume is named' };

function chooseForStandalone(wished: Method | undefined): MethodChoice {
  if (wished === undefined || wished === 'snapshot') {
    return { method: 'snapshot', reason: 'the only method of a standalone: it has no oplog' };
  }
  throw new HoldfastError(
    'MethodNotAvailable',
    `A standalone has no oplog, so ${wished} cannot be made consistent: its only method is snapshot.`,
    { next: 'Leave the method out, or make the standalone a replica set of one member.' },
  );
}

/**
 * Chooses how a deployment is backed up: a standalone by snapshot, always; a replica set as asked, else as its
 * schedule says, else as the config says, else physical where a volume can be snapshotted, else logical.
 * @param volume what was found under the members; whether a method that needs one can have it is the planner's to refuse
 * @throws MethodNotAvailable; UnsupportedTopology for a sharded cluster, which is not in this release.
 */
export function chooseMethod(
  topology: Pick<Topology, 'kind'>,
  wishes: MethodWishes = {},
  volume: VolumeVerdict = unknownVolume,
): MethodChoice {
  const { requested, schedule, deploymentDefault } = wishes;
  switch (topology.kind) {
    case 'sharded':
      throw new HoldfastError('UnsupportedTopology', 'Sharded clusters are not in this release.', {
        next: 'Back up standalone replica sets; a shard alone would not be consistent with the others.',
      });
    case 'standalone':
      return chooseForStandalone(requested ?? deploymentDefault);
    case 'replicaSet':
      break;
  }
  if (requested !== undefined) {
    return {
      method: requested,
      reason: schedule === undefined ? 'asked for' : `the method of the schedule ${schedule}`,
    };
  }
  if (deploymentDefault !== undefined) {
    return { method: deploymentDefault, reason: 'the default of the deployment in the config' };
  }
  return volume.usable
    ? { method: 'physical', reason: `neither request nor config names one, and a volume was found: ${volume.reason}` }
    : {
        method: 'logical',
        reason: `neither request nor config names one, and no volume can be used: ${volume.reason}`,
      };
}
