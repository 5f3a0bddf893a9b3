import type { z } from 'zod';
import { HoldfastError } from './errors.ts';
import type { memberVerdictSchema } from './manifest.ts';
import type { MemberPreferences } from './settings.ts';
import type { Member, TopologyPart } from './topology.ts';

/** Which member of a replica set is read for a backup (design: "Member choice"). */

export type MemberVerdict = z.infer<typeof memberVerdictSchema>;

export interface MemberChoice {
  readonly member: Member;
  /** Why this one, for people: on the plan and on the backup. */
  readonly reason: string;
  readonly warnings: readonly string[];
  /** One for every member, in the order of the replica set config. */
  readonly verdicts: readonly MemberVerdict[];
}

export interface MemberChoiceOptions {
  /** How long the run will take, from earlier ones; left out when unknown: then the oplog window refuses nobody. */
  readonly expectedSeconds?: number;
}

const isPrimary = (member: Member) => member.state === 'PRIMARY';
const matchesHost = (member: Member, { host }: MemberPreferences) =>
  host !== undefined && member.host.toLowerCase() === host.toLowerCase();

function matchesTag(member: Member, { tag }: MemberPreferences): boolean {
  const equals = tag?.indexOf('=') ?? -1;
  return tag !== undefined && member.tags[tag.slice(0, equals)] === tag.slice(equals + 1);
}

const isNamed = (member: Member, preferences: MemberPreferences) =>
  matchesHost(member, preferences) || matchesTag(member, preferences);

/**
 * Seconds until the oldest entry of the member's oplog will be overwritten at the rate seen so far: an oplog that has
 * not filled its size yet holds its first entry longer than it is old. Null when unknown.
 */
export function oplogHoldsSeconds({ oplogWindowSeconds, oplogUsedFraction = 1 }: Member): number | null {
  if (oplogWindowSeconds === null) return null;
  // All entries within one second say nothing of a rate: count that second.
  return oplogUsedFraction === 0 ? Infinity : Math.max(oplogWindowSeconds, 1) / oplogUsedFraction;
}

function refuseByNature(member: Member): string | undefined {
  if (member.arbiter) return 'an arbiter holds no data';
  if (member.delaySeconds > 0) return `it is delayed by ${member.delaySeconds} s`;
  return member.buildIndexes ? undefined : 'it builds no indexes (buildIndexes: false)';
}

function refuseByState(member: Member): string | undefined {
  if (member.unreachable !== null) return `this machine cannot read it: ${member.unreachable}`;
  if (!member.healthy) return `the set sees it as unhealthy (${member.state})`;
  if (member.state !== 'PRIMARY' && member.state !== 'SECONDARY') return `its state is ${member.state}`;
  return undefined;
}

function refuseByPreference(member: Member, preferences: MemberPreferences): string | undefined {
  if (isPrimary(member)) {
    return preferences.allowPrimary ? undefined : 'it is the primary (member.allowPrimary is false)';
  }
  // A member named by host or tag is allowed by that: the switch is for members that nobody named.
  if (!member.hidden && !preferences.allowSecondary && !isNamed(member, preferences)) {
    return 'it is not hidden (member.allowSecondary is false)';
  }
  return undefined;
}

function refuseByCondition(
  member: Member,
  { maxLagSeconds }: MemberPreferences,
  { expectedSeconds }: MemberChoiceOptions,
): string | undefined {
  if (member.lagSeconds === null) return 'how far it is behind the primary is unknown';
  if (member.lagSeconds > maxLagSeconds) {
    return `it is ${member.lagSeconds} s behind the primary; the limit is ${maxLagSeconds} s (member.maxLagSeconds)`;
  }
  if (expectedSeconds === undefined) return undefined;
  const holds = oplogHoldsSeconds(member);
  if (holds === null) return 'its oplog window is unknown';
  const needed = Math.ceil(expectedSeconds * 2);
  return holds < needed
    ? `its oplog holds ${Math.floor(holds)} s; the run needs ${needed} s (twice what is expected)`
    : undefined;
}

/** Why a member may not be read; undefined when it may. */
export function refuseMember(
  member: Member,
  preferences: MemberPreferences,
  options: MemberChoiceOptions = {},
): string | undefined {
  return (
    refuseByNature(member) ??
    refuseByState(member) ??
    refuseByPreference(member, preferences) ??
    refuseByCondition(member, preferences, options)
  );
}

