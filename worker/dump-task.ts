import { createDocument, findDocument, readDocument, writeDocument } from '../src/application/documents.ts';
import { deploymentOf, readBackupPlan, readConfig, storageOf } from '../src/application/run-folder.ts';
import type { WorkerDeps } from '../src/composition/compose-worker.ts';
import { logicalBaseSchema } from '../src/domain/base.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../src/domain/names.ts';
import type { BackupPlan } from '../src/domain/run.ts';
import type { WorkerTask } from '../src/domain/run-documents.ts';
import { type TopologyPart, topologySchema } from '../src/domain/topology.ts';
import type { DumpPartInput } from '../src/engine/dump/dump-input.ts';
import { dumpPart, type DumpPartResult } from '../src/engine/dump/dump-part.ts';
import { findLeftOutCollections } from '../src/engine/dump/left-out-collections.ts';
import { requireMember } from '../src/engine/source/require-member.ts';
import { makeMemberBrake } from './member-brake.ts';
import { ProgressFile } from './progress-file.ts';
import { requireStillWanted } from './still-wanted.ts';
import type { TaskWatch } from './watch-task.ts';

/** Connections beside the ones that read collections: capture, its look-backs, the member's state. */
const otherConnections = 4;

export interface DumpTaskOutput {
  readonly part: string;
  readonly attempt: number;
  readonly documents: number;
  readonly storedBytes: number;
}

/** Takes the base of one part. One that an earlier worker completed is kept: its answer got lost, not its work. */
export async function runDumpTask(
  task: WorkerTask,
  deps: WorkerDeps,
  watch: Pick<TaskWatch, 'signal' | 'reached'>,
): Promise<DumpTaskOutput> {
  const { runId, part, attempt } = task;
  const done = await findDocument(deps.state, stateKeys.base(runId, part), logicalBaseSchema);
  if (done) return { part, attempt: done.attempt, documents: done.documents, storedBytes: done.storedBytes };
  const plan = await readBackupPlan(deps.state, runId);
  const { base, point } = await dump(task, plan, deps, watch);
  await requireStillWanted(task, plan, deps.state);
  // The point first: capture takes a base that is there as one whose point is final.
  await writeDocument(deps.state, stateKeys.point(runId, part), point);
  if (!(await createDocument(deps.state, stateKeys.base(runId, part), base))) {
    throw new HoldfastError('LeaseLost', `another worker completed the base of ${part} first`);
  }
  return { part, attempt, documents: base.documents, storedBytes: base.storedBytes };
}

async function dump(
  task: WorkerTask,
  plan: BackupPlan,
  deps: WorkerDeps,
  { signal, reached }: Pick<TaskWatch, 'signal' | 'reached'>,
): Promise<DumpPartResult> {
  const { state, clock, logger } = deps;
  const settings = await readConfig(state, plan.runId);
  const input = await describeDump(task, plan, deps);
  const store = deps.openStorage(storageOf(settings, plan.storage));
  const shown = { runId: plan.runId, part: task.part, interval: deps.progressInterval };
  const progress = new ProgressFile({ state, clock, logger, ...shown });
  const deployment = deploymentOf(settings, plan.deployment);
  const onChange = (state: string | null): void => {
    progress.showBrake(state);
  };
  const { brake, warnings } = makeMemberBrake(input.member, deployment, { clock, logger, onChange });
  const client = await deps.openMember({
    deployment,
    host: input.member,
    runId: plan.runId,
    connections: plan.parallel + otherConnections,
    signal,
  });
  try {
    const member = { client, member: input.member, signal };
    await requireMember(member, input);
    const leftOut = await findLeftOutCollections(member);
    const result = await dumpPart(input, {
      client,
      store,
      clock,
      logger,
      signal,
      onProgress: (work) => {
        progress.report(work);
        reached(work);
      },
      checkFence: makeFence(task, plan, deps, reached),
      brake,
      checkpoints: { store: state, prefix: stateKeys.checkpoints(plan.runId, task.part) },
    });
    return { ...result, base: { ...result.base, warnings: [...leftOut, ...warnings()] } };
  } finally {
    // What comes after the dump is held back by nothing.
    progress.showBrake(null);
    await progress.flush();
    await client.close();
  }
}

/** Asked before each pack, and before each slice of an oplog that may be caught up with for hours. */
function makeFence(
  task: WorkerTask,
  plan: BackupPlan,
  { state }: WorkerDeps,
  reached: TaskWatch['reached'],
): () => Promise<void> {
  let begun = 0;
  return () => {
    reached({ begun: (begun += 1) });
    return requireStillWanted(task, plan, state);
  };
}

async function describeDump(task: WorkerTask, plan: BackupPlan, deps: WorkerDeps): Promise<DumpPartInput> {
  const topology = await readDocument(deps.state, stateKeys.topology(plan.runId), topologySchema);
  const planned = plan.parts.find(({ name }) => name === task.part);
  const part: TopologyPart | undefined = topology.parts.find(({ name }) => name === task.part);
  const { replicaSet = null, replicaSetId = null } = part ?? {};
  if (planned === undefined || replicaSet === null || replicaSetId === null) {
    throw new HoldfastError('Internal', `the plan of run ${plan.runId} has no replica set ${task.part}`);
  }
  const { backupId, runId, deployment, codec, level, parallel } = plan;
  return {
    backupId,
    runId,
    deployment,
    part: task.part,
    partPrefix: artifactKeys.part(deployment, backupId, task.part),
    attempt: task.attempt,
    fence: task.fence,
    codec,
    level,
    parallel,
    member: planned.member,
    replicaSet,
    replicaSetId,
    toolVersion: deps.toolVersion,
  };
}
