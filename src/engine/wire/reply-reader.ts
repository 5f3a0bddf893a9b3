import { MongoNetworkError } from 'mongodb';
import type { ByteSink } from './authenticated-socket.ts';
import type { ReplyMemory } from './reply-memory.ts';

/** Enough for most replies but batches of documents, which are read into memory of their own. */
const headBytes = 64 * 1024;
const lengthBytes = 4;
const headerBytes = 16;
/** What a server says of itself in `hello` (maxMessageSizeBytes), unchanged since 2.4. */
const maxMessageBytes = 48_000_000;

/** Cuts the bytes of a connection into messages, each in memory of its own. */
export class ReplyReader implements ByteSink {
  readonly #memory: ReplyMemory;
  readonly #onMessage: (message: Buffer) => void;
  readonly #onFailure: (error: Error) => void;
  readonly #head = Buffer.allocUnsafeSlow(headBytes);
  #message: Buffer | undefined;
  #filled = 0;

  /** @param onMessage takes a whole message, its header included */
  constructor(memory: ReplyMemory, onMessage: (message: Buffer) => void, onFailure: (error: Error) => void) {
    this.#memory = memory;
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
    this.#message = this.#memory.take(length);
    this.#head.copy(this.#message, 0, 0, this.#filled);
    return this.#message;
  }
}
