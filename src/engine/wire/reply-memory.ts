/** Replies up to this size are not worth keeping their memory. */
const smallReply = 64 * 1024;
/** Room to grow, so that batches of about the same size fit into the same memory. */
const granularity = 1024 * 1024;
/** What waits for use: what the scans of a dump have in flight, about. */
const keptBytes = 48 * 1024 * 1024;

/** Memory for large replies, used again: fresh memory costs the kernel more than the reply, and the collector after it. */
export class ReplyMemory {
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** Exactly `length` bytes, not initialised. */
  take(length: number): Buffer {
    if (length <= smallReply) return Buffer.allocUnsafeSlow(length);
    const fitting = this.#free.findIndex((buffer) => buffer.length >= length);
    const [buffer] = fitting < 0 ? [] : this.#free.splice(fitting, 1);
    if (buffer) this.#freeBytes -= buffer.length;
    return (buffer ?? Buffer.allocUnsafeSlow(Math.ceil(length / granularity) * granularity)).subarray(0, length);
  }

  /** @param bytes what {@link take} returned: of no use to the caller any more */
  giveBack(bytes: Buffer): void {
    if (bytes.length <= smallReply) return;
    const buffer = Buffer.from(bytes.buffer);
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
    // What has waited longest is of a size that is not asked for any more.
    while (this.#freeBytes > keptBytes) this.#freeBytes -= this.#free.shift()?.length ?? 0;
  }
}
