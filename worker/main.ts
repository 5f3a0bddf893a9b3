import { IpcTaskCallbacks } from '../src/adapters/process/ipc-task-callbacks.ts';
import { thisProcess } from '../src/adapters/process/process-identity.ts';
import { composeWorker } from '../src/composition/compose-worker.ts';
import { exitCodes } from '../src/domain/error-registry.ts';
import { asHoldfastError } from '../src/domain/failure.ts';
import { runWorker } from './run-worker.ts';

/** The worker contract: whatever the work does, the process is gone this long after it was told to stop. Milliseconds. */
const longestStop = 25_000;

const [stateDir] = process.argv.slice(2);
const callbacks = new IpcTaskCallbacks();
const terminated = new AbortController();

function endInTime(): void {
  setTimeout(() => process.exit(exitCodes.worker), longestStop).unref();
}

process.on('SIGTERM', () => {
  terminated.abort();
  endInTime();
});
callbacks.lost.addEventListener('abort', endInTime);

try {
  if (stateDir === undefined) throw new TypeError('usage: worker/main.ts STATE_DIR, started by the product');
  const task = await callbacks.receiveTask();
  process.exitCode = await runWorker({
    callbacks,
    composed: composeWorker(stateDir, task.runId, task.environment),
    task,
    lost: callbacks.lost,
    terminated: terminated.signal,
    identity: thisProcess(),
    onOverdue: endInTime,
  });
} catch (error) {
  const failure = asHoldfastError(error, 'WorkerFailed');
  process.stderr.write(`${JSON.stringify({ level: 'error', name: failure.name, message: failure.message })}\n`);
  process.exitCode = failure.exitCode;
} finally {
  callbacks.close();
}
