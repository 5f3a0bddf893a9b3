import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { chooseMember } from '../domain/member-choice.ts';
import { refuseLock } from '../domain/member-lock.ts';
import type { Method } from '../domain/manifest.ts';
import type { VolumeVerdict } from '../domain/method-choice.ts';
import type { BackupPlan, PlannedVolume } from '../domain/run.ts';
import type { DeploymentSettings } from '../domain/settings.ts';
import type { Topology, TopologyPart } from '../domain/topology.ts';
import { withKey } from '../domain/volume-keys.ts';
import { withLayout } from '../domain/volume-layout.ts';
import { howToName, withProof } from '../domain/volume-proof.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';

type PlannedPart = BackupPlan['parts'][number];

/** One part before its method is chosen: the member to read, and what was found under it. */
export interface PartOutlook {
  readonly chosen: Pick<PlannedPart, 'name' | 'member' | 'memberReason' | 'memberVerdicts' | 'warnings'>;
  readonly volume: PlannedVolume | undefined;
  readonly lock: boolean;
  /** Why its volume cannot be snapshotted; undefined when it can. */
  readonly problem: HoldfastError | undefined;
}

/** For who asks nobody for volumes. */
export const noVolumes: Pick<VolumeSnapshots, 'find'> = { find: () => Promise.resolve(undefined) };

/** @throws NoEligibleMember with the reason of every refusal; the errors of the volumes' owner but those about them */
export async function lookAtParts(
  { parts }: Topology,
  settings: DeploymentSettings,
  volumes: Pick<VolumeSnapshots, 'find'>,
): Promise<PartOutlook[]> {
  const looks: PartOutlook[] = [];
  for (const part of parts) {
    const chosen = choose(part, settings);
    looks.push({ chosen, ...(await lookAtVolume(part, chosen.member, settings, volumes)) });
  }
  return looks;
}

function choose(part: TopologyPart, settings: DeploymentSettings): PartOutlook['chosen'] {
  const [only] = part.members;
  if (part.role === 'standalone' && only !== undefined) {
    const reason = 'the standalone itself';
    const memberVerdicts = [{ host: only.host, eligible: true, reason }];
    return { name: part.name, member: only.host, memberReason: reason, memberVerdicts, warnings: [] };
  }
  const { member, reason, verdicts, warnings } = chooseMember(part, settings.member);
  return {
    name: part.name,
    member: member.host,
    memberReason: reason,
    memberVerdicts: [...verdicts],
    warnings: [...warnings],
  };
}

async function lookAtVolume(
  part: TopologyPart,
  member: string,
  settings: DeploymentSettings,
  volumes: Pick<VolumeSnapshots, 'find'>,
): Promise<Pick<PartOutlook, 'volume' | 'lock' | 'problem'>> {
  const none = (problem: HoldfastError) => ({ volume: undefined, lock: false, problem });
  let volume: PlannedVolume | undefined;
  try {
    const found = await volumes.find(settings, member);
    const { dataPlace } = part.members.find(({ host }) => host === member) ?? {};
    volume = found && withKey(withProof(withLayout(found, dataPlace, member), dataPlace), settings.ebs?.kmsKeys);
  } catch (error) {
    if (isHoldfastError(error, 'VolumeNotFound', 'VolumeLayoutUnsupported')) return none(error);
    throw error;
  }
  if (volume === undefined) return none(new HoldfastError('VolumeNotFound', `No volume is known for ${member}.`));
  const refusal = refuseLock(part, member);
  const lock = settings.lock === true && refusal === undefined;
  if (volume.atOnce || lock) return { volume, lock, problem: undefined };
  if (settings.lock === true) return none(new HoldfastError('LockRefused', `${refusal ?? ''}.`));
  return none(
    new HoldfastError(
      'VolumeLayoutUnsupported',
      `The data of ${member} cannot be snapshotted at one instant (${volume.reason}), and nothing may be locked (lock: false).`,
      { next: 'Set lock: true for the deployment if writes on that member may wait, or ask for the method logical.' },
    ),
  );
}

/** Whether every part's volume can be snapshotted, and read by a worker. */
export function volumeVerdict(looks: readonly PartOutlook[]): VolumeVerdict {
  const problem = looks.find((look) => look.problem !== undefined)?.problem;
  if (problem !== undefined) return { usable: false, reason: problem.message.replace(/\.$/, '') };
  const unmountable = looks.find(({ volume }) => volume?.unmountable !== undefined)?.volume?.unmountable;
  if (unmountable !== undefined) return { usable: false, reason: unmountable };
  return { usable: true, reason: looks.map(({ volume }) => volume?.reason ?? '').join('; ') };
}

/** @throws what keeps the part from this method: VolumeNotFound, VolumeLayoutUnsupported, LockRefused */
export function planPart({ chosen, volume, lock, problem }: PartOutlook, method: Method): PlannedPart {
  if (method === 'logical') return { ...chosen, method, volume: null, lock: false };
  if (problem !== undefined) throw problem;
  if (method === 'physical' && volume?.unmountable !== undefined) {
    throw new HoldfastError(
      'VolumeLayoutUnsupported',
      `No worker can read the files of ${chosen.member}: ${volume.unmountable}.`,
      { next: 'Ask for the method snapshot, which keeps the snapshot itself, or for logical.' },
    );
  }
  if (method === 'snapshot' && volume?.unproven !== undefined) {
    throw new HoldfastError(
      'VolumeLayoutUnsupported',
      `Nobody can tell that the data of ${chosen.member} is on ${volume.volumes.join(', ')}, and nobody looks into a kept snapshot: ${volume.unproven}.`,
      { next: `If it is, ${howToName(chosen.member)}.` },
    );
  }
  return { ...chosen, method, volume: volume ?? null, lock };
}
