import type { WorkerLaunch, WorkerLauncher } from '../../application/ports/worker-launcher.ts';
import { stateKeys } from '../../domain/names.ts';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process.ts';

const defaultGraceMilliseconds = 25_000;

export interface ForkWorkerLauncherOptions extends Omit<WorkerProcessOptions, 'graceMilliseconds' | 'logFile'> {
  /** Between SIGTERM and SIGKILL; default 25 s, the time that the worker contract allows for a checkpoint. */
  readonly graceMilliseconds?: number;
  /** Where the output of a run's workers goes; default: this process's stderr. */
  readonly logFile?: (runId: string) => string;
  /** Environment variables that hold credentials: they reach the worker over the channel, never by its own environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Workers as child processes; see docs/adr/0004 for what passes between them. */
export class ForkWorkerLauncher implements WorkerLauncher {
  readonly #options: ForkWorkerLauncherOptions;
  readonly #workers = new Set<WorkerProcess>();
  readonly #launched = new Map<string, WorkerProcess>();

  constructor(options: ForkWorkerLauncherOptions) {
    this.#options = options;
  }

  /** @throws WorkerLost when the process can't be started */
  async launch(task: WorkerLaunch): Promise<void> {
    const { logFile, graceMilliseconds = defaultGraceMilliseconds, environment = {}, ...rest } = this.#options;
    const { runId, taskKey, taskToken } = task;
    let worker = this.#launched.get(taskToken);
    if (!worker) {
      worker = new WorkerProcess(
        { type: 'start', runId, taskKey, taskToken, environment: definedOnly(environment) },
        { ...rest, graceMilliseconds, logFile: logFile?.(runId) },
      );
      this.#launched.set(taskToken, worker);
      this.#workers.add(worker);
      void worker.ended.then(() => this.#workers.delete(worker as WorkerProcess));
    }
    try {
      await worker.started;
    } catch (error) {
      // Nothing runs under this token, so it may be launched again.
      this.#launched.delete(taskToken);
      throw error;
    }
  }

  async stopAll(runId: string, attempts?: readonly string[]): Promise<void> {
    const taskKeys = attempts?.map((attempt) => stateKeys.task(runId, attempt));
    for (;;) {
      const workers = [...this.#workers].filter(
        (worker) => worker.runId === runId && (taskKeys === undefined || taskKeys.includes(worker.taskKey)),
      );
      if (workers.length === 0) return;
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  }
}

function definedOnly(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) defined[name] = value;
  return defined;
}
