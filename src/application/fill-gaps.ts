import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { artifactKeys } from '../domain/names.ts';
import { gapKey, isOpenGap, type OplogGap, oplogGapSchema, parseSliceKey } from '../domain/oplog-archive.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime, type Timestamp } from '../domain/timestamp.ts';
import { listArchive, sliceFrom } from '../engine/oplog/archive-tail.ts';
import { type ArchiveStart, ArchiveWriter } from '../engine/oplog/archive-writer.ts';
import { entryOf, hasOplogEntry } from '../engine/oplog/oplog-source.ts';
import { readStoredSlice } from '../engine/oplog/read-chain.ts';
import type { PreparedTransaction } from '../engine/oplog/slice-format.ts';
import { readServerVersion, type Source } from '../engine/source/member-state.ts';
import { readCheck } from './archive-check-record.ts';
import { withMember } from './archive-members.ts';
import { changeProgress } from './archive-progress.ts';
import { endsOfBackups } from './archive-start.ts';
import type { ArchiveTurn } from './archive-turn.ts';
import { findStored } from './documents.ts';
import { closeGap, noteFilled, unwishBase } from './record-gap.ts';

/** `gone`: nobody has the entries any more, or they are not wanted. `later`: a member that may have them did not answer. */
type Verdict = 'filled' | 'gone' | 'later';

interface Limits {
  /** Whether the time is over: what is begun is ended well. */
  readonly isOver: () => boolean;
  /** It is over for what hangs, too. */
  readonly signal: AbortSignal;
}

interface StoredGap {
  readonly value: OplogGap;
  readonly etag: string;
}

/**
 * Writes slices again that the check has found lost or damaged, from a member whose oplog still has their entries: from the
 * very entry with which the chain before the gap ends to the very one with which it goes on, by time and term. In half of the
 * turn's time at most; what fails is tried again with the next turn, and keeps no turn from archiving.
 * @throws DeploymentBusy, LeaseLost (another archiver works), the reason of the signal
 */
