import { connectDirect } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import { readDocument } from '../application/documents.ts';
import { requireHeldLease } from '../application/leases.ts';
import type { Logger } from '../application/ports/logger.ts';
import type { ObjectStore } from '../application/ports/object-store.ts';
import { deploymentOf, type OpenStorage, readConfig, storageOf } from '../application/run-folder.ts';
import type { CaptureOplogDeps, PartCapture } from '../application/use-cases/capture-oplog.ts';
import { logicalBaseSchema } from '../domain/base.ts';
import { HoldfastError } from '../domain/errors.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import type { BackupPlan } from '../domain/run.ts';
import { memberSnapshotSchema } from '../domain/run-documents.ts';
import { opTimeSchema } from '../domain/timestamp.ts';
import { topologySchema } from '../domain/topology.ts';
import { captureTo, type CaptureToInput } from '../engine/oplog/capture-to.ts';
import { type PlannedSet, requireMember } from '../engine/source/require-member.ts';

interface CapturePartContext {
  readonly state: ObjectStore;
  readonly openStorage: OpenStorage;
  readonly logger: Logger;
  readonly credentials?: ResolveCredentialsOptions;
}

/** The engine's capture, with a connection to the member that the part's base was read from. */
export function makeCapturePart(context: CapturePartContext): CaptureOplogDeps['capturePart'] {
  return async (capture) => {
    const { state, openStorage, logger } = context;
    const { plan } = capture;
    const settings = await readConfig(state, plan.runId);
    const deployment = deploymentOf(settings, plan.deployment);
    const { fence } = await requireHeldLease(state, plan);
    const set = await plannedSet(plan, capture.part, state);
    const input = await describeCapture(capture, { fence, replicaSet: set.replicaSet }, state);
    const signal = capture.signal ?? new AbortController().signal;
    const client = await connectDirect({
      host: input.member,
      settings: deployment,
      credentials: await resolveCredentials(deployment.credentials, context.credentials),
      appName: `holdfast capture ${plan.runId}`,
      signal,
    });
    try {
      const checkFence = async (): Promise<void> => {
        await requireHeldLease(state, plan, fence);
      };
      const store = openStorage(storageOf(settings, plan.storage));
      await requireMember({ client, member: input.member, signal }, set);
      const result = await captureTo(input, { client, store, signal, checkFence });
      if (!result.reached)
        logger.info('capture waits', { runId: plan.runId, part: capture.part, for: result.waitingFor });
      return result.reached;
    } finally {
      await client.close();
    }
  };
}

async function describeCapture(
  { plan, part, restoreTime }: PartCapture,
  known: Pick<CaptureToInput, 'fence' | 'replicaSet'>,
  state: ObjectStore,
): Promise<CaptureToInput> {
  return {
    ...(await captureStart(plan, part, state)),
    oplogPrefix: artifactKeys.oplog(artifactKeys.part(plan.deployment, plan.backupId, part)),
    point: await readDocument(state, stateKeys.point(plan.runId, part), opTimeSchema),
    restoreTime,
    runId: plan.runId,
    ...known,
  };
}

async function captureStart(
  plan: BackupPlan,
  part: string,
  state: ObjectStore,
): Promise<Pick<CaptureToInput, 'from' | 'applyFrom' | 'member'>> {
  const { runId } = plan;
  if (plan.parts.find(({ name }) => name === part)?.method === 'logical') {
    const {
      captureFrom: from,
      applyFrom,
      member,
    } = await readDocument(state, stateKeys.base(runId, part), logicalBaseSchema);
    return { from, applyFrom, member };
  }
  const { start, member } = await readDocument(state, stateKeys.snapshot(runId, part), memberSnapshotSchema);
  const { captureFrom: from, applyFrom } = start;
  if (from !== null && applyFrom !== null) return { from, applyFrom, member };
  throw new HoldfastError('Internal', `the part ${part} of run ${runId} has no oplog`);
}

async function plannedSet(plan: BackupPlan, part: string, state: ObjectStore): Promise<PlannedSet> {
  const topology = await readDocument(state, stateKeys.topology(plan.runId), topologySchema);
  const { replicaSet, replicaSetId } = topology.parts.find((candidate) => candidate.name === part) ?? {};
  if (replicaSet && replicaSetId) return { replicaSet, replicaSetId };
  throw new HoldfastError('Internal', `the part ${part} of run ${plan.runId} is no replica set`);
}
