import * as z from 'zod';
import { HoldfastError } from './errors.ts';
import { opTimeSchema } from './timestamp.ts';
import type { Member, TopologyPart } from './topology.ts';

/** Milliseconds that a member is locked at most, whatever the snapshot takes: then it is given up. */
export const longestLock = 60_000;

/**
 * Milliseconds from the record of a lock to its command: then it is not sent any more. With what the server needs to take
 * it, and its answer to come back, this is less than {@link longestLock}: a lock that is not there by then never comes.
 */
export const lockSentWithin = 30_000;

/** Milliseconds from the begin of a step: one that comes to its lock later does not take it, for a function's time is limited. */
export const lockBegunWithin = 240_000;

/** Milliseconds after which a watchdog takes a lock for left: its owner gives it back by itself after {@link longestLock}. */
export const lockLeftAfter = longestLock + 5_000;

/** `locks/<member>.json`: written before the lock is taken, removed once the server has said that it is gone. */
export const memberLockSchema = z.strictObject({
  schemaVersion: z.literal(1),
  run: z.string(),
  deployment: z.string(),
  /** `host:port`. */
  member: z.string(),
  /** `hello.topologyVersion.processId`: a restart takes the lock away, and what is locked after it is not ours. */
  process: z.string(),
  /** What the member had applied before: while it is locked it applies nothing more. Null for a standalone. */
  seen: opTimeSchema.nullable(),
  /** The server's id of the operation that holds the lock; null until it is known to be held. */
  opid: z.union([z.int(), z.string()]).nullable(),
  /** Written right before the command is sent: without it a lock that is found is somebody else's. */
  asked: z.literal(true).optional(),
  at: z.iso.datetime(),
});
export type MemberLock = z.infer<typeof memberLockSchema>;

/** One lock as its watchdog knows it: a later one on the same member has another time, and a watchdog of its own. */
export const watchedLockSchema = memberLockSchema.pick({ run: true, member: true, at: true });
export type WatchedLock = z.infer<typeof watchedLockSchema>;

export function isSameLock(one: WatchedLock, other: WatchedLock): boolean {
  return one.run === other.run && one.member === other.member && one.at === other.at;
}

const canVote = ({ votes, healthy, state }: Member): boolean =>
  votes > 0 && healthy && ['PRIMARY', 'SECONDARY', 'ARBITER'].includes(state);

/**
 * Whether a member gets the oplog through another one, itself or by way of others: what it has not copied yet it does not
 * acknowledge, and it looks for another source only when that one is half a minute behind (maxSyncSourceLagSecs).
 */
function copiesFrom(host: string, { syncSource }: Member, members: readonly Member[]): boolean {
  if (syncSource === undefined) return false;
  const named = (name: string) => name.toLowerCase() === syncSource.toLowerCase();
  if (named(host)) return true;
  const source = members.find((member) => named(member.host));
  // Each at most once: for a moment two may copy from each other.
  const others = members.filter((member) => member !== source);
  return source !== undefined && copiesFrom(host, source, others);
}

/**
 * Why a member may not be locked; undefined when it may. A locked member neither acknowledges writes nor votes, and its
 * heartbeats look healthy all the same (measured: no primary is elected while the third of three voters is locked). So
 * the set must keep both majorities without it, and without one more member that fails meanwhile.
 */
export function refuseLock(part: TopologyPart, host: string): string | undefined {
  const member = part.members.find((candidate) => candidate.host === host);
  if (member === undefined) return `${host} is no member of ${part.name}`;
  if (part.role === 'standalone') return undefined;
  if (member.state === 'PRIMARY') return `${host} is the primary: writes would stand still`;
  if (member.votes === 0) return undefined;
  const { majorityVoteCount, writeMajorityCount } = part;
  if (majorityVoteCount === null || writeMajorityCount === null) return `the majorities of ${part.name} are unknown`;
  const others = part.members.filter((candidate) => candidate.host !== host && canVote(candidate));
  const bearing = others.filter(({ arbiter }) => !arbiter);
  const behind = bearing.filter((other) => copiesFrom(host, other, part.members));
  const acknowledging = bearing.filter((other) => !behind.includes(other));
  const left = (count: number) => `${count} besides it and one that may fail`;
  const chained =
    behind.length === 0 ? '' : ` (${behind.map((other) => other.host).join(', ')} copied the oplog from it)`;
  if (others.length - 1 < majorityVoteCount)
    return `${host} has a vote, and the set needs ${majorityVoteCount} votes for a primary, of ${left(others.length - 1)}`;
  if (acknowledging.length - 1 < writeMajorityCount)
    return `${host} has a vote, and the set needs ${writeMajorityCount} members for a majority write, of ${left(acknowledging.length - 1)}${chained}`;
  return undefined;
}

/** @throws LockRefused */
export function requireLockable(part: TopologyPart, host: string): void {
  const refusal = refuseLock(part, host);
  if (refusal !== undefined)
    throw new HoldfastError('LockRefused', `${refusal}.`, { details: { part: part.name, host } });
}
