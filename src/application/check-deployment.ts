import { hasEbsVolumes } from '../domain/ebs-settings.ts';
import type { HoldfastError } from '../domain/errors.ts';
import { asHoldfastError, type FailureRecord, failureRecord } from '../domain/failure.ts';
import type { Method } from '../domain/manifest.ts';
import type { MemberVerdict } from '../domain/member-choice.ts';
import { chooseMethod, type MethodChoice, type MethodWishes } from '../domain/method-choice.ts';
import { backupRole, roleCommands, suggestedUsers } from '../domain/privileges.ts';
import type { DeploymentSettings } from '../domain/settings.ts';
import type { Topology } from '../domain/topology.ts';
import type { OpenMember } from './release-locks.ts';
import { requireOwnVolume } from './own-volume.ts';
import { lookAtParts, noVolumes, type PartOutlook, planPart, volumeVerdict } from './plan-parts.ts';
import type { DeploymentInspector } from './ports/deployment-inspector.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';

export interface CheckDeploymentDeps {
  readonly inspector: DeploymentInspector;
  readonly volumes: Pick<VolumeSnapshots, 'find' | 'openedBy'>;
  readonly openMember: OpenMember;
  /** Why nobody can look for EBS volumes from here, and what to do; left out where somebody can. */
  readonly volumesUnseen?: string;
}

export interface PartCheck {
  readonly name: string;
  readonly member: string;
  readonly memberReason: string;
  /** What would be snapshotted, and how it was found; null when nothing would be. */
  readonly volume: string | null;
  /** Whether the member would be locked against writes meanwhile. */
  readonly lock: boolean;
  readonly warnings: readonly string[];
  readonly verdicts: readonly MemberVerdict[];
}

export interface DeploymentCheck {
  readonly name: string;
  readonly kind: Topology['kind'] | null;
  readonly serverVersion: string | null;
  /** What a backup would do now that nobody asks a method of; null when it could not be found out, or none is possible. */
  readonly method: MethodChoice | null;
  readonly parts: readonly PartCheck[];
  readonly problems: readonly FailureRecord[];
  /** What could not be tried from here, why, and what to do; null when everything was. */
  readonly notChecked: string | null;
  /** `find on local.oplog.rs`, …: of the backup user. */
  readonly missingPrivileges: readonly string[];
  /** mongosh commands that make the role and a user; null when no privilege is missing. */
  readonly commands: string | null;
}

/** What would be read now, as a backup's plan says it. */
interface Trial {
  readonly settings: DeploymentSettings;
  readonly topology: Topology;
  readonly problems: FailureRecord[];
}

/** Runs a rule; what it refuses is a problem of the report, not of the check. */
async function attempt<Result>(
  rule: () => Result | Promise<Result>,
  problems: FailureRecord[],
): Promise<Result | null> {
  try {
    return await rule();
  } catch (error) {
    const problem = failureRecord(asHoldfastError(error));
    if (!problems.some(({ message }) => message === problem.message)) problems.push(problem);
    return null;
  }
}

function checkPart({ chosen, volume, lock }: PartOutlook, method: Method): PartCheck {
  const { name, member, memberReason, warnings, memberVerdicts: verdicts } = chosen;
  const used = method === 'logical' ? undefined : volume;
  return {
    name,
    member,
    memberReason,
    volume: used?.reason ?? null,
    lock: used !== undefined && lock,
    warnings,
    verdicts,
  };
}

/** Also what keeps a schedule from the method of its own: at night is too late. */
async function tryMethods(looks: readonly PartOutlook[], { settings, topology, problems }: Trial) {
  const choose = async (wish: MethodWishes): Promise<MethodChoice | null> => {
    const wishes = { ...wish, deploymentDefault: settings.method };
    const choice = await attempt(() => chooseMethod(topology, wishes, volumeVerdict(looks)), problems);
    if (choice !== null) await attempt(() => looks.map((look) => planPart(look, choice.method)), problems);
    return choice;
  };
  const byDefault = await choose({});
  const chosen = [byDefault];
  for (const [schedule, { method: requested }] of Object.entries(settings.schedules ?? {}))
    if (requested !== undefined) chosen.push(await choose({ requested, schedule }));
  return { byDefault, needsVolume: chosen.some((choice) => choice !== null && choice.method !== 'logical') };
}

/** Whether the volumes are those of the members that are read. */
async function tryVolumes(looks: readonly PartOutlook[], { settings, problems }: Trial, deps: CheckDeploymentDeps) {
  for (const { chosen, volume } of looks) {
    if (volume === undefined) continue;
    await attempt(async () => {
      const host = chosen.member;
      const client = await deps.openMember({ deployment: settings, host, runId: 'config check' });
      try {
        await requireOwnVolume(volume, { client, member: host, signal: AbortSignal.timeout(30_000) }, deps.volumes);
      } finally {
        await client.close();
      }
    }, problems);
  }
}

async function describeTopology(
  settings: DeploymentSettings,
  topology: Topology,
  deps: CheckDeploymentDeps,
): Promise<DeploymentCheck> {
  const trial: Trial = { settings, topology, problems: [] };
  const { problems } = trial;
  // Of a cluster the rule of the method says what there is to say.
  const unseen = hasEbsVolumes(settings) ? deps.volumesUnseen : undefined;
  const volumes = unseen === undefined ? deps.volumes : noVolumes;
  const looks =
    topology.kind === 'sharded' ? [] : await attempt(() => lookAtParts(topology, settings, volumes), problems);
  const method = unseen === undefined ? looks && (await tryMethods(looks, trial)) : null;
  if (looks && method?.needsVolume === true) await tryVolumes(looks, trial, deps);
  const choice = method?.byDefault ?? null;
  return {
    name: settings.name,
    kind: topology.kind,
    serverVersion: topology.serverVersion,
    method: choice,
    parts: looks && (choice ?? unseen) ? looks.map((look) => checkPart(look, choice?.method ?? 'logical')) : [],
    problems,
    notChecked: unseen ?? null,
    missingPrivileges: [],
    commands: null,
  };
}

function missingOf(error: HoldfastError): readonly string[] {
  const missing = error.details['missing'];
  return Array.isArray(missing) ? missing.map(String) : [];
}

/** Problems are in the report; only an abort is thrown. */
export async function checkDeployment(
  settings: DeploymentSettings,
  deps: CheckDeploymentDeps,
  signal: AbortSignal | undefined,
): Promise<DeploymentCheck> {
  try {
    return await describeTopology(settings, await deps.inspector.inspect(settings, signal), deps);
  } catch (error) {
    signal?.throwIfAborted();
    const failure = asHoldfastError(error);
    const lacks = failure.name === 'MissingPrivileges';
    return {
      name: settings.name,
      kind: null,
      serverVersion: null,
      method: null,
      parts: [],
      problems: [failureRecord(failure)],
      notChecked: null,
      missingPrivileges: missingOf(failure),
      commands: lacks ? roleCommands(backupRole(settings), suggestedUsers.backup) : null,
    };
  }
}
