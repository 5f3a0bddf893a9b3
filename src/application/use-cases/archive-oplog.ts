import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { isBaseDue, type OplogGap } from '../../domain/oplog-archive.ts';
import { compareTimestamps, formatTimestamp, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { findArchiveTail, slicesBeyond } from '../../engine/oplog/archive-tail.ts';
import { type ArchiveStep, ArchiveWriter } from '../../engine/oplog/archive-writer.ts';
import type { StoredSlice } from '../../engine/oplog/read-chain.ts';
import { readDataIdentity, readMemberState, readServerVersion, type Source } from '../../engine/source/member-state.ts';
import { atMost, withinLimit } from '../archive-limit.ts';
import { archiveFromAnyMember, type Attempt, type NoneGoesOn, withMember } from '../archive-members.ts';
import { changeProgress, readProgress } from '../archive-progress.ts';
import { endStall, noteFailedTurn } from '../archive-stall.ts';
import { chooseArchiveStart } from '../archive-start.ts';
import { type ArchiveOplogDeps, ArchiveTurn } from '../archive-turn.ts';
import { explainGap, type Explained, lostSlices } from '../missing-oplog.ts';
import type { ArchiveTurnReport } from '../ports/holdfast-client.ts';
import { fillGaps } from '../fill-gaps.ts';
import { deploymentOf } from '../run-folder.ts';
import { watchOplog } from '../watch-oplog.ts';

export const archiveOplogInput = z.strictObject({
  /** Of this execution alone: it holds the lease. */
  runId: z.string().min(1).max(80),
  deployment: z.string(),
  replicaSet: z.string(),
  replicaSetId: z.string().regex(/^[0-9a-f]{24}$/),
  /** host:port, in the order in which they are asked. */
  members: z.array(z.string()).min(1),
  /** Members that can't be read just now, and may hold what the others have forgotten: who, and why not. */
  away: z.array(z.string()).optional(),
  /** How long this turn may read. */
  seconds: z.number().positive().max(600),
});
type ArchiveOplogInput = z.output<typeof archiveOplogInput>;

/** An idle set gets a slice of empty entries once an hour: reading on from the last one stays cheap. */
const idleSeconds = 3600;

/** The storage that hung is perhaps the one of the lease, too: a process that is ended gives back nothing either. */
const releaseMs = 2_000;

export interface ArchiveOplogOutput extends ArchiveTurnReport {
  /** A backup is to be started now, because of a gap. */
  readonly baseDue: boolean;
}

/**
 * One turn of archiving a replica set's oplog (workflows.md): reads on from the last archived entry, up to the member's
 * majority commit point or until its time is over, and writes slices of at most 16 MiB of entries. Entries that could be
 * rolled back are never read. A turn that dies anywhere leaves slices that the next one finds.
 * @throws SourceUnreachable, MemberStateChanged, CorruptSource, OplogGap, OplogRolledOver, VerificationFailed, LeaseLost, StepTimedOut, the
 * storage's errors; every failure counts as a turn that came no further, which is told when it lasts
 */
export async function archiveOplog(
  input: ArchiveOplogInput,
  deps: ArchiveOplogDeps,
  signal?: AbortSignal,
): Promise<ArchiveOplogOutput> {
  const deployment = deploymentOf(deps.settings, input.deployment);
  const { oplogArchive } = deployment;
  if (oplogArchive?.enabled !== true) return output(input, 'off');
  const turn = new ArchiveTurn(input, deployment, oplogArchive, deps);
  try {
    const working = withinLimit(input.seconds, signal, (limited) => takeTurn(turn, limited));
    return await working.finally(() => atMost(releaseMs, turn.lease.release()));
  } catch (error) {
    // Who ends a turn knows why.
    if (signal?.aborted !== true) await noteFailedTurn(turn, error);
    if (!isHoldfastError(error, 'DeploymentBusy')) throw error;
    deps.logger.debug('another archiver works', { deployment: input.deployment, reason: error.message });
    return output(input, 'busy');
  }
}

async function takeTurn(turn: ArchiveTurn, signal: AbortSignal | undefined): Promise<ArchiveOplogOutput> {
  const { store, archivePrefix } = turn.place;
  let progress = (turn.before = (await readProgress(turn.progress)).value);
  if (progress?.lost) {
    await fillGaps(turn, progress.lost, signal);
    progress = turn.before = (await readProgress(turn.progress)).value;
  }
  const tail = await findArchiveTail(store, archivePrefix, progress?.last);
  if (!tail && progress) return beginAgain(turn, progress.last, lostSlices(progress), signal);
  const found = await goOn(turn, tail, signal);
  if (!('missing' in found)) return found;
  if (tail === undefined) throw new HoldfastError('Internal', 'an archive without slices misses none');
  // A turn that died after it began anew, or one beside this, may have left slices after the gap.
  const beyond = await slicesBeyond(store, archivePrefix, tail);
  const gap = explainGap(tail.header.to, found.missing, progress);
  if (beyond) {
    await turn.record({ ...gap, after: tail.header.to, before: beyond.first.header.from });
    const again = await goOn(turn, beyond.last, signal);
    if (!('missing' in again)) return again;
    const { to } = beyond.last.header;
    return beginAgain(turn, { to }, explainGap(to, again.missing, progress), signal, again.missing[0]?.member);
  }
  return beginAgain(turn, tail.header, gap, signal, found.missing[0]?.member);
}

async function goOn(
  turn: ArchiveTurn,
  tail: StoredSlice | undefined,
  signal: AbortSignal | undefined,
): Promise<ArchiveOplogOutput | NoneGoesOn> {
  const found = await archiveFromAnyMember(turn, tail, (source) => archive(turn, source, tail), signal);
  if ('output' in found) return found.output;
  return 'missing' in found ? found : output(turn.request, 'behind', { tail });
}

/** The chain ends with `to` for good: another one begins, and the gap between is recorded once its first slice is there. */
async function beginAgain(
  turn: ArchiveTurn,
  { to }: { readonly to: OpTime },
  gap: Explained,
  signal: AbortSignal | undefined,
  host?: string,
): Promise<ArchiveOplogOutput> {
  const begin = (source: Source) => archive(turn, source, undefined, { after: to, gap });
  if (host !== undefined) return (await withMember(turn, host, signal, begin)).output;
  const found = await archiveFromAnyMember(turn, undefined, begin, signal);
  return 'output' in found ? found.output : output(turn.request, 'behind');
}

async function archive(
  turn: ArchiveTurn,
  source: Source,
  tail: StoredSlice | undefined,
  begun?: { readonly after: OpTime; readonly gap: Explained },
): Promise<Attempt<ArchiveOplogOutput>> {
  const { request, place, deps } = turn;
  const { majority } = await readMemberState(source, request.replicaSet);
  const memberData = await readDataIdentity(source);
  const start = tail
    ? { from: tail.header.to, prepared: tail.header.prepared, begins: false }
    : await chooseArchiveStart(source, majority, { ...request, notBefore: begun?.after.ts }, deps);
  const stands = (status: 'idle' | 'behind') => ({
    output: output(request, status, { tail, baseDue: turn.isBaseDue() }),
    stands: true,
  });
  if (start === undefined || sameOpTime(start.from, majority)) return stands('idle');
  if (compareTimestamps(majority.ts, start.from.ts) < 0) return stands('behind');
  if (tail && turn.hasSeen(tail.header.to, majority)) return stands('idle');
  const writer = new ArchiveWriter(
    source,
    {
      ...place,
      origin: { member: source.member, serverVersion: await readServerVersion(source), run: request.runId },
      claim: () => turn.lease.claim(),
      onBreak: (reason, after, before) =>
        turn.record({ reason, after, before, member: source.member, explanation: explanations[reason] ?? reason }),
      rereads: (key) => turn.rereads(key),
    },
    start,
  );
  const step = await writer.advance(majority, { isOver: () => turn.isOver(), idleSeconds });
  const [first] = step.slices;
  if (begun && first) await turn.record({ ...begun.gap, after: begun.after, before: first.header.from });
  const last = step.slices.at(-1) ?? tail;
  // First: with a progress nobody looks for what was told while there was none.
  await endStall(turn, turn.before === undefined);
  const baseDue = last !== undefined && (await noteProgress(turn, source, { last, step, memberData }));
  const status = step.slices.length > 0 ? 'archived' : 'idle';
  return { output: output(request, status, { tail: last, step, source, baseDue }), stands: false };
}

const explanations: Readonly<Partial<Record<OplogGap['reason'], string>>> = {
  featureCompatibilityVersionChanged: 'The feature compatibility version was changed.',
  restore: 'Holdfast restored into this deployment: its mark was written or removed.',
  resharding: 'A collection was resharded.',
};

/** @returns whether a backup is to be started now */
async function noteProgress(
  turn: ArchiveTurn,
  source: Source,
  { last, step, memberData }: { last: StoredSlice; step: ArchiveStep; memberData: string },
): Promise<boolean> {
  const { key, size, header } = last;
  const { clock } = turn.deps;
  const oplogShort = await watchOplog(source, header.to.ts, turn.before?.oplogShort, turn.place, turn.deps);
  const noted = await changeProgress(turn.progress, (current) => {
    const found = turn.wantsBaseFrom && { from: turn.wantsBaseFrom, attempts: 0, attemptedAt: null };
    const wantsBase = current ? current.wantsBase : found;
    return {
      schemaVersion: 1,
      last: { key, size, from: header.from, to: header.to },
      checkedTo: step.checkedTo,
      checkedAt: clock.now().toISOString(),
      member: source.member,
      memberData,
      ...(oplogShort && { oplogShort }),
      ...(current?.lost && { lost: current.lost }),
      ...(wantsBase && { wantsBase }),
    };
  });
  const { wantsBase } = noted ?? {};
  return turn.startsBases && wantsBase !== undefined && isBaseDue(wantsBase, clock.now());
}

const nothing = { slices: [], entries: 0, rawBytes: 0, storedBytes: 0, more: false } as const;

function output(
  { replicaSet }: Pick<ArchiveOplogInput, 'replicaSet'>,
  status: ArchiveOplogOutput['status'],
  found: {
    readonly tail?: StoredSlice | undefined;
    readonly step?: ArchiveStep;
    readonly source?: Source;
    readonly baseDue?: boolean;
  } = {},
): ArchiveOplogOutput {
  const { tail, step, source, baseDue = false } = found;
  const { slices, entries, rawBytes, storedBytes, more } = step ?? nothing;
  return {
    replicaSet,
    status,
    archivedTo: tail ? formatTimestamp(tail.header.to.ts) : null,
    checkedTo: step ? formatTimestamp(step.checkedTo.ts) : null,
    ...{ slices: slices.length, entries, rawBytes, storedBytes, more },
    member: source?.member ?? null,
    baseDue,
  };
}
