import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import type { LogicalBase } from '../../domain/base.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import type { CapturedSlice } from '../oplog/read-chain.ts';
import { writeIndex } from '../packs/index-writer.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import { readDataIdentity, readMemberState, type Source } from '../source/member-state.ts';
import { beginBase, type BegunBase } from './begin-base.ts';
import type { DumpPartDeps, DumpPartInput } from './dump-input.ts';
import type { DumpedNamespace } from './dump-namespaces.ts';
import { indexLines, namespaceSummary } from './index-lines.ts';
import { readPoint } from './read-point.ts';
import { takeBase } from './take-base.ts';

export interface DumpPartResult {
  readonly base: LogicalBase;
  /** Consistency rule 1: the member's last applied optime, read after the last document. */
  readonly point: OpTime;
  /** What was captured while the base was taken: to be continued to the restore time by `captureTo`. */
  readonly slices: CapturedSlice[];
  readonly usersAndRoles: boolean;
}

/**
 * Takes the logical base of one part from one member, and that member's oplog meanwhile. Only the two together are
 * consistent, from `point` on (design: consistency.md 1, 3-10). Goes on where an earlier attempt of the run stopped. When
 * it fails nothing half-written is left: packs that are complete remain, are in no index, and are what the next attempt
 * goes on behind.
 * @throws MemberStateChanged, FeatureCompatibilityVersionChanged, SourceUnreachable (all retryable as a new attempt),
 * OplogRolledOver, OplogGap, CorruptSource, MissingPrivileges, LeaseLost, VerificationFailed, the storage's errors, and
 * the signal's reason when aborted
 */
export async function dumpPart(input: DumpPartInput, deps: DumpPartDeps): Promise<DumpPartResult> {
  const lost = new AbortController();
  const signal = AbortSignal.any([deps.signal, lost.signal]);
  const source: Source = { client: deps.client, member: input.member, signal, brake: deps.brake };
  const begun = await beginBase(input, deps, source, (error) => {
    lost.abort(error);
  });
  const { capture, applyFrom } = begun;
  deps.logger.info('capture starts', { from: capture.from, applyFrom });
  try {
    return await completeBase(input, deps, source, begun);
  } catch (error) {
    // Whoever went on with this base would come to the same entry of the oplog again.
    if (isHoldfastError(error, 'FeatureCompatibilityVersionChanged', 'OplogGap', 'OplogRolledOver'))
      await begun.checkpoint?.discard().catch((reason: unknown) => {
        // Half of them gone, they are of no use either; how the base ended is what counts.
        deps.logger.warn('the checkpoints of the base could not be discarded', { reason: String(reason) });
      });
    throw error;
  }
}

async function completeBase(
  input: DumpPartInput,
  deps: DumpPartDeps,
  source: Source,
  begun: BegunBase,
): Promise<DumpPartResult> {
  const { member, replicaSet } = input;
  const { capture, applyFrom, startedAt } = begun;
  const { namespaces, packs, leftOut } = await takeBase(input, deps, source, begun);
  const readLastApplied = async () => (await readMemberState(source, replicaSet)).lastApplied;
  const point = await readPoint(readLastApplied, { member, leftOut, clock: deps.clock, signal: source.signal });
  const majority = await requireSameData(begun, input, source);
  await capture.advance(majority, true, source.signal);
  deps.logger.info('base is complete', { point, capturedTo: capture.capturedTo });

  const index = await storeIndex(input, deps, packs, namespaces);
  const base: LogicalBase = {
    schemaVersion: 1,
    method: 'logical',
    attempt: input.attempt,
    member,
    codec: input.codec,
    index,
    packs: packs.map(({ key, size, crc32 }) => ({ key, size, crc32 })),
    namespaces: namespaces.map(namespaceSummary),
    ...totals(namespaces, packs),
    captureFrom: capture.from,
    applyFrom,
    startedAt,
    finishedAt: deps.clock.now().toISOString(),
  };
  return { base, point, slices: [...capture.slices], usersAndRoles: hasUsersOrRoles(namespaces) };
}

/** @returns the majority point now. @throws MemberStateChanged when what was read may be of two histories (rule 5) */
async function requireSameData(begun: BegunBase, input: DumpPartInput, source: Source): Promise<OpTime> {
  const changed = (what: string) =>
    new HoldfastError('MemberStateChanged', `${input.member} was ${what} while it was read.`);
  if ((await readDataIdentity(source)) !== begun.identity) throw changed('rolled back or resynced');
  const { majority, process } = await readMemberState(source, input.replicaSet);
  if (process !== begun.process) throw changed('restarted');
  return majority;
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
