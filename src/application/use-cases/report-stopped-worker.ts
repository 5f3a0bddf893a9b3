import { failureCause } from '../../domain/failure.ts';
import { runOfTask } from '../../domain/names.ts';
import { workerTaskSchema } from '../../domain/run-documents.ts';
import { stoppedWorkerError } from '../../domain/stopped-worker.ts';
import type { StepDeps } from '../bind.ts';
import { findDocument } from '../documents.ts';
import type { TaskCallbacks } from '../ports/task-callbacks.ts';

export interface ReportStoppedWorkerDeps extends StepDeps {
  readonly callbacks: Pick<TaskCallbacks, 'failure'>;
}

export interface StoppedWorker {
  /** The task document that it was started for; undefined for a task that nobody's run started. */
  readonly taskKey: string | undefined;
  /** What the host says of its end. */
  readonly reason: string;
}

/**
 * Answers for a worker that has stopped: one that never came up (no image, no memory, no volume) can't. A worker that has
 * answered itself is heard already, and this answer is refused.
 * @returns whether there was a run to answer
 */
export async function reportStoppedWorker(
  { taskKey, reason }: StoppedWorker,
  deps: ReportStoppedWorkerDeps,
): Promise<{ readonly reported: boolean }> {
  if (taskKey === undefined || runOfTask(taskKey) === undefined) return { reported: false };
  const task = await findDocument(deps.state, taskKey, workerTaskSchema);
  if (task === undefined) return { reported: false };
  const lost = stoppedWorkerError(reason);
  await deps.callbacks.failure(task.taskToken, lost.name, failureCause(lost));
  return { reported: true };
}
