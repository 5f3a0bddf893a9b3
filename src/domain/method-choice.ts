import { HoldfastError } from './errors.ts';
import type { Method } from './manifest.ts';
import type { Topology } from './topology.ts';

export interface MethodChoice {
  readonly method: Method;
  /** Why this one, for people: on the plan and on the backup. */
  readonly reason: string;
}

export interface MethodWishes {
  /** What this backup was asked for. */
  readonly requested?: Method | undefined;
  /** What the config says for the deployment. */
  readonly deploymentDefault?: Method | undefined;
}

/** What this release carries out; the others are refused until it does. */
export const availableMethods: readonly Method[] = ['logical'];

function refuse(message: string, next: string): never {
  throw new HoldfastError('MethodNotAvailable', message, { next });
}

function chooseForStandalone(wished: Method | undefined): never {
  if (wished !== undefined && wished !== 'snapshot') {
    refuse(
      `A standalone has no oplog, so ${wished} cannot be made consistent: its only method is snapshot.`,
      'Leave the method out, or make the standalone a replica set of one member.',
    );
  }
  return refuse(
    'The method of a standalone is snapshot, and snapshot is not in this release.',
    'Make the standalone a replica set of one member (with member.allowPrimary: true), which can be backed up by logical.',
  );
}

/**
 * Chooses how a deployment is backed up: a standalone by snapshot, always; a replica set as asked, else as the config
 * says, else logical.
 * @throws MethodNotAvailable; UnsupportedTopology for a sharded cluster, which is not in this release.
 */
export function chooseMethod(topology: Pick<Topology, 'kind'>, wishes: MethodWishes = {}): MethodChoice {
  const wished = wishes.requested ?? wishes.deploymentDefault;
  switch (topology.kind) {
    case 'sharded':
      throw new HoldfastError('UnsupportedTopology', 'Sharded clusters are not in this release.', {
        next: 'Back up standalone replica sets; a shard alone would not be consistent with the others.',
      });
    case 'standalone':
      return chooseForStandalone(wished);
    case 'replicaSet':
      break;
  }
  if (wished === undefined) {
    return { method: 'logical', reason: 'neither request nor config names one, and this release has logical only' };
  }
  if (!availableMethods.includes(wished)) {
    refuse(`The method ${wished} is not in this release.`, `Ask for ${availableMethods.join(' or ')}.`);
  }
  const reason = wishes.requested === undefined ? 'the default of the deployment in the config' : 'asked for';
  return { method: wished, reason };
}
