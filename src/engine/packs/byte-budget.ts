/** Bounds the bytes that are in memory between their reading and their storing, whoever reads them. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;
  #idle: (() => void)[] = [];
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves with the function that gives the bytes back. More than the whole budget is granted when nothing else is out. */
  async acquire(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes))
      await new Promise<void>((resolve) => this.#waiting.push({ bytes, grant: resolve }));
    else this.#used += bytes;
    return () => {
      this.#used -= bytes;
      this.#grantWaiting();
      if (this.#used === 0) for (const resolve of this.#idle.splice(0)) resolve();
    };
  }

  /** Resolves when everything that was taken has been given back. */
  async whenIdle(): Promise<void> {
    if (this.#used > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #grantWaiting(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.grant();
    }
  }
}
