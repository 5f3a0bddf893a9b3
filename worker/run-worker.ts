import { recordStepError } from '../src/application/bind.ts';
import { readDocument, writeDocument } from '../src/application/documents.ts';
import type { TaskCallbacks } from '../src/application/ports/task-callbacks.ts';
import { isCancelRequested, readOutcome } from '../src/application/run-folder.ts';
import type { ComposedWorker, WorkerDeps } from '../src/composition/compose-worker.ts';
import type { HoldfastError } from '../src/domain/errors.ts';
import { asHoldfastError, failureCause } from '../src/domain/failure.ts';
import { stateKeys } from '../src/domain/names.ts';
import { type WorkerTask, workerTaskSchema } from '../src/domain/run-documents.ts';
import { runCopyFilesTask } from './copy-files-task.ts';
import { runDumpTask } from './dump-task.ts';
import { runRestoreTask } from './restore-task.ts';
import { stopReasons, type TaskWatch, watchTask } from './watch-task.ts';

/** What the process around a worker gives it. */
export interface WorkerHost {
  readonly callbacks: TaskCallbacks;
  /** What the task works with; opened by the host, closed by the worker. */
  readonly composed: ComposedWorker;
  readonly task: {
    readonly runId: string;
    readonly taskKey: string;
    readonly taskToken: string;
  };
  /** Aborted when nobody can hear the worker any more. */
  readonly lost: AbortSignal;
  /** Aborted when the host wants the worker to end (SIGTERM). */
  readonly terminated: AbortSignal;
  /** This process, for whoever must wait for its end; left out where the host itself tells (ECS). */
  readonly identity?: { readonly pid: number; readonly processStart: string };
  readonly heartbeatInterval?: number;
  /** The work can't be stopped: the process must end without it. */
  readonly onOverdue: () => void;
}

/**
 * What a backup reads and stores is answered in minutes at worst; one that does nothing for so long waits for something that
 * does not come. Another attempt goes on where it was.
 */
const longestStandstill = 60 * 60 * 1000;

const works = {
  dump: { run: runDumpTask, state: 'Dump Collections', longestStandstill },
  'copy-files': { run: runCopyFilesTask, state: 'Copy Files', longestStandstill },
  // A target builds indexes, and a mongod recovers, for as long as it takes, and says nothing meanwhile.
  restore: {
    run: (task: WorkerTask, deps: WorkerDeps, { signal }: TaskWatch) => runRestoreTask(task, deps, signal),
    state: 'Restore Part',
    longestStandstill: undefined,
  },
} as const;

/** Does one task and answers for it. @returns the exit code: 0, or the code of the error's kind */
export async function runWorker(host: WorkerHost): Promise<number> {
  const { taskKey, taskToken } = host.task;
  const { deps, close } = host.composed;
  try {
    const task = await readDocument(deps.state, taskKey, workerTaskSchema);
    await registerProcess(task, host, deps);
    return await doTask(task, host, deps);
  } catch (error) {
    const failure = asHoldfastError(error, 'WorkerFailed');
    await answerFailure(taskToken, failure, host, deps);
    return failure.exitCode;
  } finally {
    await close();
  }
}

async function registerProcess(task: WorkerTask, host: WorkerHost, deps: WorkerDeps): Promise<void> {
  if (host.identity === undefined) return;
  const attempt = `${task.command}-${task.part}-${task.attempt}`;
  await writeDocument(deps.state, stateKeys.worker(task.runId, attempt), { schemaVersion: 1, ...host.identity });
}

async function doTask(task: WorkerTask, host: WorkerHost, deps: WorkerDeps): Promise<number> {
  const { callbacks, heartbeatInterval } = host;
  const { taskToken } = host.task;
  const { state, clock, logger } = deps;
  const isOver = async (): Promise<boolean> =>
    (await isCancelRequested(state, task.runId)) || (await readOutcome(state, task.runId)) !== undefined;
  const { run, state: stateName, longestStandstill } = works[task.command];
  const watch = watchTask({
    taskToken,
    longestStandstill,
    callbacks,
    isCancelRequested: isOver,
    clock,
    logger,
    ...(heartbeatInterval !== undefined && { heartbeatInterval }),
  });
  follow(host.lost, () => {
    watch.stop(stopReasons.unwanted());
  });
  follow(host.terminated, () => {
    watch.stop(stopReasons.terminated());
  });
  watch.overdue.catch(host.onOverdue);
  try {
    const output = await Promise.race([run(task, deps, watch), watch.overdue]);
    watch.close();
    await callbacks.success(taskToken, output);
    return 0;
  } catch (error) {
    watch.close();
    return await endFailed(
      error,
      { runId: task.runId, state: `${stateName}.${task.part}`, retry: task.attempt - 1 },
      watch,
      host,
      deps,
    );
  }
}

function follow(signal: AbortSignal, react: () => void): void {
  if (signal.aborted) react();
  else signal.addEventListener('abort', react, { once: true });
}

/** Whatever broke after a reason to stop is a consequence of stopping. */
async function endFailed(
  error: unknown,
  step: { readonly runId: string; readonly state: string; readonly retry: number },
  watch: TaskWatch,
  host: WorkerHost,
  deps: WorkerDeps,
): Promise<number> {
  const failure = watch.stopReason?.error ?? asHoldfastError(error, 'WorkerFailed');
  await recordStepError(step, failure, deps);
  if (watch.stopReason?.answer !== false) await answerFailure(host.task.taskToken, failure, host, deps);
  return failure.exitCode;
}

async function answerFailure(token: string, failure: HoldfastError, host: WorkerHost, deps: WorkerDeps): Promise<void> {
  try {
    await host.callbacks.failure(token, failure.name, failureCause(failure));
  } catch (refusal) {
    deps.logger.warn('nobody took the answer of this worker', { answer: failure.name, reason: String(refusal) });
  }
}
