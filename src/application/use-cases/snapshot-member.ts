import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { lockBegunWithin, requireLockable } from '../../domain/member-lock.ts';
import { artifactKeys, stateKeys } from '../../domain/names.ts';
import type { BackupPlan } from '../../domain/run.ts';
import {
  type MemberSnapshot,
  memberSnapshotSchema,
  type SnapshotStart,
  snapshotStartSchema,
} from '../../domain/run-documents.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import type { OpTime } from '../../domain/timestamp.ts';
import { type TopologyPart, topologySchema } from '../../domain/topology.ts';
import { startCapture } from '../../engine/oplog/start-capture.ts';
import {
  readDataIdentity,
  readOplogFile,
  readServerState,
  readServerVersion,
  type Source,
} from '../../engine/source/member-state.ts';
import { requireMember } from '../../engine/source/require-member.ts';
import { stepSchema } from '../bind.ts';
import { createDocument, findDocument, readDocument, writeDocument } from '../documents.ts';
import { requireHeldLease } from '../leases.ts';
import { withMemberLocked } from '../member-locks.ts';
import { requireOwnVolume } from '../own-volume.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import type { LockWatchdog } from '../ports/lock-watchdog.ts';
import type { SnapshotRequest, TakenSnapshot, VolumeSnapshots } from '../ports/volume-snapshots.ts';
import type { LockDeps } from '../release-locks.ts';
import {
  deploymentOf,
  type OpenStorage,
  readBackupPlan,
  readConfig,
  refuseWhenCancelled,
  storageOf,
} from '../run-folder.ts';

export const snapshotMemberInput = stepSchema.extend({ part: z.string().min(1) });

export interface SnapshotMemberDeps extends LockDeps {
  readonly volumes: VolumeSnapshots;
  readonly openStorage: OpenStorage;
  /** Looks at the set as it is when its member is about to be locked. */
  readonly inspector: DeploymentInspector;
  readonly watchdog: LockWatchdog;
}

interface Context {
  /** When the step began, by `performance.now()`. */
  readonly begun: number;
  readonly plan: BackupPlan;
  readonly planned: BackupPlan['parts'][number];
  readonly part: TopologyPart;
  readonly fence: number;
  readonly deployment: DeploymentSettings;
  readonly source: Source;
  readonly request: SnapshotRequest;
  readonly deps: SnapshotMemberDeps;
}

/**
 * Takes the snapshot of one part's member, in one step so that neither a cold start nor an aborted sibling lies inside:
 * the optime before (capture begins there), the lock where it is needed, the snapshot, the optime after (the point).
 * A state that runs again keeps what it took.
 */
export async function snapshotMember(
  input: z.output<typeof snapshotMemberInput>,
  deps: SnapshotMemberDeps,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ readonly taken: true }> {
  const { runId, part } = input;
  const begun = performance.now();
  await refuseWhenCancelled(deps.state, runId);
  const plan = await readBackupPlan(deps.state, runId);
  const { fence } = await requireHeldLease(deps.state, plan);
  const key = stateKeys.snapshot(runId, part);
  if ((await findDocument(deps.state, key, memberSnapshotSchema)) !== undefined) return { taken: true };
  const { planned, topology, volume } = await findPlanned(plan, part, deps);
  const { deployment: name } = plan;
  const deployment = deploymentOf(await readConfig(deps.state, runId), name);
  const client = await deps.openMember({ deployment, host: planned.member, runId, signal });
  try {
    const source = { client, member: planned.member, signal };
    const keep = planned.method === 'snapshot';
    const request = { runId, part, deployment: name, member: planned.member, volume, keep };
    const { snapshot, point } = await snapshotOnce({
      begun,
      plan,
      planned,
      part: topology,
      fence,
      deployment,
      source,
      request,
      deps,
    });
    // A later try of this state may have been faster: the run goes on with its snapshot, and with the point of that one.
    if ((await deps.state.head(key)) !== undefined) return { taken: true };
    // The point first: capture takes a snapshot that is there as one whose point is final.
    if (point !== null) await writeDocument(deps.state, stateKeys.point(runId, part), point);
    await createDocument(deps.state, key, snapshot);
  } finally {
    await client.close();
  }
  return { taken: true };
}

async function findPlanned(plan: BackupPlan, name: string, { state }: SnapshotMemberDeps) {
  const planned = plan.parts.find((one) => one.name === name);
  const { parts } = await readDocument(state, stateKeys.topology(plan.runId), topologySchema);
  const topology = parts.find((one) => one.name === name);
  const { volume = null } = planned ?? {};
  if (planned !== undefined && topology !== undefined && volume !== null) return { planned, topology, volume };
  throw new HoldfastError('Internal', `the plan of run ${plan.runId} has no volume for the part ${name}`);
}

async function snapshotOnce(context: Context): Promise<{ snapshot: MemberSnapshot; point: OpTime | null }> {
  const { deps, plan, planned, part, request, source } = context;
  await requirePlannedSet(part, source);
  await requireOwnVolume(request.volume, source, deps.volumes);
  const adopted = await adoptEarlier(context);
  const start = adopted?.start ?? (await beginCapture(context));
  let taken = adopted?.taken;
  const takeSnapshot = async (signal: AbortSignal) => {
    taken ??= await deps.volumes.create(request, signal);
    return { taken, point: await requireSameServer(start, { ...source, signal }) };
  };
  try {
    const { result, lockSeconds } = planned.lock
      ? await locked(context, takeSnapshot)
      : { result: await takeSnapshot(source.signal), lockSeconds: null };
    await requireSameData(start, source);
    const consistency = planned.lock ? 'locked' : 'crash';
    deps.logger.info('the member is snapshotted', { runId: plan.runId, part: part.name, lockSeconds });
    return {
      point: result.point,
      snapshot: {
        ...{ schemaVersion: 1, member: planned.member, start, taken: result.taken },
        ...{ consistency, lockSeconds, completed: null },
      },
    };
  } catch (error) {
    // What another try took is good as long as the member is still what it was.
    const useless = adopted === undefined || isHoldfastError(error, 'MemberStateChanged');
    if (taken !== undefined && useless) await discardTaken(taken, context);
    throw error;
  }
}

