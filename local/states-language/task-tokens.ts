import { TaskTokenError } from './failures.ts';
import type { Json } from './json.ts';

export type TokenAnswer =
  | { readonly kind: 'success'; readonly output: Json }
  | { readonly kind: 'failure'; readonly error: string; readonly cause: string };

interface OpenToken {
  readonly answer: (answer: TokenAnswer) => void;
  readonly beat: () => void;
}

/** A token that a task waits on. */
export interface IssuedToken {
  readonly token: string;
  readonly answered: Promise<TokenAnswer>;
  /** The task no longer waits: answers are refused as TaskTimedOut from now on. */
  close(): void;
}

/** The task tokens of one process: which are waited for, and which were. */
export class TaskTokens {
  readonly #open = new Map<string, OpenToken>();
  readonly #closed = new Set<string>();
  readonly #make: () => string;

  constructor(make: () => string) {
    this.#make = make;
  }

  /** A fresh token; `beat` is called at every heartbeat. */
  issue(beat: () => void): IssuedToken {
    const token = this.#make();
    const { promise, resolve } = Promise.withResolvers<TokenAnswer>();
    const close = () => {
      this.#open.delete(token);
      this.#closed.add(token);
    };
    this.#open.set(token, {
      answer: (answer) => {
        close();
        resolve(answer);
      },
      beat,
    });
    return { token, answered: promise, close };
  }

  /** @throws TaskTokenError TaskTimedOut (answered, timed out or aborted before), InvalidToken (never issued here) */
  find(token: string): OpenToken {
    const open = this.#open.get(token);
    if (open) return open;
    if (this.#closed.has(token)) {
      throw new TaskTokenError('TaskTimedOut', 'The task of this token was answered, timed out or stopped before.');
    }
    throw new TaskTokenError('InvalidToken', 'No task of this process has this token.');
  }
}
