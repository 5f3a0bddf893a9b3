/** Buffers for pieces, used again: made anew for each, they would be collected all the time. */
export class PieceBuffers {
  readonly #bytes: number;
  readonly #free: Buffer[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Holds whatever was in it. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** When its bytes are of no use any more. */
  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}
