import type { CheckpointMember } from '../../domain/checkpoint.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys } from '../../domain/names.ts';
import { compareTimestamps, describeOpTime, type OpTime } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import type { CaptureTarget, OplogCapture } from '../oplog/capture.ts';
import { hasOplogEntry } from '../oplog/oplog-source.ts';
import { resumeCapture, startCapture } from '../oplog/start-capture.ts';
import { inOrder } from '../packs/in-order.ts';
import {
  readDataIdentity,
  readMemberState,
  readServerVersion,
  readStableCheckpoint,
  type Source,
} from '../source/member-state.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import type { DumpPartDeps, DumpPartInput } from './dump-input.ts';
import { type Checkpoint, readCheckpoint, type SavedBase, type SavedCollection } from './read-checkpoint.ts';

/** There may be tens of thousands, and a storage takes some milliseconds to say that it has one. */
const packsAsked = 16;

/** A base that is to be read, from nothing or from where an earlier attempt came. */
export interface BegunBase {
  /** Of the attempt that began it. */
  readonly startedAt: string;
  /** Rollback id and initial sync id before its first read. */
  readonly identity: string;
  /** Which start of the server it is read from now. */
  readonly process: string;
  readonly applyFrom: OpTime;
  readonly capture: OplogCapture;
  /** What an earlier attempt left. */
  readonly saved: SavedBase | undefined;
  /** Undefined when nobody is to go on with it. */
  readonly checkpoint: CheckpointWriter | undefined;
}

/**
 * Goes on with the base that an earlier attempt began, when all that it left still holds for the member as it is now;
 * else begins one. Why a checkpoint is not used is logged.
 * @param onLost told when another worker goes on with the same base
 * @throws MemberStateChanged (retryable, also when the member is behind what was read from it), OplogRolledOver,
 * OplogGap, MissingPrivileges, SourceUnreachable, the storages' errors
 */
export async function beginBase(
  input: DumpPartInput,
  deps: DumpPartDeps,
  source: Source,
  onLost: (error: HoldfastError) => void,
): Promise<BegunBase> {
  const target: CaptureTarget = {
    store: deps.store,
    oplogPrefix: artifactKeys.oplog(input.partPrefix),
    origin: {
      ...{ member: input.member, serverVersion: await readServerVersion(source) },
      ...{ run: input.runId, fence: input.fence },
    },
    checkFence: deps.checkFence,
  };
  const { process, majority } = await readMemberState(source, input.replicaSet);
  const identity = await readDataIdentity(source);
  const context = { input, deps, source, target, process, majority, identity, onLost };
  const found = await findCheckpoint(input, deps);
  return (found && (await resumeBase(found, context))) ?? (await freshBase(context));
}

interface Context {
  readonly input: DumpPartInput;
  readonly deps: DumpPartDeps;
  readonly source: Source;
  readonly target: CaptureTarget;
  readonly process: string;
  readonly majority: OpTime;
  readonly identity: string;
  readonly onLost: (error: HoldfastError) => void;
}

async function findCheckpoint(input: DumpPartInput, deps: DumpPartDeps): Promise<Checkpoint | undefined> {
  if (!deps.checkpoints) return undefined;
  try {
    return await readCheckpoint(deps.checkpoints, input.partPrefix);
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    deps.logger.error('the base starts anew: its checkpoint cannot be used', { reason: error.message });
    return undefined;
  }
}

async function freshBase(context: Context): Promise<BegunBase> {
  const { input, deps, source, target, process, identity } = context;
  const { capture, applyFrom } = await startCapture(source, target, input.replicaSet);
  const checkpoint = openCheckpoint(context, applyFrom, input.attempt);
  const startedAt = deps.clock.now().toISOString();
  return { startedAt, identity, process, applyFrom, capture, saved: undefined, checkpoint };
}

async function resumeBase(found: Checkpoint, context: Context): Promise<BegunBase | undefined> {
  const { deps, source, target, process, majority } = context;
  const { base, catalog, packs, packNames } = found;
  const refusal = await refusalOf(found, context);
  const capture = refusal === undefined ? await resumeCapture(source, target, base, majority) : undefined;
  if (!capture) {
    const reason = refusal ?? 'the oplog of the member does not continue what was captured';
    deps.logger.warn('the base starts anew: an earlier attempt cannot be continued', { reason });
    return undefined;
  }
  const { startedAt, applyFrom, identity } = base;
  const checkpoint = openCheckpoint(context, applyFrom, found.began, found);
  const collections = usableCollections(found, process, checkpoint);
  deps.logger.info('the base of an earlier attempt is continued', { began: found.began, records: found.records });
  return {
    startedAt,
    identity,
    process,
    applyFrom,
    capture,
    saved: { catalog, collections, packs, packNames },
    checkpoint,
  };
}

