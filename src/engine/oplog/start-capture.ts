import { compareTimestamps, type OpTime } from '../../domain/timestamp.ts';
import { oldestOpenTransaction, readMemberState, type Source } from '../source/member-state.ts';
import { type CaptureStart, type CaptureTarget, OplogCapture } from './capture.ts';
import { hasOplogEntry } from './oplog-source.ts';
import { capturedSlice, chainThrough, listStoredSlices } from './read-chain.ts';

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
  // Slices hold majority-committed entries only: what is ahead of this member will come, what is behind must be there.
  const ahead = compareTimestamps(to.ts, majority.ts) > 0;
  if (!ahead && !(await hasOplogEntry(source, to))) return undefined;
  const chain = chainThrough(stored, from).map(capturedSlice);
  return { chain, from: chain[0]?.from ?? from, prepared };
}