/** Members that may be read, and can't be just now: they are down, or far behind. Each with the reason. */
export function membersAway(part: TopologyPart, preferences: MemberPreferences): string[] {
  return part.members.flatMap((member) => {
    if ((refuseByNature(member) ?? refuseByPreference(member, preferences)) !== undefined) return [];
    const reason = refuseByState(member) ?? refuseByCondition(member, preferences, {});
    return reason === undefined ? [] : [`${member.host}: ${reason}`];
  });
}

/** Lower is better: host named > tag > hidden > other secondary > primary; `prefer: secondary` swaps the two in the middle. */
function rank(member: Member, preferences: MemberPreferences): number {
  if (matchesHost(member, preferences)) return 0;
  if (matchesTag(member, preferences)) return 1;
  if (isPrimary(member)) return 4;
  return member.hidden === (preferences.prefer === 'hidden') ? 2 : 3;
}

function describeKind(member: Member, preferences: MemberPreferences): string {
  const kind = isPrimary(member) ? 'the primary' : member.hidden ? 'a hidden member' : 'a secondary';
  if (matchesHost(member, preferences)) return `${kind}, named by member.host`;
  if (matchesTag(member, preferences)) return `${kind}, named by member.tag ${preferences.tag ?? ''}`;
  return kind;
}

function warningsOf(part: TopologyPart, member: Member, preferences: MemberPreferences): string[] {
  const warnings: string[] = [];
  if (preferences.host !== undefined && !matchesHost(member, preferences)) {
    const known = part.members.some((candidate) => matchesHost(candidate, preferences));
    const why = known ? 'may not be read now' : 'is not in the replica set config';
    warnings.push(`The configured member ${preferences.host} ${why}; ${member.host} is read instead.`);
  } else if (preferences.tag !== undefined && !isNamed(member, preferences)) {
    warnings.push(`No readable member has the tag ${preferences.tag}; ${member.host} is read instead.`);
  }
  if (isPrimary(member)) {
    warnings.push(`The primary ${member.host} is read: the application shares it with the backup.`);
  } else if (!member.hidden) {
    const hidden = part.members.some((candidate) => candidate.hidden && !candidate.arbiter);
    const why = hidden ? 'No hidden member was chosen' : 'The set has no hidden member';
    warnings.push(`${why}: the secondary ${member.host} is read, which may serve the application.`);
  }
  return warnings;
}

function inOrder(members: readonly Member[], preferences: MemberPreferences): Member[] {
  return members.toSorted(
    (a, b) => rank(a, preferences) - rank(b, preferences) || (a.lagSeconds ?? 0) - (b.lagSeconds ?? 0),
  );
}

/**
 * Every member that may be read, the one that {@link chooseMember} chooses first.
 * @throws NoEligibleMember with the reason of every refusal.
 */
export function readableMembers(part: TopologyPart, preferences: MemberPreferences): Member[] {
  chooseMember(part, preferences);
  return inOrder(
    part.members.filter((member) => refuseMember(member, preferences) === undefined),
    preferences,
  );
}

/**
 * Chooses the member to read.
 * @throws NoEligibleMember with the reason of every refusal.
 */
export function chooseMember(
  part: TopologyPart,
  preferences: MemberPreferences,
  options: MemberChoiceOptions = {},
): MemberChoice {
  const judged = part.members.map((member) => ({ member, refusal: refuseMember(member, preferences, options) }));
  const [best] = inOrder(
    judged.filter(({ refusal }) => refusal === undefined).map(({ member }) => member),
    preferences,
  );
  if (best === undefined) {
    const reasons = judged.map(({ member, refusal }) => `${member.host}: ${refusal ?? ''}`);
    throw new HoldfastError('NoEligibleMember', `No member of ${part.name} may be read. ${reasons.join('; ')}.`, {
      details: { part: part.name, refusals: reasons },
    });
  }
  const lag = `${best.lagSeconds ?? 0} s behind the primary`;
  const reason = `${describeKind(best, preferences)}${isPrimary(best) ? '' : `, ${lag}`}`;
  return {
    member: best,
    reason,
    warnings: warningsOf(part, best, preferences),
    verdicts: judged.map(({ member, refusal }) => ({
      host: member.host,
      eligible: refusal === undefined,
      reason: refusal ?? (member === best ? `chosen: ${reason}` : `eligible: ${describeKind(member, preferences)}`),
    })),
  };
}
