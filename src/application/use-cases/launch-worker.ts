import * as z from 'zod';
import { stateKeys } from '../../domain/names.ts';
import { type WorkerTask, workerTaskSchema } from '../../domain/run-documents.ts';
import { type StepDeps, stepSchema } from '../bind.ts';
import { createDocument, readDocument } from '../documents.ts';
import { readPlan, requireHeldLease } from '../leases.ts';
import type { WorkerLauncher } from '../ports/worker-launcher.ts';
import { refuseWhenCancelled } from '../run-folder.ts';

export const launchWorkerInput = stepSchema.extend({
  command: z.enum(['dump', 'copy-files', 'restore']),
  part: z.string().min(1),
  taskToken: z.string().min(1),
});

export interface LaunchWorkerDeps extends StepDeps {
  readonly launcher: WorkerLauncher;
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
  await deps.launcher.launch({ runId, taskKey, taskToken });
  return { attempt };
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
