import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { membersAway, readableMembers } from '../../domain/member-choice.ts';
import type { Settings } from '../../domain/settings.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import { deploymentOf } from '../run-folder.ts';

export const findReplicaSetsInput = z.strictObject({ deployment: z.string() });

export interface FindReplicaSetsDeps {
  readonly settings: Settings;
  readonly inspector: DeploymentInspector;
}

/** A replica set whose oplog is archived, and who may be read for it. */
export interface ArchivedReplicaSet {
  readonly replicaSet: string;
  readonly replicaSetId: string;
  /** host:port, in the order in which they are asked. */
  readonly members: readonly string[];
  /** Those that can't be read just now, and that may hold what the others have forgotten: who, and why not. */
  readonly away: readonly string[];
}

/**
 * The replica sets of a deployment whose oplog is archived; none when its archive is off.
 * @throws UnknownDeployment, UnsupportedTopology, NoEligibleMember, what looking at the deployment throws
 */
export async function findReplicaSets(
  { deployment: name }: z.output<typeof findReplicaSetsInput>,
  { settings, inspector }: FindReplicaSetsDeps,
  signal?: AbortSignal,
): Promise<{ readonly sets: readonly ArchivedReplicaSet[] }> {
  const deployment = deploymentOf(settings, name);
  if (deployment.oplogArchive?.enabled !== true) return { sets: [] };
  const { kind, parts } = await inspector.inspect(deployment, signal);
  if (kind !== 'replicaSet')
    throw new HoldfastError(
      'UnsupportedTopology',
      `Deployment ${name} is ${kind === 'sharded' ? 'a sharded cluster' : 'a standalone, which has no oplog'}: its oplog can't be archived.`,
    );
  const sets = parts.map((part) => {
    const { replicaSet, replicaSetId } = part;
    if (replicaSet === null || replicaSetId === null)
      throw new HoldfastError('UnsupportedTopology', `The replica set of deployment ${name} has no id.`);
    const members = readableMembers(part, deployment.member).map(({ host }) => host);
    return { replicaSet, replicaSetId, members, away: membersAway(part, deployment.member) };
  });
  return { sets };
}