/**
 * Deletes what a try took and can't use, and nothing else of its owner: another try may live on, or have succeeded. What is
 * left all the same goes with the next try, the end of the run, or the sweep; why the try failed is what has to be told.
 */
async function discardTaken(taken: TakenSnapshot, { deps, request }: Context): Promise<void> {
  const { volumes, state, logger } = deps;
  const { runId, part } = request;
  try {
    if ((await state.head(stateKeys.snapshot(runId, part))) !== undefined) return;
    // Where single ones can't be deleted an owner has one at most.
    if (volumes.discard === undefined) await volumes.delete(request);
    else await volumes.discard(taken.snapshots.map(({ id }) => id));
  } catch (left) {
    logger.warn('what a snapshot left could not be deleted now', { runId, reason: String(left) });
  }
}

async function requirePlannedSet({ replicaSet, replicaSetId }: TopologyPart, source: Source): Promise<void> {
  if (replicaSet !== null && replicaSetId !== null) await requireMember(source, { replicaSet, replicaSetId });
}

/**
 * The lock's rules are asked of the set as it is now: the plan may be hours old. So is who may lock it: a run that is over
 * has no lease. A step that took long to come here takes no lock: it must have the time to give it back.
 */
async function locked<T>(context: Context, work: (signal: AbortSignal) => Promise<T>) {
  const { begun, deps, plan, part, fence, deployment, source } = context;
  const { parts } = await deps.inspector.inspect(deployment, source.signal);
  requireLockable(parts.find(({ name }) => name === part.name) ?? part, source.member);
  await requireHeldLease(deps.state, plan, fence);
  if (performance.now() - begun > lockBegunWithin)
    throw new HoldfastError(
      'SourceUnreachable',
      `It took more than ${lockBegunWithin / 1000} s until ${source.member} could be locked: it is not locked.`,
    );
  return withMemberLocked({ runId: plan.runId, deployment: plan.deployment }, source, deps, work);
}

/**
 * What an earlier try of this state took and could not write down. Under a lock nobody knows whether it was held to the end:
 * then it is taken anew.
 */
async function adoptEarlier(context: Context): Promise<{ taken: TakenSnapshot; start: SnapshotStart } | undefined> {
  const { deps, planned, request } = context;
  const key = stateKeys.snapshotStart(request.runId, request.part);
  const start = await findDocument(deps.state, key, snapshotStartSchema);
  const taken = start && !planned.lock ? await deps.volumes.adopt(request, start.at) : undefined;
  if (start !== undefined && taken !== undefined) return { taken, start };
  await deps.volumes.delete(request);
  return undefined;
}

/** Before the snapshot: where capture begins, and whose data it is. Durable before the call, so that a later try can adopt it. */
async function beginCapture({ plan, part, fence, source, request, deps }: Context): Promise<SnapshotStart> {
  const { process } = await readServerState(source);
  const at = deps.clock.now().toISOString();
  const start: SnapshotStart =
    part.replicaSet === null
      ? { schemaVersion: 1, identity: null, process, captureFrom: null, applyFrom: null, at }
      : {
          ...{ schemaVersion: 1, identity: await readDataIdentity(source), process, at },
          ...{ oplogFile: await readOplogFile(source), ...(await captureStart()) },
        };
  await writeDocument(deps.state, stateKeys.snapshotStart(request.runId, request.part), start);
  return start;

  async function captureStart(): Promise<Pick<SnapshotStart, 'captureFrom' | 'applyFrom'>> {
    const settings = await readConfig(deps.state, plan.runId);
    const target = {
      store: deps.openStorage(storageOf(settings, plan.storage)),
      oplogPrefix: artifactKeys.oplog(artifactKeys.part(plan.deployment, plan.backupId, part.name)),
      origin: { member: source.member, serverVersion: await readServerVersion(source), run: plan.runId, fence },
      checkFence: async () => {
        await requireHeldLease(deps.state, plan, fence);
      },
    };
    const { capture, applyFrom } = await startCapture(source, target, part.replicaSet ?? '');
    return { captureFrom: capture.from, applyFrom };
  }
}

/** @returns what the server had applied after the call. @throws MemberStateChanged when it was restarted meanwhile */
async function requireSameServer(start: SnapshotStart, source: Source): Promise<OpTime | null> {
  const { process, lastApplied } = await readServerState(source);
  if (process === start.process) return start.captureFrom === null ? null : lastApplied;
  throw new HoldfastError('MemberStateChanged', `${source.member} was restarted while it was snapshotted.`);
}

/** @throws MemberStateChanged (consistency rule 5) */
async function requireSameData(start: SnapshotStart, source: Source): Promise<void> {
  if (start.identity === null || (await readDataIdentity(source)) === start.identity) return;
  throw new HoldfastError(
    'MemberStateChanged',
    `${source.member} was rolled back or resynced while it was snapshotted.`,
  );
}
