import { Worker } from 'node:worker_threads';

interface Answer {
  readonly id: string;
  readonly result?: string;
  readonly error?: { readonly errorType: string; readonly errorMessage: string; readonly trace: readonly string[] };
}

/** A bundle as Lambda runs it: in a thread with an environment of its own, and nothing else of this process. */
export class BundledFunction {
  readonly #thread: Worker;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  #calls = 0;
  #fault: string | undefined;

  /** @param timeout milliseconds that the function has */
  constructor(name: string, bundle: string, environment: Readonly<Record<string, string>>, timeout: number) {
    this.#thread = new Worker(new URL('./function-thread.mjs', import.meta.url), {
      workerData: { name, bundle, timeout },
      env: { ...environment },
      stderr: true,
    });
    this.#thread.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#thread.on('error', (error) => {
      this.#end(String(error.stack));
    });
  }

  #end(fault: string): void {
    this.#fault = fault;
    for (const [id, answer] of this.#waiting) answer({ id, error: exited(fault) });
    this.#waiting.clear();
  }

  /** What the function wrote to its log. */
  get log(): NodeJS.ReadableStream {
    return this.#thread.stderr;
  }

  /** Calls it; what it throws has the name and the message that Lambda takes from it. */
  async invoke(payload: unknown): Promise<unknown> {
    const id = String(++this.#calls);
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    if (this.#fault !== undefined) resolve({ id, error: exited(this.#fault) });
    this.#thread.postMessage({ id, payload: JSON.stringify(payload) });
    const { result, error } = await promise;
    if (error === undefined) return JSON.parse(result ?? 'null') as unknown;
    throw Object.assign(new Error(error.errorMessage), { name: error.errorType });
  }

  async stop(): Promise<void> {
    await this.#thread.terminate();
  }

  /** Whoever waits for an answer is told as Lambda tells it. */
  async kill(): Promise<void> {
    await this.stop();
    this.#end('RequestId: 1 Error: Runtime exited with error: signal: killed');
  }
}

function exited(fault: string): NonNullable<Answer['error']> {
  return { errorType: 'Runtime.ExitError', errorMessage: fault, trace: [] };
}
