import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { compareTimestamps, describeOpTime } from '../domain/timestamp.ts';
import type { StoredSlice } from '../engine/oplog/read-chain.ts';
import type { Source } from '../engine/source/member-state.ts';
import { noteStall } from './archive-stall.ts';
import type { ArchiveTurn } from './archive-turn.ts';
import { type MissingAtMember, missingAt } from './missing-oplog.ts';

/** What reading on from a member came to. */
export interface Attempt<Output> {
  readonly output: Output;
  /** The member is behind the archive, or has come no further since the last turn: another one may have. */
  readonly stands: boolean;
}

/** No member holds the last archived entry. */
export interface NoneGoesOn {
  readonly missing: readonly MissingAtMember[];
}

/** So long is waited for a member that may hold what the others have forgotten. */
const waitMs = 10 * 60_000;

export function withMember<T>(
  turn: ArchiveTurn,
  host: string,
  signal: AbortSignal | undefined,
  work: (source: Source) => Promise<T>,
): Promise<T> {
  const { replicaSet, replicaSetId } = turn.request;
  return turn.deps.withMember({ deployment: turn.deployment, replicaSet, replicaSetId, host }, work, signal);
}

/** Faults of one member: another one may be better. */
function isFaultOfMember(error: unknown): error is HoldfastError {
  return isHoldfastError(
    error,
    ...(['SourceUnreachable', 'MemberStateChanged', 'CorruptSource', 'OplogGap', 'OplogRolledOver'] as const),
  );
}

/** What the members came to, none of which went on. */
interface Tried<Output> {
  readonly missing: MissingAtMember[];
  standing?: { readonly host: string; readonly output: Output };
  failure?: { readonly host: string; readonly error: HoldfastError };
}

/**
 * Reads on from the first member that holds the last archived entry and what came after. One that was resynced holds less
 * than others, and one whose replication stands still is no further than the archive: no gap, and nothing to wait for, as
 * long as any member that may be read goes on.
 * @throws SourceUnreachable and others when a member could not be asked, and none could go on; OplogRolledOver while those
 * that answer have forgotten what another one may still hold
 */
export async function archiveFromAnyMember<Output>(
  turn: ArchiveTurn,
  tail: StoredSlice | undefined,
  attempt: (source: Source) => Promise<Attempt<Output>>,
  signal: AbortSignal | undefined,
): Promise<{ readonly output: Output } | NoneGoesOn | { readonly behind: true }> {
  const tried: Tried<Output> = { missing: [] };
  for (const host of turn.request.members) {
    try {
      const result = await withMember(turn, host, signal, async (source) => {
        const lacks = tail && (await missingAt(source, turn.request.replicaSet, tail.header.to));
        return lacks ?? (await attempt(source));
      });
      if ('oldest' in result) tried.missing.push(result);
      else if (result.stands) tried.standing ??= { host, output: result.output };
      else return result;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isFaultOfMember(error)) throw error;
      tried.failure ??= { host, error };
    }
  }
  return noneWentOn(turn, tail, tried);
}

async function noneWentOn<Output>(
  turn: ArchiveTurn,
  tail: StoredSlice | undefined,
  { missing, standing, failure }: Tried<Output>,
): Promise<{ readonly output: Output } | NoneGoesOn | { readonly behind: true }> {
  const end = tail?.header.to;
  const ahead = missing.filter(({ majority }) => end && compareTimestamps(majority.ts, end.ts) >= 0);
  const others = [
    ...(standing ? [`${standing.host} has nothing after it that a majority has`] : []),
    ...(failure ? [`${failure.host}: ${failure.error.message}`] : []),
    ...(turn.request.away ?? []),
  ].join('; ');
  const archived = end ? `${describeOpTime(end)} was archived last` : 'nothing is archived yet';
  if (ahead.length > 0) {
    if (others !== '') await waitForOthers(turn, tail, ahead, { archived, others, failure });
    return { missing: ahead };
  }
  const behind = missing.length > 0 ? ' No member that answers is as far as the archive.' : '';
  await noteStall(turn, `${archived}, and nothing since; ${others}.${behind}`, tail);
  if (standing && !(failure && missing.length > 0)) return { output: standing.output };
  if (failure) throw failure.error;
  return { behind: true };
}

/** @throws OplogRolledOver until those that may hold what the members ahead have forgotten were waited for */
async function waitForOthers(
  turn: ArchiveTurn,
  tail: StoredSlice | undefined,
  ahead: readonly MissingAtMember[],
  {
    archived,
    others,
    failure,
  }: { readonly archived: string; readonly others: string; readonly failure: Tried<unknown>['failure'] },
): Promise<void> {
  const hosts = ahead.map(({ member }) => member).join(', ');
  const why = `Oplog is being lost: ${archived}; ${hosts} went on and forgot that entry; ${others}.`;
  const seenAt = Math.max(...ahead.map(({ majority }) => majority.ts.t));
  if ((await noteStall(turn, why, tail, seenAt)) >= waitMs) return;
  const next = `Bring the member back, or wait: after ${waitMs / 60_000} minutes a gap is recorded, and the archive begins anew.`;
  throw new HoldfastError('OplogRolledOver', why, { next, cause: failure?.error });
}
