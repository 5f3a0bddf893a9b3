import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { resourceTags, stateKeys, temporary } from '../../domain/names.ts';
import { volumeFilesystemSchema } from '../../domain/run.ts';
import { memberSnapshotSchema, type Plan, type WorkerTask, workerTaskSchema } from '../../domain/run-documents.ts';
import { snapshotFacts } from '../../domain/snapshot-facts.ts';
import type { ScratchVolume, TargetVolume } from '../../domain/volume-target.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createDocument, readDocument } from '../documents.ts';
import { readPlan, requireHeldLease } from '../leases.ts';
import type { WorkerLauncher, WorkerVolume } from '../ports/worker-launcher.ts';
import { deploymentOf, readConfig, refuseWhenCancelled } from '../run-folder.ts';

export const launchWorkerInput = stepSchema.extend({
  command: z.enum(['dump', 'copy-files', 'restore']),
  part: z.string().min(1),
  taskToken: z.string().min(1),
});

export interface LaunchWorkerDeps extends StepDeps {
  readonly launcher: WorkerLauncher;
  /** On every volume of a worker, beside run and part; on AWS. */
  readonly volumeTags?: Readonly<Record<string, string>>;
}

/**
 * Starts the worker of one part. The worker answers by the token; a state run again with the same token starts no second
 * one. An earlier worker that was given up (its heartbeats stayed out) may still live: it is gone before the next begins,
 * so that two never write the same index, the same documents of the run or the same target.
 */
export async function launchWorker(
  input: z.output<typeof launchWorkerInput>,
  deps: LaunchWorkerDeps,
): Promise<{ readonly attempt: number }> {
  const { runId, taskToken } = input;
  await refuseWhenCancelled(deps.state, runId);
  const plan = await readPlan(deps.state, runId);
  const lease = await requireHeldLease(deps.state, plan);
  const { taskKey, attempt } = await writeTask(input, lease.fence, deps);
  const earlier = Array.from({ length: attempt - 1 }, (_, index) => attemptName(input, index + 1));
  if (earlier.length > 0) await deps.launcher.stopAll(runId, earlier);
  await deps.launcher.launch({ runId, taskKey, taskToken, volume: await volumeFor(input, attempt, plan, deps) });
  return { attempt };
}

/** What a worker that copies files reads, on AWS a volume made from the snapshot; or the volume that it restores to, or by way of. */
async function volumeFor(
  { runId, part, command }: z.output<typeof launchWorkerInput>,
  attempt: number,
  plan: Plan,
  { state, volumeTags = {} }: LaunchWorkerDeps,
): Promise<WorkerVolume | undefined> {
  const tags = {
    ...volumeTags,
    [resourceTags.deployment]: plan.deployment,
    [resourceTags.run]: runId,
    [resourceTags.part]: part,
  };
  const forNow = { ...tags, [resourceTags.purpose]: temporary };
  if (plan.kind === 'restore') {
    if (plan.volume) return volumeToKeep(plan.volume, { ...tags, [resourceTags.attempt]: String(attempt) });
    return plan.scratch && { ...madeFrom(plan.scratch), keep: false, tags: forNow };
  }
  if (command !== 'copy-files') return undefined;
  const known = await readDocument(state, stateKeys.snapshot(runId, part), memberSnapshotSchema);
  const { type, snapshots, filesystem } = snapshotFacts(known);
  if (type !== 'ebs') return undefined;
  const { mongodbVersion } = deploymentOf(await readConfig(state, runId), plan.deployment);
  const [snapshot] = snapshots;
  if (mongodbVersion === undefined || snapshot === undefined || snapshots.length > 1) {
    throw new HoldfastError('Internal', `the plan of ${runId} makes a volume of what cannot be one`);
  }
  return {
    ...{ mongodbVersion, snapshotId: snapshot.id, sizeGiB: null, keep: false },
    filesystem: volumeFilesystemSchema.parse(filesystem),
    tags: forNow,
  };
}

/** Each worker gets one of its own: ECS attaches no volume that is there already. All but the last are deleted at the end. */
function volumeToKeep(volume: TargetVolume, tags: Readonly<Record<string, string>>): WorkerVolume {
  const { subnet } = volume;
  return { ...madeFrom(volume), subnet, keep: true, tags: { ...tags, [resourceTags.unfinished]: 'true' } };
}

function madeFrom(volume: ScratchVolume): Omit<WorkerVolume, 'keep' | 'tags'> {
  const { mongodbVersion, snapshot, sizeGiB, filesystem, type, iops, throughput, kmsKey, initialization } = volume;
  return {
    ...{ mongodbVersion, snapshotId: snapshot, sizeGiB, filesystem },
    performance: { type, iops, throughput },
    // A snapshot's volume keeps its key unless another was asked for.
    ...(kmsKey === null && snapshot !== null ? {} : { kmsKey }),
    ...(typeof initialization === 'object' && { initializationRate: initialization.rate }),
  };
}

function attemptName({ command, part }: z.output<typeof launchWorkerInput>, attempt: number): string {
  return `${command}-${part}-${attempt}`;
}

/** Attempts are counted over all workers of the part in this run: an earlier one's packs keep their names. */
async function writeTask(
  input: z.output<typeof launchWorkerInput>,
  fence: number,
  deps: LaunchWorkerDeps,
): Promise<{ taskKey: string; attempt: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const taskKey = stateKeys.task(input.runId, attemptName(input, attempt));
    const task: WorkerTask = {
      schemaVersion: 1,
      runId: input.runId,
      command: input.command,
      part: input.part,
      attempt,
      taskToken: input.taskToken,
      fence,
      startedAt: deps.clock.now().toISOString(),
    };
    if (await createDocument(deps.state, taskKey, task)) return { taskKey, attempt };
    const earlier = await readDocument(deps.state, taskKey, workerTaskSchema);
    if (earlier.taskToken === input.taskToken) return { taskKey, attempt };
  }
}
