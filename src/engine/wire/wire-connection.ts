import { MongoNetworkError, MongoNetworkTimeoutError } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import type { AuthenticatedSocket } from './authenticated-socket.ts';
import { messagePrefix, replyBody, requireOk } from './op-msg.ts';
import type { ReplyMemory } from './reply-memory.ts';
import { ReplyReader } from './reply-reader.ts';

export interface WireReply {
  /** The reply's document, in memory of the connection. */
  readonly body: Buffer;
  /** Lets the connection use the memory again: `body` is of no use any more. */
  readonly release: () => void;
}

interface Pending {
  readonly requestId: number;
  readonly resolve: (reply: WireReply) => void;
  readonly reject: (error: Error) => void;
}

const maxRequestId = 0x7fffffff;

/** One connection to one server, for one command at a time, whose replies are neither decoded nor copied. */
export class WireConnection {
  readonly address: string;
  readonly #socket: AuthenticatedSocket['socket'];
  readonly #silenceLimit: number;
  readonly #memory: ReplyMemory;
  #requests = 0;
  #pending: Pending | undefined;
  #failure: Error | undefined;

  /** @param memory where large replies go */
  constructor({ socket, address, silenceLimit, deliverTo }: AuthenticatedSocket, memory: ReplyMemory) {
    this.#memory = memory;
    this.address = address;
    this.#socket = socket;
    this.#silenceLimit = silenceLimit;
    const fail = (error: Error): void => {
      this.fail(error);
    };
    const settle = (message: Buffer): void => {
      this.#settle(message);
    };
    socket.on('error', (cause) => {
      fail(new MongoNetworkError(cause.message, { cause }));
    });
    socket.on('timeout', () => {
      fail(new MongoNetworkTimeoutError(`nothing came from ${address} for ${silenceLimit} ms`));
    });
    socket.on('close', () => {
      fail(new MongoNetworkError(`connection to ${address} closed`));
    });
    deliverTo(new ReplyReader(memory, settle, fail));
    if (socket.destroyed) fail(new MongoNetworkError(`connection to ${address} closed`));
  }

  /** Whether it can be used for a further command. */
  get isUsable(): boolean {
    return this.#failure === undefined && this.#pending === undefined;
  }

  /**
   * Sends a command and waits for its reply, as long as the server takes; where the client has a `socketTimeoutMS`, no
   * longer than that without a byte.
   * @param sections see op-msg.ts; they must not change before this settles
   * @throws MongoServerError when the command failed, after which the connection is still of use; MongoNetworkError, and
   * the signal's reason when aborted, after which it is closed
   */
  request(sections: readonly Buffer[], signal: AbortSignal): Promise<WireReply> {
    return new Promise<WireReply>((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#failure) throw this.#failure;
      if (this.#pending)
        throw new HoldfastError('Internal', `A connection to ${this.address} was used twice at a time.`);
      const requestId = (this.#requests = (this.#requests % maxRequestId) + 1);
      const onAbort = (): void => {
        this.fail(signal.reason as Error);
      };
      const done = <T>(settle: (value: T) => void) => {
        return (value: T): void => {
          signal.removeEventListener('abort', onAbort);
          settle(value);
        };
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending = { requestId, resolve: done(resolve), reject: done(reject) };
      if (this.#silenceLimit > 0) this.#socket.setTimeout(this.#silenceLimit);
      this.#socket.cork();
      for (const part of [messagePrefix(requestId, sections), ...sections]) this.#socket.write(part);
      this.#socket.uncork();
    });
  }

  #settle(message: Buffer): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (this.#silenceLimit > 0) this.#socket.setTimeout(0);
    const release = (): void => {
      this.#memory.giveBack(message);
    };
    let body: Buffer;
    try {
      body = replyBody(message, pending?.requestId ?? 0);
    } catch (error) {
      this.#pending = pending;
      this.fail(error as Error);
      return;
    }
    try {
      requireOk(body);
      pending?.resolve({ body, release });
    } catch (error) {
      pending?.reject(error as Error);
      release();
    }
  }

  /** Closes it; a command that waits for its reply fails with that error. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.destroy();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}