export async function fillGaps(
  turn: ArchiveTurn,
  lost: readonly OpTime[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const half = AbortSignal.timeout(turn.request.seconds * 500);
  const limited = signal ? AbortSignal.any([signal, half]) : half;
  const end = performance.now() + turn.request.seconds * 400;
  const isOver = () => performance.now() > end;
  for (const after of lost) {
    if (isOver() || limited.aborted) break;
    const verdict = await tryToFill(turn, after, { isOver, signal: limited });
    if (verdict !== 'later') await forget(turn, after);
  }
  signal?.throwIfAborted();
}

async function tryToFill(turn: ArchiveTurn, after: OpTime, limits: Limits): Promise<Verdict> {
  try {
    return await fill(turn, after, limits);
  } catch (error) {
    if (isHoldfastError(error, 'DeploymentBusy', 'LeaseLost')) throw error;
    const { deployment, replicaSet } = turn.place;
    const detail = { deployment, replicaSet, after: describeOpTime(after), reason: String(error) };
    turn.deps.logger.warn('lost slices of the oplog archive were not written again', detail);
    return 'later';
  }
}

async function fill(turn: ArchiveTurn, after: OpTime, { isOver, signal }: Limits): Promise<Verdict> {
  const { store, archivePrefix } = turn.place;
  const gap = await findStored(store, gapKey(archivePrefix, { after, reason: 'objectLost' }), oplogGapSchema);
  // Whoever wishes writes the gap as well.
  if (!gap) return 'later';
  if (!isOpenGap(gap.value) || (await isPruned(turn, after))) return 'gone';
  let failure: unknown;
  for (const host of turn.request.members) {
    try {
      const filled = await withMember(turn, host, signal, (source) => fillFrom(turn, source, gap, isOver));
      if (filled) return 'filled';
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error, 'SourceUnreachable', 'MemberStateChanged', 'CorruptSource')) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure as Error;
  return turn.request.away?.length ? 'later' : 'gone';
}

async function isPruned({ request, deployment, deps }: ArchiveTurn, { ts }: OpTime): Promise<boolean> {
  const storage = deployment.oplogArchive?.storage ?? '';
  const { begins } = (await readCheck(deps.state, { ...request, storage })) ?? {};
  return begins !== undefined && compareTimestamps(ts, begins.ts) < 0;
}

/** @returns false when the member does not have the entries, or what was prepared before them is not known */
async function fillFrom(turn: ArchiveTurn, source: Source, gap: StoredGap, isOver: () => boolean): Promise<boolean> {
  const { after: begin, before, damaged = [], filledTo: after = begin } = gap.value;
  if (!(await hasOplogEntry(source, after)) || !(await hasOplogEntry(source, before))) return false;
  const prepared = await preparedAt(turn, after);
  if (!prepared) return false;
  // A damaged slice is replaced, so that nothing is left of it: the one before ends where it begins.
  const borders: OpTime[] = [];
  for (const ts of timesWithin(damaged, turn.place.archivePrefix, { after, before })) {
    const border = await entryOf(source, ts);
    if (!border) return false;
    borders.push(border);
  }
  const end = await writeAgain(turn, source, { after, prepared, to: [...borders, before] }, isOver);
  if (compareTimestamps(end.ts, before.ts) < 0) {
    if (!sameOpTime(after, end)) await noteFilled(turn.place, gap, end);
    throw new HoldfastError('StepTimedOut', 'The time for lost slices is over: the next turn goes on.');
  }
  if (!sameOpTime(end, before)) return false;
  await closeGap(turn.place, gap, { at: turn.deps.clock.now().toISOString(), member: source.member }, turn.deps);
  await unwishBase(turn.place, turn.progress, before);
  return true;
}

function timesWithin(
  keys: readonly string[],
  archivePrefix: string,
  { after, before }: Pick<OplogGap, 'after' | 'before'>,
): Timestamp[] {
  return keys
    .flatMap((key) => parseSliceKey(archivePrefix, key) ?? [])
    .filter((ts) => compareTimestamps(after.ts, ts) < 0 && compareTimestamps(ts, before.ts) < 0)
    .sort(compareTimestamps);
}

/** More slices than overlap where two chains meet. */
const mostLooked = 20;

/** The transactions that are prepared and not decided at an entry: the slice that ends with it says so, or a backup's. */
async function preparedAt(turn: ArchiveTurn, at: OpTime): Promise<readonly PreparedTransaction[] | undefined> {
  const { store, archivePrefix } = turn.place;
  const first = artifactKeys.slice(archivePrefix, at.ts);
  const before = (await listArchive(store, archivePrefix)).filter(({ key }) => key < first).reverse();
  for (const object of before.slice(0, mostLooked)) {
    try {
      const { header } = await readStoredSlice(store, object);
      if (sameOpTime(header.to, at)) return header.prepared;
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectNotFound', 'CorruptObject')) throw error;
    }
  }
  const ends = await endsOfBackups(turn.request, turn.deps);
  return ends.find(({ opTime }) => sameOpTime(opTime, at))?.prepared;
}

/**
 * What stands at a key and is whole is taken as it is: a turn that ended early wrote it, or another archiver.
 * @returns how far it came: when the time is over, not to the end
 */
async function writeAgain(
  turn: ArchiveTurn,
  source: Source,
  { after, prepared, to }: { after: OpTime; prepared: readonly PreparedTransaction[]; to: readonly OpTime[] },
  isOver: () => boolean,
): Promise<OpTime> {
  const origin = { member: source.member, serverVersion: await readServerVersion(source), run: turn.request.runId };
  const target = {
    ...turn.place,
    origin,
    claim: () => turn.lease.claim(),
    onBreak: (reason: OplogGap['reason'], begin: OpTime, end: OpTime) =>
      turn.record({ reason, after: begin, before: end, member: source.member, explanation: seenAgain }),
    rereads: () => true,
  };
  const write = async (start: ArchiveStart, border: OpTime) =>
    (await new ArchiveWriter(source, target, start).advance(border, { isOver, idleSeconds: 0 })).slices.at(-1);
  let start: ArchiveStart = { from: after, prepared, begins: true };
  for (const border of to)
    while (compareTimestamps(start.from.ts, border.ts) < 0) {
      if (isOver()) return start.from;
      const last = (await sliceFrom(target.store, target.archivePrefix, start.from)) ?? (await write(start, border));
      if (!last) return start.from;
      start = { from: last.header.to, prepared: last.header.prepared, begins: true };
    }
  return start.from;
}

const seenAgain = 'It was found when lost slices were written again.';

async function forget(turn: ArchiveTurn, after: OpTime): Promise<void> {
  await changeProgress(turn.progress, (current) => {
    if (!current?.lost) return undefined;
    const { lost, ...rest } = current;
    const left = lost.filter((one) => !sameOpTime(one, after));
    return left.length > 0 ? { ...rest, lost: left } : rest;
  });
}
