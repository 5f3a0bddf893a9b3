import type { TaskCallbacks } from '../../application/ports/task-callbacks.ts';
import { HoldfastError } from '../../domain/errors.ts';
import {
  type WorkerAnswer,
  workerAnswerSchema,
  type WorkerQuestion,
  type WorkerTaskMessage,
  workerTaskMessageSchema,
} from './worker-messages.ts';

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** The worker's end of the channel to the process that runs the workflow. One per process. */
export class IpcTaskCallbacks implements TaskCallbacks {
  readonly #lost = new AbortController();
  readonly #waiting = new Map<number, (answer: WorkerAnswer | undefined) => void>();
  readonly #task = Promise.withResolvers<WorkerTaskMessage>();
  #questions = 0;

  constructor() {
    // Nobody may be waiting for the task when the channel breaks.
    this.#task.promise.catch(() => undefined);
    process.on('message', this.#onMessage);
    process.on('disconnect', this.#onDisconnect);
    if (!process.connected) this.#onDisconnect();
  }

  /** Aborts when the channel is lost: the workflow's process has died or given the worker up, so the worker must stop itself. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** What this worker was started for. @throws WorkerLost when the channel is lost before, or there is none */
  async receiveTask(): Promise<Omit<WorkerTaskMessage, 'type'>> {
    const { runId, taskKey, taskToken, environment } = await this.#task.promise;
    return { runId, taskKey, taskToken, environment };
  }

  /** @throws WorkerLost when nobody is there to hear it; WorkerFailed with the reason when it is refused */
  async success(token: string, output: unknown): Promise<void> {
    await this.#tell({ type: 'success', token, output });
  }

  /** @throws as {@link success} does */
  async failure(token: string, error: string, cause: string): Promise<void> {
    await this.#tell({ type: 'failure', token, error, cause });
  }

  async heartbeat(token: string): Promise<boolean> {
    const answer = await this.#ask({ type: 'heartbeat', token });
    return answer?.type === 'answered' && answer.wanted;
  }

  /** Lets the process end: an open channel would keep it. */
  close(): void {
    process.off('message', this.#onMessage);
    process.off('disconnect', this.#onDisconnect);
    if (process.connected) process.disconnect();
  }

  async #tell(question: Unnumbered<WorkerQuestion>): Promise<void> {
    const answer = await this.#ask(question);
    if (answer === undefined) throw channelLost();
    if (answer.type === 'answered') return;
    throw new HoldfastError('WorkerFailed', `The workflow refused the answer of this worker: ${answer.message}`, {
      details: { refusedAs: answer.name },
    });
  }

  /** @returns undefined when the channel is lost */
  #ask(question: Unnumbered<WorkerQuestion>): Promise<WorkerAnswer | undefined> {
    const id = ++this.#questions;
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer | undefined>();
    if (!process.connected || !process.send) return Promise.resolve(undefined);
    this.#waiting.set(id, resolve);
    process.send({ ...question, id }, undefined, undefined, (error: Error | null) => {
      if (error) this.#settle(id, undefined);
    });
    return promise;
  }

  readonly #onMessage = (message: unknown) => {
    const task = workerTaskMessageSchema.safeParse(message);
    if (task.success) {
      this.#task.resolve(task.data);
      return;
    }
    const answer = workerAnswerSchema.safeParse(message);
    if (answer.success) this.#settle(answer.data.id, answer.data);
  };

  readonly #onDisconnect = () => {
    const error = channelLost();
    this.#task.reject(error);
    for (const id of [...this.#waiting.keys()]) this.#settle(id, undefined);
    this.#lost.abort(error);
  };

  #settle(id: number, answer: WorkerAnswer | undefined): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}

function channelLost(): HoldfastError {
  return new HoldfastError(
    'WorkerLost',
    'The process that runs the workflow is gone: the worker has nobody to answer.',
    {
      next: 'Start the backup or the restore by `holdfast`; it starts its workers itself.',
    },
  );
}
