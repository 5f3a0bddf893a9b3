/** Hands buffers from producers to one consumer and makes the producers wait while it is behind: back-pressure in one place. */
export class ByteChannel implements AsyncIterable<Buffer> {
  readonly #limit: number;
  readonly #queue: { readonly buffer: Buffer; readonly taken: (() => void) | undefined }[] = [];
  #queued = 0;
  #ended = false;
  #failure: Error | undefined;
  #wakeConsumer: (() => void) | undefined;
  #wakeProducers: (() => void)[] = [];

  /** @param limit bytes that may wait for the consumer; one buffer may be larger */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves when the consumer has room for more.
   * @param taken called when the consumer is done with the buffer; not after {@link fail}
   * @throws the error of {@link fail}
   */
  async push(buffer: Buffer, taken?: () => void): Promise<void> {
    this.#throwIfFailed();
    this.#queue.push({ buffer, taken });
    this.#queued += buffer.length;
    this.#wakeConsumer?.();
    while (this.#queued > this.#limit) await new Promise<void>((resolve) => this.#wakeProducers.push(resolve));
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }

  /** The consumer gets what is queued, then the end. */
  end(): void {
    this.#ended = true;
    this.#wakeConsumer?.();
  }

  /** Consumer and producers get the error at once; what is queued is dropped. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#queue.length = 0;
    this.#queued = 0;
    this.#wakeConsumer?.();
    this.#releaseProducers();
  }

  #releaseProducers(): void {
    const waiting = this.#wakeProducers;
    this.#wakeProducers = [];
    for (const wake of waiting) wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      this.#throwIfFailed();
      const next = this.#queue.shift();
      if (next) {
        const { buffer, taken } = next;
        const { length } = buffer;
        yield buffer;
        // Only now is the consumer done with it.
        taken?.();
        this.#queued = Math.max(0, this.#queued - length);
        this.#releaseProducers();
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wakeConsumer = resolve));
    }
  }
}
