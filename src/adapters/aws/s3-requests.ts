import { setTimeout as pause } from 'node:timers/promises';
import { HoldfastError } from '../../domain/errors.ts';
import { unlessAborted } from '../abortable-source.ts';
import type { S3Connection, S3Session } from './s3-connection.ts';
import { type S3Action, storageError } from './s3-errors.ts';
import { AnswerError, readFailure, type S3Failure } from './s3-failures.ts';
import type { S3Patience, S3Place } from './s3-place.ts';

/** What one attempt gets: the SDK, its client, and the options of `client.send`. */
export interface S3Attempt extends S3Session {
  readonly options: { readonly abortSignal: AbortSignal };
}

export interface S3Request<T> extends S3Action {
  /** Runs once for each attempt. */
  readonly run: (attempt: S3Attempt) => Promise<T>;
  /** Ends the attempt under way. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the waiting between attempts, but no attempt: for a request whose outcome must become known. */
  readonly patientSignal?: AbortSignal | undefined;
  /** Fewer than usual, for what is only tidying up. */
  readonly attempts?: number | undefined;
}

/** How a request ended after all its attempts. */
export type S3Outcome<T> =
  | { readonly value: T }
  | {
      readonly failure: S3Failure;
      /** An attempt may have taken effect all the same. */
      readonly doubtful: boolean;
      /** The reason of `patientSignal`, where that ended the attempts. */
      readonly aborted?: unknown;
    };

/** Requests to one place, with their retries. Knows which of them may have happened although they failed. */
export class S3Requests {
  readonly place: S3Place;
  readonly description: string;
  readonly patience: S3Patience;
  readonly #connection: S3Connection;

  constructor(options: {
    readonly place: S3Place;
    readonly description: string;
    readonly patience: S3Patience;
    readonly connection: S3Connection;
  }) {
    this.place = options.place;
    this.description = options.description;
    this.patience = options.patience;
    this.#connection = options.connection;
  }

  /** `Bucket` and `Key` of every request. */
  target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key };
  }

  /** The request's value. @throws HoldfastError of the failure; the reason of a signal */
  async send<T>(request: S3Request<T>): Promise<T> {
    const outcome = await this.outcome(request);
    if ('value' in outcome) return outcome.value;
    if ('aborted' in outcome) throw outcome.aborted;
    throw this.error(outcome.failure, request);
  }

  error(failure: S3Failure, action: S3Action): HoldfastError {
    return storageError(failure, action, this);
  }

  /**
   * Tries until it succeeds, fails for good, or has failed often enough; pauses are random, up to twice as long each time.
   * @throws the reason of `signal`; HoldfastErrors of the credentials
   */
  async outcome<T>(request: S3Request<T>): Promise<S3Outcome<T>> {
    const attempts = Math.min(request.attempts ?? Infinity, this.patience.attempts);
    let doubtful = false;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#attempt(request);
      if ('value' in result) return result;
      const { failure } = result;
      doubtful ||= !failure.ineffective;
      if (!failure.retryable || attempt >= attempts) return { failure, doubtful };
      try {
        await this.#pause(attempt, request.signal ?? request.patientSignal);
      } catch {
        request.signal?.throwIfAborted();
        return { failure, doubtful, aborted: request.patientSignal?.reason };
      }
    }
  }

  async #attempt<T>({ run, signal }: S3Request<T>): Promise<{ readonly value: T } | { readonly failure: S3Failure }> {
    signal?.throwIfAborted();
    const limit = new AbortController();
    const timer = setTimeout(() => {
      limit.abort(new AnswerError('TooSlow', `nothing came of it within ${this.patience.attemptMs} ms`));
    }, this.patience.attemptMs);
    const abortSignal = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal;
    try {
      // What comes before the request knows no signal: whoever is asked for the key may not answer.
      const work = this.#connection.session().then((session) => run({ ...session, options: { abortSignal } }));
      return { value: await unlessAborted(work, abortSignal) };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof HoldfastError) throw error;
      return { failure: readFailure(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { pauseMs, longestPauseMs } = this.patience;
    const longest = Math.min(longestPauseMs, pauseMs * 2 ** (attempt - 1));
    await pause(Math.random() * longest, undefined, signal ? { signal } : {});
  }
}
