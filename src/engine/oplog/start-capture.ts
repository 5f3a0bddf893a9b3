import { isHoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, type OpTime } from '../../domain/timestamp.ts';
import { oldestOpenTransaction, readMemberState, type Source } from '../source/member-state.ts';
import { type CaptureStart, type CaptureTarget, OplogCapture } from './capture.ts';
import { hasOplogEntry } from './oplog-source.ts';
import { capturedSlice, chainThrough, listStoredSlices, readStoredChain } from './read-chain.ts';

/**
 * Decides where a part's capture starts (consistency rule 6): at the older of the majority point and the oldest open
 * transaction, or, when an earlier attempt left slices that the member's oplog continues, at the start of those.
 * To be called before the base's first read.
 * @returns the capture, and the majority point that the base holds for certain
 * @throws MemberStateChanged, OplogRolledOver, OplogGap, MissingPrivileges, SourceUnreachable, the storage's errors
 */
export async function startCapture(
  source: Source,
  target: CaptureTarget,
  replicaSet: string,
): Promise<{ capture: OplogCapture; applyFrom: OpTime }> {
  // In this order: a transaction that is decided between the two is found by its terminal entry, after the point.
  const { majority } = await readMemberState(source, replicaSet);
  const open = await oldestOpenTransaction(source);
  const from = open && compareTimestamps(open.ts, majority.ts) < 0 ? open : majority;

  const left = await earlierAttempt(source, target, majority);
  const start = left ?? { chain: [], from, prepared: [] };
  const capture = new OplogCapture(source, target, { ...start, applyFrom: majority, until: undefined });
  await capture.ensureFrom(from);
  return { capture, applyFrom: majority };
}

/**
 * Goes on with the capture of an attempt whose base is continued: from the last slice that it wrote, still for the same
 * start, or from that start when it wrote none.
 * @param from `captureFrom`: the start that the attempt found right: transactions that were open then are part of it
 * @returns undefined when the member's oplog does not go on from there: it forgot it, or has another history
 * @throws SourceUnreachable, the storage's errors
 */
export async function resumeCapture(
  source: Source,
  target: CaptureTarget,
  { captureFrom, applyFrom }: { readonly captureFrom: OpTime; readonly applyFrom: OpTime },
  majority: OpTime,
): Promise<OplogCapture | undefined> {
  const stored = await readStoredChain(target.store, target.oplogPrefix, captureFrom).catch((error: unknown) => {
    if (isHoldfastError(error, 'OplogGap')) return undefined;
    throw error;
  });
  if (!stored) return undefined;
  const tail = stored.at(-1)?.header;
  const goesOn = tail ? await continues(source, tail.to, majority) : await hasOplogEntry(source, captureFrom);
  if (!goesOn) return undefined;
  const start = { chain: stored.map(capturedSlice), from: captureFrom, prepared: tail?.prepared ?? [] };
  return new OplogCapture(source, target, { ...start, applyFrom, until: undefined });
}

/** Slices hold majority-committed entries only: what is ahead of the member will come, what is behind must be there. */
async function continues(source: Source, to: OpTime, majority: OpTime): Promise<boolean> {
  return compareTimestamps(to.ts, majority.ts) > 0 || (await hasOplogEntry(source, to));
}

/** What an earlier attempt captured, when the member's oplog goes on from there. */
async function earlierAttempt(
  source: Source,
  { store, oplogPrefix }: CaptureTarget,
  majority: OpTime,
): Promise<Pick<CaptureStart, 'chain' | 'from' | 'prepared'> | undefined> {
  const stored = await listStoredSlices(store, oplogPrefix);
  const tail = stored.at(-1);
  if (!tail) return undefined;
  const { from, to, prepared } = tail.header;
  if (!(await continues(source, to, majority))) return undefined;
  const chain = chainThrough(stored, from).map(capturedSlice);
  return { chain, from: chain[0]?.from ?? from, prepared };
}
