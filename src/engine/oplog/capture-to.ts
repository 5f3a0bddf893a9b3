import type { MongoClient } from 'mongodb';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import {
  compareTimestamps,
  describeOpTime,
  formatTimestamp,
  type OpTime,
  sameOpTime,
  type Timestamp,
} from '../../domain/timestamp.ts';
import { readMemberState, readServerVersion, type Source } from '../source/member-state.ts';
import { OplogCapture } from './capture.ts';
import { readOplogEntry } from './oplog-entry.ts';
import { type CapturedSlice, capturedSlice, readStoredChain } from './read-chain.ts';
import { readSlice } from './read-slices.ts';
import type { PreparedTransaction } from './slice-format.ts';

export interface CaptureToInput {
  /** Key prefix of the slices, `/` at its end. */
  readonly oplogPrefix: string;
  /** `captureFrom` of the base. */
  readonly from: OpTime;
  /** `applyFrom` of the base. */
  readonly applyFrom: OpTime;
  readonly point: OpTime;
  /** Undefined until every part has its point. */
  readonly restoreTime: Timestamp | undefined;
  readonly member: string;
  readonly replicaSet: string;
  readonly runId: string;
  readonly fence: number;
}

export interface CaptureToDeps {
  /** A direct connection to the member. */
  readonly client: MongoClient;
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  readonly checkFence: () => Promise<void>;
}

export interface CaptureToResult {
  /** The whole chain; its first slice may begin before `from`. */
  readonly slices: CapturedSlice[];
  readonly capturedTo: OpTime;
  /** Consistency rules 4 and 7 are satisfied. */
  readonly reached: boolean;
  readonly waitingFor?: string;
}

/** Seconds of server time after the restore time within which prepared transactions must be decided (consistency rule 7). */
const decisionLimitSeconds = 600;

/**
 * One step of capturing a part's oplog to the restore time, used after the part's worker has ended: takes everything
 * that is majority-committed now, and says whether that is enough. Run again, it continues or finds it done.
 * @throws OplogRolledOver, OplogGap, MemberStateChanged (the base's point was rolled back), RestoreTimeNotReached (a
 * prepared transaction stays undecided), FeatureCompatibilityVersionChanged, SourceUnreachable, the storage's errors
 */
export async function captureTo(input: CaptureToInput, deps: CaptureToDeps): Promise<CaptureToResult> {
  const source: Source = { client: deps.client, member: input.member, signal: deps.signal };
  const stored = await readStoredChain(deps.store, input.oplogPrefix, input.from);
  const chain = stored.map(capturedSlice);
  const prepared = stored.at(-1)?.header.prepared ?? [];
  const before = chain.length > 0 ? waitingFor(input, chain.at(-1)?.to ?? input.from, prepared) : 'the first slice';
  if (before === undefined) return finish(input, deps, chain);

  const { majority } = await readMemberState(source, input.replicaSet);
  const capture = await openCapture(input, deps, source, chain, prepared);
  await capture.advance(majority, true);
  const reason = waitingFor(input, capture.capturedTo, capture.prepared);
  if (reason !== undefined)
    return { slices: [...capture.slices], capturedTo: capture.capturedTo, reached: false, waitingFor: reason };
  if (compareTimestamps(majority.ts, input.from.ts) >= 0) await capture.captureStartOnly();
  return finish(input, deps, [...capture.slices]);
}

async function openCapture(
  input: CaptureToInput,
  deps: CaptureToDeps,
  source: Source,
  chain: readonly CapturedSlice[],
  prepared: readonly PreparedTransaction[],
): Promise<OplogCapture> {
  const origin = {
    member: input.member,
    serverVersion: await readServerVersion(source),
    run: input.runId,
    fence: input.fence,
  };
  const target = { store: deps.store, oplogPrefix: input.oplogPrefix, origin, checkFence: deps.checkFence };
  const { from, applyFrom, restoreTime: until } = input;
  return new OplogCapture(source, target, { chain, from, prepared, applyFrom, until });
}

/** Why the captured oplog is not enough yet; undefined when it is. @throws RestoreTimeNotReached */
function waitingFor(
  input: CaptureToInput,
  capturedTo: OpTime,
  prepared: readonly PreparedTransaction[],
): string | undefined {
  const { restoreTime, member } = input;
  if (restoreTime === undefined) return 'the restore time';
  if (compareTimestamps(capturedTo.ts, restoreTime) < 0)
    return `the majority commit point of ${member}: at ${describeOpTime(capturedTo)}, wanted ${formatTimestamp(restoreTime)}`;
  const open = prepared.find(({ opTime }) => compareTimestamps(opTime.ts, restoreTime) <= 0);
  if (!open) return undefined;
  const named = `the transaction ${open.transaction} (session:number), prepared at ${describeOpTime(open.opTime)}`;
  if (capturedTo.ts.t - restoreTime.t > decisionLimitSeconds)
    throw new HoldfastError(
      'RestoreTimeNotReached',
      `On ${member}, ${named} is neither committed nor aborted ${decisionLimitSeconds} seconds after the restore time.`,
      { next: 'Look for its coordinator and let it decide.', details: { transaction: open.transaction } },
    );
  return named;
}

async function finish(input: CaptureToInput, deps: CaptureToDeps, slices: CapturedSlice[]): Promise<CaptureToResult> {
  await requirePoint(input, deps, slices);
  return { slices, capturedTo: slices.at(-1)?.to ?? input.from, reached: true };
}

/** The entry that the base's point names must be in the captured oplog with that term: else it was rolled back (rule 4). */
async function requirePoint(
  input: CaptureToInput,
  deps: CaptureToDeps,
  slices: readonly CapturedSlice[],
): Promise<void> {
  const { point, member } = input;
  const holder = slices.find(
    ({ from, to }) => compareTimestamps(from.ts, point.ts) <= 0 && compareTimestamps(point.ts, to.ts) <= 0,
  );
  const entries = holder ? (await readSlice(deps.store, holder.key, holder)).entries : [];
  if (!entries.some((entry) => sameOpTime(readOplogEntry(entry).opTime, point)))
    throw new HoldfastError(
      'MemberStateChanged',
      `The base of ${member} stands for ${describeOpTime(point)}, which is not in the history of the majority: it was rolled back.`,
    );
}
