import { readDocument } from '../src/application/documents.ts';
import { composeCallbacks } from '../src/composition/compose-aws.ts';
import { composeFargateWorker } from '../src/composition/compose-aws-worker.ts';
import { exitCodes } from '../src/domain/error-registry.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { asHoldfastError } from '../src/domain/failure.ts';
import { runOfTask } from '../src/domain/names.ts';
import { workerTaskSchema } from '../src/domain/run-documents.ts';
import { environment } from './env.ts';
import { runWorker } from './run-worker.ts';

/** The worker contract: whatever the work does, the process is gone this long after it was told to stop. Milliseconds. */
const longestStop = 25_000;

function endInTime(): void {
  setTimeout(() => process.exit(exitCodes.worker), longestStop).unref();
}

const terminated = new AbortController();
process.on('SIGTERM', () => {
  terminated.abort();
  endInTime();
});

try {
  const { STATE_BUCKET, VOLUME_PATH, HOLDFAST_TASK_KEY: taskKey } = environment.parse(process.env);
  const runId = runOfTask(taskKey);
  if (runId === undefined) throw new HoldfastError('InvalidInput', `${taskKey} is no key of a task document`);
  const composed = composeFargateWorker({ STATE_BUCKET, VOLUME_PATH }, runId);
  const { taskToken } = await readDocument(composed.deps.state, taskKey, workerTaskSchema);
  process.exitCode = await runWorker({
    callbacks: composeCallbacks().callbacks,
    composed,
    task: { runId, taskKey, taskToken },
    // A workflow that is gone refuses the heartbeats: there is no channel to lose.
    lost: new AbortController().signal,
    terminated: terminated.signal,
    onOverdue: endInTime,
  });
} catch (error) {
  // Nobody is answered: the rule on stopped tasks does it.
  const failure = asHoldfastError(error, 'WorkerFailed');
  process.stderr.write(`${JSON.stringify({ level: 'error', name: failure.name, message: failure.message })}\n`);
  process.exitCode = failure.exitCode;
}
