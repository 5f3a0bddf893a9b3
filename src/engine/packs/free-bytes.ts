/** Smaller buffers may be views of memory that Node shares among many. */
const leastFreed = 256 * 1024;

/**
 * Gives memory back now: left to the garbage collector, buffers of some MiB make it collect all the time. A large buffer
 * is empty afterwards.
 * @param bytes whose memory is theirs alone when they are large
 */
export function freeBytes(bytes: Buffer): void {
  if (bytes.length >= leastFreed) (bytes.buffer as ArrayBuffer).transfer(0);
}
