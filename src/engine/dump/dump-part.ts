import type { MongoClient } from 'mongodb';
import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { Codec } from '../../domain/backup-index.ts';
import type { LogicalBase } from '../../domain/base.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import type { OplogCapture } from '../oplog/capture.ts';
import type { CapturedSlice } from '../oplog/read-chain.ts';
import { startCapture } from '../oplog/start-capture.ts';
import { ByteBudget } from '../packs/byte-budget.ts';
import { frameCompressor } from '../packs/frame-compressor.ts';
import { FrameWriter } from '../packs/frame-writer.ts';
import { writeIndex } from '../packs/index-writer.ts';
import { PackWriter, type WrittenPack } from '../packs/pack-writer.ts';
import type { LoadBrake } from '../source/load-brake.ts';
import { readDataIdentity, readMemberState, readServerVersion, type Source } from '../source/member-state.ts';
import { type DumpedNamespace, dumpNamespaces, indexLines, namespaceSummary } from './dump-namespaces.ts';
import { readPoint } from './read-point.ts';
import { runTogether } from './run-together.ts';

export interface DumpPartInput {
  readonly backupId: string;
  readonly runId: string;
  readonly deployment: string;
  readonly part: string;
  /** Artifact key prefix of the part, `/` at its end. */
  readonly partPrefix: string;
  readonly attempt: number;
  readonly fence: number;
  readonly codec: Codec;
  readonly level: number;
  /** Collections that are read at once. */
  readonly parallel: number;
  /** `host:port`. */
  readonly member: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly toolVersion: string;
}

export interface DumpProgress {
  readonly phase: 'dump' | 'capture';
  readonly documents: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Expected raw bytes, by the server's counters; null until the catalog has been read. */
  readonly totalBytes: number | null;
}

export interface DumpPartDeps {
  /** A direct connection to the member. */
  readonly client: MongoClient;
  /** The artifact storage. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called after every frame: throttle what is costly. */
  readonly onProgress: (progress: DumpProgress) => void;
  /** Called before each pack and each slice. @throws LeaseLost */
  readonly checkFence: () => Promise<void>;
  /** Watches the member while it is read; without: collections are read as fast as they come. */
  readonly brake?: LoadBrake;
}

export interface DumpPartResult {
  readonly base: LogicalBase;
  /** Consistency rule 1: the member's last applied optime, read after the last document. */
  readonly point: OpTime;
  /** What was captured while the base was taken: to be continued to the restore time by `captureTo`. */
  readonly slices: CapturedSlice[];
  readonly usersAndRoles: boolean;
}

/** Raw bytes between the reply and the storage: a few frames, or two documents of the greatest size. */
const inFlightBytes = 32 * 1024 * 1024;
const captureEveryMilliseconds = 1000;
/** A slice that does not fill is written after this time, so that a lost worker has lost little. */
const sliceEveryMilliseconds = 30_000;

/**
 * Takes the logical base of one part from one member, and that member's oplog meanwhile. Only the two together are
 * consistent, from `point` on (design: consistency.md 1, 3-10). When it fails nothing half-written is left: packs that
 * were complete remain, and are in no index.
 * @throws MemberStateChanged, FeatureCompatibilityVersionChanged, SourceUnreachable (all retryable as a new attempt),
 * OplogRolledOver, OplogGap, CorruptSource, MissingPrivileges, LeaseLost, VerificationFailed, the storage's errors, and
 * the signal's reason when aborted
 */
export async function dumpPart(input: DumpPartInput, deps: DumpPartDeps): Promise<DumpPartResult> {
  const startedAt = deps.clock.now().toISOString();
  const { client, signal, brake } = deps;
  const source: Source = { client, member: input.member, signal, brake };
  const identity = await readDataIdentity(source);
  const { capture, applyFrom } = await openCapture(input, deps, source);
  deps.logger.info('capture starts', { from: capture.from, applyFrom });

  const { namespaces, packs, leftOut } = await takeBase(input, deps, source, capture);
  const point = await readPoint(async () => (await readMemberState(source, input.replicaSet)).lastApplied, {
    member: input.member,
    leftOut,
    clock: deps.clock,
    signal: deps.signal,
  });
  if ((await readDataIdentity(source)) !== identity)
    throw new HoldfastError('MemberStateChanged', `${input.member} was rolled back or resynced while it was read.`);
  await capture.advance((await readMemberState(source, input.replicaSet)).majority, true, source.signal);
  deps.logger.info('base is complete', { point, capturedTo: capture.capturedTo });

  const index = await storeIndex(input, deps, packs, namespaces);
  const base: LogicalBase = {
    schemaVersion: 1,
    method: 'logical',
    attempt: input.attempt,
    member: input.member,
    codec: input.codec,
    index,
    packs: packs.map(({ key, size, crc32, sha256 }) => ({ key, size, crc32, sha256 })),
    namespaces: namespaces.map(namespaceSummary),
    ...totals(namespaces, packs),
    captureFrom: capture.from,
    applyFrom,
    startedAt,
    finishedAt: deps.clock.now().toISOString(),
  };
  return { base, point, slices: [...capture.slices], usersAndRoles: hasUsersOrRoles(namespaces) };
}

