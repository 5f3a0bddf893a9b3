import { compareTimestamps } from '../../domain/timestamp.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import { oldestOpenTransaction, readMemberState, type Source } from '../source/member-state.ts';
import { type CaptureTarget, OplogCapture } from './capture.ts';
import { hasOplogEntry } from './oplog-source.ts';
import { chainThrough, listStoredSlices, summarizeSlice } from './read-chain.ts';

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

  const stored = await listStoredSlices(target.store, target.oplogPrefix);
  const tail = stored.at(-1);
  if (!tail || !(await continues(source, tail.header.to, majority)))
    return { capture: newCapture(from), applyFrom: majority };

  const slices = chainThrough(stored, tail.header.from);
  const chain = [];
  for (const slice of slices) chain.push(await summarizeSlice(target.store, slice));
  const start = { chain, from: chain[0]?.from ?? from, prepared: tail.header.prepared };
  const capture = new OplogCapture(source, target, { ...start, applyFrom: majority, until: undefined });
  await capture.ensureFrom(from);
  return { capture, applyFrom: majority };

  function newCapture(at: OpTime): OplogCapture {
    return new OplogCapture(source, target, {
      chain: [],
      from: at,
      prepared: [],
      applyFrom: majority,
      until: undefined,
    });
  }
}

/** Slices hold majority-committed entries only: what is ahead of this member will come, what is behind must be there. */
async function continues(source: Source, end: OpTime, majority: OpTime): Promise<boolean> {
  return compareTimestamps(end.ts, majority.ts) > 0 || hasOplogEntry(source, end);
}
