import { MongoNetworkError } from 'mongodb';
import type { ByteSink } from './authenticated-socket.ts';

/** Enough for most replies but batches of documents, which are read into memory of their own. */
const headBytes = 64 * 1024;
const lengthBytes = 4;
const headerBytes = 16;
/** What a server says of itself in `hello` (maxMessageSizeBytes), unchanged since 2.4. */
const maxMessageBytes = 48_000_000;
/** Room to grow, so that batches of about the same size fit into the same memory. */
const granularity = 1024 * 1024;
/** One reply that is handled, and one that comes meanwhile. */
const keptBuffers = 2;

/** Cuts the bytes of a connection into messages, each in memory that is used again once it is given back. */
export class ReplyReader implements ByteSink {
  readonly #onMessage: (message: Buffer) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #head = Buffer.allocUnsafeSlow(headBytes);
  #message: Buffer | undefined;
  #filled = 0;
  #free: Buffer[] = [];

  /** @param onMessage takes a whole message, its header included */
  constructor(onMessage: (message: Buffer) => void, onFailure: (error: Error) => void) {
    this.#onMessage = onMessage;
    this.#onFailure = onFailure;
  }

  space(): Buffer {
    return (this.#message ?? this.#head).subarray(this.#filled);
  }

  arrived(bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0;) {
      const space = this.space();
      const taken = Math.min(space.length, rest.length);
      if (rest.buffer !== space.buffer || rest.byteOffset !== space.byteOffset) rest.copy(space, 0, 0, taken);
      rest = rest.subarray(taken);
      this.#filled += taken;
      const message = this.#message ?? this.#begin();
      if (message === undefined) continue;
      if (this.#filled < message.length) continue;
      this.#message = undefined;
      this.#filled = 0;
      this.#onMessage(message);
    }
  }

  /** When the length is known: memory for the message, with what has come of it. */
  #begin(): Buffer | undefined {
    if (this.#filled < lengthBytes) return undefined;
    const length = this.#head.readInt32LE(0);
    if (length < headerBytes || length > maxMessageBytes || this.#filled > length) {
      this.#filled = 0;
      this.#onFailure(new MongoNetworkError(`a message of ${length} bytes came, which is no reply`));
      return undefined;
    }
    this.#message = this.#take(length);
    this.#head.copy(this.#message, 0, 0, this.#filled);
    return this.#message;
  }

  #take(length: number): Buffer {
    if (length <= headBytes) return Buffer.allocUnsafeSlow(length);
    const fitting = this.#free.find((buffer) => buffer.length >= length);
    // What is too small is not kept beside what takes its place.
    this.#free = fitting ? this.#free.filter((buffer) => buffer !== fitting) : [];
    return (fitting ?? Buffer.allocUnsafeSlow(Math.ceil(length / granularity) * granularity)).subarray(0, length);
  }

  /** The message's memory may be used for the next ones. */
  giveBack(message: Buffer): void {
    if (message.length > headBytes && this.#free.length < keptBuffers) this.#free.push(Buffer.from(message.buffer));
  }

  /** Drops memory that waits for use. */
  forgetMemory(): void {
    this.#free = [];
  }
}