/** @returns why nothing of the checkpoint may be used; undefined when it may, once its capture goes on. @throws MemberStateChanged */
async function refusalOf(found: Checkpoint, context: Context): Promise<string | undefined> {
  return (
    otherBase(found, context) ?? (await otherHistory(found.member, context)) ?? (await missingPack(found, context.deps))
  );
}

/** Why the records are of another base than the one to take. */
function otherBase({ base }: Checkpoint, { input, identity }: Context): string | undefined {
  for (const name of ['backupId', 'part', 'codec', 'member', 'replicaSetId'] as const)
    if (base[name] !== input[name]) return `its ${name} was ${base[name]}, and is ${input[name]}`;
  return base.identity === identity ? undefined : `${input.member} was rolled back or resynced since`;
}

/**
 * A member that crashed has lost what was not in its journal, without a rollback: then documents may have been read that
 * the set never knew. @returns why nothing that was read may be used
 * @throws MemberStateChanged while the member is still behind
 */
async function otherHistory({ seen }: CheckpointMember, { input, source }: Context): Promise<string | undefined> {
  const { lastApplied } = await readMemberState(source, input.replicaSet);
  if (compareTimestamps(lastApplied.ts, seen.ts) < 0)
    throw new HoldfastError(
      'MemberStateChanged',
      `${input.member} is at ${describeOpTime(lastApplied)}, behind ${describeOpTime(seen)}, up to which it was read before.`,
    );
  if (await hasOplogEntry(source, seen)) return undefined;
  return `the oplog of ${input.member} does not hold ${describeOpTime(seen)}, up to which it was read`;
}

async function missingPack({ packs }: Checkpoint, { store }: DumpPartDeps): Promise<string | undefined> {
  const asked = inOrder(packs.values(), packsAsked, async ({ key, size }) => ({
    key,
    isThere: (await store.head(key))?.size === size,
  }));
  for await (const { key, isThere } of asked)
    if (!isThere) return `${key} in ${store.description} is missing or has another size`;
  return undefined;
}

function openCheckpoint(
  { input, deps, source, process, onLost }: Context,
  applyFrom: OpTime,
  base: number,
  found?: Checkpoint,
): CheckpointWriter | undefined {
  if (!deps.checkpoints) return undefined;
  // What ends the scans must not keep the last record from being written.
  const asking = { ...source, signal: new AbortController().signal };
  let durable = found?.member.durable ?? false;
  const describeMember = async () => {
    const now = await readMemberState(asking, input.replicaSet);
    if (now.process !== process) throw new HoldfastError('MemberStateChanged', `${input.member} was restarted.`);
    const stable = durable ? undefined : await readStableCheckpoint(asking);
    durable ||= stable !== undefined && compareTimestamps(stable, applyFrom.ts) >= 0;
    return { attempt: input.attempt, process, seen: now.lastApplied, durable };
  };
  const { logger, checkpoints } = deps;
  return new CheckpointWriter({ ...checkpoints, base, records: found?.records ?? 0, describeMember, logger, onLost });
}

/**
 * RecordIds outlive a restart only once a checkpoint of the storage engine holds them: documents that the server's own
 * recovery inserts again get others. Those of a clustered collection are its keys.
 */
function usableCollections(
  { member, catalog, collections }: Checkpoint,
  process: string,
  checkpoint: CheckpointWriter | undefined,
): ReadonlyMap<string, SavedCollection> {
  const sameRecordIds = member.durable || member.process === process;
  const usable = new Map<string, SavedCollection>();
  for (const { uuid, options } of catalog) {
    const saved = uuid === null ? undefined : collections.get(uuid);
    if (uuid === null || !saved) continue;
    if (saved.scanned) {
      usable.set(uuid, saved);
      continue;
    }
    const { frames, positions, named } = saved;
    const keep = sameRecordIds || findElement(options, 'clusteredIndex') ? positions.framesWithin(frames.length) : 0;
    // Before anything new is written down: a later attempt must not mix the two.
    if (named) checkpoint?.rescan(uuid, keep);
    frames.truncate(keep);
    positions.truncate(keep);
    usable.set(uuid, saved);
  }
  return usable;
}
