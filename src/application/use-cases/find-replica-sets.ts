import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { membersAway, readableMembers } from '../../domain/member-choice.ts';
import type { DeploymentSettings, Settings } from '../../domain/settings.ts';
import { withinLimit } from '../archive-limit.ts';
import { endFailedLooks, noteFailedLook, type StallDeps } from '../archive-stall.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import { deploymentOf } from '../run-folder.ts';

export const findReplicaSetsInput = z.strictObject({ deployment: z.string() });

export interface FindReplicaSetsDeps extends StallDeps {
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

/** Seconds: the least that a turn is given. */
const lookSeconds = 30;

/**
 * The replica sets of a deployment whose oplog is archived; none when its archive is off. A failure counts as a turn that came
 * no further, which is told when it lasts.
 * @throws UnknownDeployment, UnsupportedTopology, NoEligibleMember, StepTimedOut, what looking at the deployment throws
 */
export async function findReplicaSets(
  { deployment: name }: z.output<typeof findReplicaSetsInput>,
  deps: FindReplicaSetsDeps,
  signal?: AbortSignal,
): Promise<{ readonly sets: readonly ArchivedReplicaSet[] }> {
  const deployment = deploymentOf(deps.settings, name);
  if (deployment.oplogArchive?.enabled !== true) return { sets: [] };
  try {
    const sets = await withinLimit(lookSeconds, signal, (limited) => look(deployment, deps, limited));
    endFailedLooks(name, deps);
    return { sets };
  } catch (error) {
    // Who ends a turn knows why.
    if (signal?.aborted !== true) await noteFailedLook(name, error, deps);
    throw error;
  }
}

async function look(
  deployment: DeploymentSettings,
  { inspector }: FindReplicaSetsDeps,
  signal: AbortSignal,
): Promise<ArchivedReplicaSet[]> {
  const { name } = deployment;
  const { kind, parts } = await inspector.inspect(deployment, signal);
  if (kind !== 'replicaSet')
    throw new HoldfastError(
      'UnsupportedTopology',
      `Deployment ${name} is ${kind === 'sharded' ? 'a sharded cluster' : 'a standalone, which has no oplog'}: its oplog can't be archived.`,
    );
  return parts.map((part) => {
    const { replicaSet, replicaSetId } = part;
    if (replicaSet === null || replicaSetId === null)
      throw new HoldfastError('UnsupportedTopology', `The replica set of deployment ${name} has no id.`);
    const members = readableMembers(part, deployment.member).map(({ host }) => host);
    return { replicaSet, replicaSetId, members, away: membersAway(part, deployment.member) };
  });
}
