import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '../../application/ports/logger.ts';
import type { TaskCallbacks } from '../../application/ports/task-callbacks.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { makeFoldersNow } from '../make-folders.ts';
import { failureCause } from '../../domain/failure.ts';
import {
  type WorkerAnswer,
  type WorkerQuestion,
  workerQuestionSchema,
  type WorkerTaskMessage,
} from './worker-messages.ts';

/** What a worker needs of the environment, none of it a secret. */
const passedOn =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|UV_THREADPOOL_SIZE|HOLDFAST_MONGOD|HOLDFAST_CACHE)$/;

/**
 * How V8 is to use the memory of a worker, also in its container (worker/Dockerfile). Most of what it holds are buffers
 * that are given back at once. V8 counts them among what its heap has grown by, and with the bounds of its choice it
 * goes through the whole heap for every few frames: a fifth of the CPU of a dump.
 */
export const memoryFlags: readonly string[] = ['--initial-old-space-size=128', '--min-semi-space-size=16'];

/** Of a worker on this machine, which has 512 MiB: buffers lie outside of V8's heap. */
export const workerFlags: readonly string[] = ['--max-old-space-size=192', ...memoryFlags];

export interface WorkerProcessOptions {
  /** The worker's program, such as worker/main.ts. */
  readonly entry: string;
  /** Its arguments; never a secret: every user of the machine can read them. */
  readonly args?: readonly string[];
  readonly callbacks: TaskCallbacks;
  readonly logger: Logger;
  /** Where the worker's output goes; default: this process's stderr. */
  readonly logFile?: string | undefined;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMilliseconds: number;
}

/** One worker: its process, its channel, and the one answer that its token gets. */
export class WorkerProcess {
  readonly runId: string;
  readonly taskKey: string;
  /** Resolves when the process runs. @throws WorkerLost when it can't be started */
  readonly started: Promise<void>;
  /** Resolves when the process is gone and its token has its answer. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #options: WorkerProcessOptions;
  readonly #token: string;
  /** Questions are answered one after the other, in their order. */
  #handling: Promise<void> = Promise.resolve();
  #answered = false;
  #stopping = false;

  constructor(task: WorkerTaskMessage, options: WorkerProcessOptions) {
    this.runId = task.runId;
    this.taskKey = task.taskKey;
    this.#token = task.taskToken;
    this.#options = options;
    this.#child = startChild(options);
    this.started = startedOf(this.#child);
    this.ended = this.started.then(
      () => this.#untilGone(),
      () => undefined,
    );
    this.#child.on('error', (error) => {
      options.logger.warn('A worker process reported an error.', { pid: this.#child.pid, error });
    });
    this.#child.on('message', (message) => {
      this.#receive(message);
    });
    this.#child.once('disconnect', () => {
      // It can't answer any more, whatever it still does.
      if (!this.#answered) void this.#terminate();
    });
    this.#send(task);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** SIGTERM, after the grace SIGKILL. Resolves when the worker is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#terminate();
  }

  async #terminate(): Promise<void> {
    if (!this.#isGone()) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#options.graceMilliseconds);
    await this.ended;
    clearTimeout(timer);
  }

  async #untilGone(): Promise<void> {
    const child = this.#child;
    if (!this.#isGone()) await new Promise<unknown>((resolve) => child.once('exit', resolve));
    // What it sent before it ended may still be in the channel.
    if (child.connected) await new Promise<unknown>((resolve) => child.once('disconnect', resolve));
    await this.#handling;
    if (this.#answered) return;
    const error = new HoldfastError('WorkerLost', this.#obituary());
    try {
      await this.#options.callbacks.failure(this.#token, error.name, failureCause(error));
    } catch (refusal) {
      this.#options.logger.debug('Nobody waits for the lost worker.', { pid: this.#child.pid, refusal });
    }
  }

  #obituary(): string {
    const { exitCode, signalCode, pid } = this.#child;
    const how = signalCode === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signalCode}`;
    const log = this.#options.logFile === undefined ? '' : ` Its log is ${this.#options.logFile}.`;
    const why = this.#stopping ? ' It was asked to stop.' : '';
    return `The worker (process ${pid ?? 'unknown'}) ended without an answer: ${how}.${why}${log}`;
  }

  #receive(message: unknown): void {
    const question = workerQuestionSchema.safeParse(message);
    if (!question.success) {
      this.#options.logger.warn('A worker sent what is no question.', { pid: this.#child.pid });
      return;
    }
    this.#handling = this.#handling.then(() => this.#answer(question.data));
  }

  async #answer(question: WorkerQuestion): Promise<void> {
    const { id } = question;
    try {
      this.#send({ type: 'answered', id, wanted: await this.#passOn(question) });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
      this.#send({ type: 'refused', id, name, message });
    }
  }

  /** @returns whether the task is still wanted */
  async #passOn(question: WorkerQuestion): Promise<boolean> {
    const { callbacks } = this.#options;
    if (question.token !== this.#token) throw new HoldfastError('InvalidInput', "The token is not this worker's.");
    if (question.type === 'heartbeat') return callbacks.heartbeat(this.#token);
    if (question.type === 'success') await callbacks.success(this.#token, question.output);
    else await callbacks.failure(this.#token, question.error, question.cause);
    this.#answered = true;
    void this.#endInTime();
    return false;
  }

  /** A worker has nothing left to do after its answer: one that stays has a defect, and is not left behind. */
  async #endInTime(): Promise<void> {
    const timer = setTimeout(() => void this.#terminate(), this.#options.graceMilliseconds);
    await this.ended;
    clearTimeout(timer);
  }

  #send(message: WorkerTaskMessage | WorkerAnswer): void {
    // A worker that is gone is told by its exit.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #isGone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

function startChild({ entry, args = [], logFile }: WorkerProcessOptions): ChildProcess {
  const log = logFile === undefined ? undefined : openLog(logFile);
  try {
    return fork(entry, args, {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name))),
      // Not the parent's: a debugger's port or a test runner's loader is none of the worker's.
      execArgv: [...workerFlags],
      stdio: ['ignore', log ?? 2, log ?? 2, 'ipc'],
      // A group of its own: Ctrl-C reaches the parent alone, which asks its workers to stop and waits for them.
      detached: true,
    });
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

function openLog(path: string): number {
  makeFoldersNow(dirname(path), 0o700);
  return openSync(path, 'a', 0o600);
}

async function startedOf(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError('WorkerLost', `The worker's process could not be started: ${reason}.`, { cause });
  }
}
