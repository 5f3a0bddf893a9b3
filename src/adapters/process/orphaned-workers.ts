import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { WorkerLaunch, WorkerLauncher } from '../../application/ports/worker-launcher.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { workerProcessSchema } from '../../domain/run-documents.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

export interface OrphanStoppingOptions {
  readonly launcher: WorkerLauncher;
  readonly state: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between SIGTERM and SIGKILL; the worker contract allows 25 s. */
  readonly graceMilliseconds?: number;
  /** Between SIGKILL and giving up; default 30 s. */
  readonly killMilliseconds?: number;
}

const pollMilliseconds = 100;

/**
 * A launcher that also stops workers whose parent has died. They end by themselves, but not at once, and nothing of a run
 * may be deleted while one could still write: a worker leaves its identity in the run's folder, and is waited for by it.
 */
export class OrphanStoppingLauncher implements WorkerLauncher {
  readonly #options: OrphanStoppingOptions;

  constructor(options: OrphanStoppingOptions) {
    this.#options = options;
  }

  launch(task: WorkerLaunch): Promise<void> {
    return this.#options.launcher.launch(task);
  }

  async stopAll(runId: string, attempts?: readonly string[]): Promise<void> {
    await this.#options.launcher.stopAll(runId, attempts);
    const { state } = this.#options;
    const wanted = attempts?.map((attempt) => stateKeys.worker(runId, attempt));
    const keys: string[] = [];
    for await (const { key } of state.list(stateKeys.workers(runId))) {
      if (wanted === undefined || wanted.includes(key)) keys.push(key);
    }
    await Promise.all(keys.map(async (key) => this.#stop(await readIdentity(state, key))));
  }

  /** @throws WorkerLost when it outlives SIGKILL, as a process does whose disk never answers */
  async #stop(worker: ProcessIdentity | undefined): Promise<void> {
    if (worker === undefined || !(await isAlive(worker))) return;
    const { clock, logger, graceMilliseconds = 25_000, killMilliseconds = 30_000 } = this.#options;
    logger.warn('a worker outlived its workflow and is stopped', { pid: worker.pid });
    signalProcess(worker.pid, 'SIGTERM');
    const deadline = clock.now().getTime() + graceMilliseconds;
    while (await isAlive(worker)) {
      const late = clock.now().getTime() - deadline;
      if (late >= killMilliseconds) throw unkillable(worker.pid);
      if (late >= 0) signalProcess(worker.pid, 'SIGKILL');
      await clock.sleep(pollMilliseconds);
    }
  }
}

function unkillable(pid: number): HoldfastError {
  return new HoldfastError('WorkerLost', `the worker with process id ${pid} can't be killed, and may still write`, {
    next: 'Look at what it waits for (a mount that does not answer?); the next start of holdfast tries again.',
  });
}

async function readIdentity(state: ObjectStore, key: string): Promise<ProcessIdentity | undefined> {
  try {
    const { body } = await state.get(key);
    return workerProcessSchema.safeParse(JSON.parse(body.toString('utf8'))).data;
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** One that ended between the look and the signal has ended: that is all that was wanted. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