interface TakenBase {
  readonly namespaces: DumpedNamespace[];
  readonly packs: WrittenPack[];
  /** Whether a collection of the catalog was dropped before it was read. */
  readonly leftOut: boolean;
}

async function openCapture(input: DumpPartInput, deps: DumpPartDeps, source: Source) {
  const serverVersion = await readServerVersion(source);
  const origin = { member: input.member, serverVersion, run: input.runId, fence: input.fence };
  const oplogPrefix = artifactKeys.oplog(input.partPrefix);
  const target = { store: deps.store, oplogPrefix, origin, checkFence: deps.checkFence };
  return startCapture(source, target, input.replicaSet);
}

/** Reads all collections, while the oplog is captured beside. The first failure of either ends both. */
async function takeBase(
  input: DumpPartInput,
  deps: DumpPartDeps,
  source: Source,
  capture: OplogCapture,
): Promise<TakenBase> {
  const ended = new AbortController();
  let result: TakenBase | undefined;
  await runTogether(deps.signal, [
    async (signal) => {
      result = await dumpIntoPacks(input, deps, { ...source, signal });
      ended.abort();
    },
    (signal) => captureUntil(ended.signal, input, deps, capture, { ...source, signal }),
    async (signal) => deps.brake?.watch(ended.signal, { ...source, signal }),
  ]);
  if (!result) throw new HoldfastError('Internal', 'The dump ended without a result.');
  return result;
}

async function captureUntil(
  ended: AbortSignal,
  input: DumpPartInput,
  deps: DumpPartDeps,
  capture: OplogCapture,
  source: Source,
): Promise<void> {
  let written = deps.clock.now().getTime();
  while (!ended.aborted) {
    const { majority } = await readMemberState(source, input.replicaSet);
    const due = deps.clock.now().getTime() - written >= sliceEveryMilliseconds;
    if (due) written = deps.clock.now().getTime();
    await capture.advance(majority, due, source.signal);
    await deps.clock.sleep(captureEveryMilliseconds, AbortSignal.any([ended, source.signal])).catch(() => undefined);
    source.signal.throwIfAborted();
  }
}

async function dumpIntoPacks(input: DumpPartInput, deps: DumpPartDeps, source: Source): Promise<TakenBase> {
  const { store, checkFence } = deps;
  const { partPrefix, attempt } = input;
  const packs = new PackWriter({ store, partPrefix, attempt, signal: source.signal, checkFence });
  const budget = new ByteBudget(inFlightBytes);
  const compress = frameCompressor(input.codec, input.level);
  const counters = { documents: 0, rawBytes: 0 };
  let totalBytes: number | null = null;
  let leftOut = false;
  const report = (): void => {
    deps.onProgress({ phase: 'dump', ...counters, storedBytes: packs.storedBytes, totalBytes });
  };
  try {
    const namespaces = await dumpNamespaces({
      source,
      parallel: input.parallel,
      counters,
      newFrameWriter: (onFailure) => new FrameWriter({ compress, packs, budget, onFailure, onFrame: report }),
      onTotal: (bytes) => {
        totalBytes = bytes;
        report();
      },
      onLeftOut: () => {
        leftOut = true;
      },
    });
    return { namespaces, packs: await packs.finish(), leftOut };
  } catch (error) {
    await packs.abort(error);
    throw error;
  }
}

async function storeIndex(
  input: DumpPartInput,
  deps: DumpPartDeps,
  packs: readonly WrittenPack[],
  namespaces: readonly DumpedNamespace[],
): Promise<LogicalBase['index']> {
  const { backupId, part, codec } = input;
  const key = artifactKeys.index(input.partPrefix);
  await deps.checkFence();
  // An earlier attempt that ended between its index and its answer left one: nothing refers to it.
  await deps.store.delete([key]);
  return writeIndex(deps.store, key, indexLines({ backupId, part, codec }, packs, namespaces), deps.signal);
}

function totals(namespaces: readonly DumpedNamespace[], packs: readonly WrittenPack[]) {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    documents: sum(namespaces.map(({ collection }) => collection?.documents ?? 0)),
    rawBytes: sum(namespaces.map(({ collection }) => collection?.rawBytes ?? 0)),
    storedBytes: sum(packs.map(({ size }) => size)),
  };
}

function hasUsersOrRoles(namespaces: readonly DumpedNamespace[]): boolean {
  return namespaces.some(
    ({ entry, collection }) =>
      (entry.ns === 'admin.system.users' || entry.ns === 'admin.system.roles') && (collection?.documents ?? 0) > 0,
  );
}
