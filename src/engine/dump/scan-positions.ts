/** Of the last frames every position is kept. */
const recent = 512;
/** So many of all the others, evenly. */
const older = 256;
const most = 2 * recent;

interface Position {
  readonly ordinal: number;
  /** In base64: a small buffer is a view of memory that many share, and would keep all of it. */
  readonly token: string;
}

/**
 * Behind which frames of a collection a scan can go on: each of the last five hundred, and some of the others. So few are
 * needed: a scan goes on behind the last one, and steps back, twice as far each time, where the document that it names is
 * gone; then a two-hundredth of a large collection is read again.
 */
export class ScanPositions {
  /** By ordinal. */
  #all: Position[] = [];
  /** Of older ones, one is kept for so many frames. */
  #stride = 1;

  /** @param token the server's resume token behind the frame at that place, raw BSON */
  set(ordinal: number, token: Buffer): void {
    // Nearly always the last: frames that were compressed at once overtake each other.
    let at = this.#all.length;
    while ((this.#all[at - 1]?.ordinal ?? -1) >= ordinal) at -= 1;
    const position = { ordinal, token: token.toString('base64') };
    this.#all.splice(at, this.#all[at]?.ordinal === ordinal ? 1 : 0, position);
    if (this.#all.length > most) this.#thin();
  }

  #thin(): void {
    let kept = this.#thinned(this.#all.slice(0, -recent));
    while (kept.length > older) {
      this.#stride *= 2;
      kept = this.#thinned(kept);
    }
    this.#all = [...kept, ...this.#all.slice(-recent)];
  }

  #thinned(positions: readonly Position[]): Position[] {
    let last = -1;
    return positions.filter(({ ordinal }) => {
      const stretch = Math.floor(ordinal / this.#stride);
      const isFirst = stretch !== last;
      last = stretch;
      return isFirst;
    });
  }

  /** The last one; undefined when a scan can only begin at the start. */
  get token(): Buffer | undefined {
    const last = this.#all.at(-1);
    return last && Buffer.from(last.token, 'base64');
  }

  /** How many of the first `limit` frames a scan can go on behind, at most; 0 for none. */
  framesWithin(limit: number): number {
    return (this.#all.findLast(({ ordinal }) => ordinal < limit)?.ordinal ?? -1) + 1;
  }

  /** Forgets those behind the first `frames` frames. */
  truncate(frames: number): void {
    this.#all.length = this.#all.findLastIndex(({ ordinal }) => ordinal < frames) + 1;
  }
}
