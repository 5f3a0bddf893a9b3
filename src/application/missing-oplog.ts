import type { ArchiveProgress, OplogGap } from '../domain/oplog-archive.ts';
import { compareTimestamps, describeOpTime, type OpTime } from '../domain/timestamp.ts';
import { hasOplogEntry, oldestEntry } from '../engine/oplog/oplog-source.ts';
import { readDataIdentity, readMemberState, type Source } from '../engine/source/member-state.ts';

/** A member whose oplog does not hold the last archived entry. */
export interface MissingAtMember {
  readonly member: string;
  /** The first entry of its oplog. */
  readonly oldest: OpTime | undefined;
  readonly majority: OpTime;
  readonly memberData: string;
}

/** An archiver that looked within so many seconds of the source's time was running. */
const pausedSeconds = 900;

/** @returns undefined when the member's oplog holds the entry; one whose majority commit point is before it may come to it yet */
export async function missingAt(
  source: Source,
  replicaSet: string,
  wanted: OpTime,
): Promise<MissingAtMember | undefined> {
  const { majority } = await readMemberState(source, replicaSet);
  if (await hasOplogEntry(source, wanted)) return undefined;
  return {
    member: source.member,
    oldest: await oldestEntry(source),
    majority,
    memberData: await readDataIdentity(source),
  };
}

export type Explained = Pick<OplogGap, 'reason' | 'member' | 'explanation'>;

/** @param upTo what the storage has; undefined for nothing */
export function lostSlices({ last }: ArchiveProgress, upTo?: OpTime): Explained {
  const has = upTo ? `those up to ${describeOpTime(upTo)}` : 'none of them';
  const explanation = `Slices were archived up to ${describeOpTime(last.to)} (${last.key}), and the storage has ${has} now: they were deleted, or the archive was given another storage.`;
  return { reason: 'objectLost', member: null, explanation };
}

/** Why no member goes on from the last archived entry (consistency rule 9). */
export function explainGap(
  wanted: OpTime,
  missing: readonly MissingAtMember[],
  progress: ArchiveProgress | undefined,
): Explained {
  if (progress && compareTimestamps(wanted.ts, progress.last.to.ts) < 0) return lostSlices(progress, wanted);
  const reachingBack = missing.find(({ oldest }) => oldest && compareTimestamps(oldest.ts, wanted.ts) <= 0);
  if (!reachingBack) return forgotten(wanted, missing, progress);
  const { member, memberData } = reachingBack;
  const known = progress?.member === member ? progress.memberData.split('/') : [];
  const now = memberData.split('/');
  const rolledBack = known[0] !== undefined && known[0] !== now[0] && known[1] === now[1];
  return {
    reason: rolledBack ? 'rolledBack' : 'otherHistory',
    member,
    explanation: `${describeOpTime(wanted)} was archived last; the oplog of ${member} holds times before and after it, and not this entry.`,
  };
}

/** No member's oplog reaches back to the entry. */
function forgotten(
  wanted: OpTime,
  missing: readonly MissingAtMember[],
  progress: ArchiveProgress | undefined,
): Explained {
  const [first] = missing;
  const lookedAt = progress?.checkedTo ?? wanted;
  const standstill = (first?.majority.ts.t ?? 0) - lookedAt.ts.t;
  const paused = standstill > pausedSeconds;
  const begins = missing
    .map(({ member, oldest }) => `the oplog of ${member} begins at ${oldest ? describeOpTime(oldest) : 'nothing'}`)
    .join('; ');
  const since = paused ? ` The archiver looked last at ${describeOpTime(lookedAt)}, ${standstill} s before.` : '';
  return {
    reason: paused ? 'archivePaused' : 'rolledOver',
    member: first?.member ?? null,
    explanation: `${describeOpTime(wanted)} was archived last; ${begins}.${since}`,
  };
}
