import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import { resourceTags, stateKeys, temporaryVolume } from '../../domain/names.ts';
import { volumeFilesystemSchema } from '../../domain/run.ts';
import { memberSnapshotSchema, type WorkerTask, workerTaskSchema } from '../../domain/run-documents.ts';
import { snapshotFacts } from '../../domain/snapshot-facts.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createDocument, readDocument } from '../documents.ts';
import { readPlan, requireHeldLease } from '../leases.ts';
import type { WorkerLauncher, WorkerVolume } from '../ports/worker-launcher.ts';
import { deploymentOf, readBackupPlan, readConfig, refuseWhenCancelled } from '../run-folder.ts';

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
  const lease = await requireHeldLease(deps.state, await readPlan(deps.state, runId));
  const { taskKey, attempt } = await writeTask(input, lease.fence, deps);
  const earlier = Array.from({ length: attempt - 1 }, (_, index) => attemptName(input, index + 1));
  if (earlier.length > 0) await deps.launcher.stopAll(runId, earlier);
  await deps.launcher.launch({ runId, taskKey, taskToken, volume: await volumeFor(input, deps) });
  return { attempt };
}

/** What a worker that copies files reads: on AWS a volume made from the snapshot. */
async function volumeFor(
  { runId, part, command }: z.output<typeof launchWorkerInput>,
  { state, volumeTags = {} }: LaunchWorkerDeps,
): Promise<WorkerVolume | undefined> {
  if (command !== 'copy-files') return undefined;
  const plan = await readBackupPlan(state, runId);
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
    tags: {
      ...volumeTags,
      [resourceTags.deployment]: plan.deployment,
      [resourceTags.run]: runId,
      [resourceTags.part]: part,
      [resourceTags.purpose]: temporaryVolume,
    },
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
