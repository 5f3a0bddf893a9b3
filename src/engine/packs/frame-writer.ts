import { hash } from 'node:crypto';
import type { IndexFrame } from '../../domain/backup-index.ts';
import type { ByteBudget } from './byte-budget.ts';
import { freeBytes } from './free-bytes.ts';
import type { FrameCompressor } from './frame-compressor.ts';
import type { PackWriter } from './pack-writer.ts';

/** Documents to be stored. */
export interface RawFrame {
  readonly raw: Buffer;
  readonly documents: number;
  /** Called when `raw` is of no use to the writer any more; not when it fails. */
  readonly release: () => void;
}

/** A frame's line of the index but for its namespace. */
export type WrittenFrame = Omit<IndexFrame, 'kind' | 'ns'>;

export interface FrameWriterOptions {
  readonly compress: FrameCompressor;
  readonly packs: PackWriter;
  /** Shared by all writers of a dump. */
  readonly budget: ByteBudget;
  /** Called at once when a frame cannot be stored: nobody waits for a frame before its namespace ends. */
  readonly onFailure: (error: unknown) => void;
  /** Called when a frame has its place. */
  readonly onFrame: () => void;
}

/**
 * Takes the frames of one namespace in scan order and compresses several at once. Keeps none of them: who wants to know
 * where a frame lies is told.
 */
export class FrameWriter {
  readonly #options: FrameWriterOptions;
  /** Not stored yet, and those that could not be. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: FrameWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves as soon as there is room for the next frame.
   * @param onPlaced told where the frame lies, once it has its place; frames may overtake each other
   */
  async write(frame: RawFrame, onPlaced: (frame: WrittenFrame) => void): Promise<void> {
    const release = await this.#options.budget.acquire(frame.raw.length);
    const stored = this.#store(frame, onPlaced).finally(release);
    this.#underWay.add(stored);
    stored.then(() => {
      this.#underWay.delete(stored);
    }, this.#options.onFailure);
  }

  async #store({ raw, documents, release }: RawFrame, onPlaced: (frame: WrittenFrame) => void): Promise<void> {
    const rawLength = raw.length;
    const stored = await this.#options.compress(raw);
    const isRaw = stored.buffer === raw.buffer;
    if (!isRaw) release();
    const sha256 = hash('sha256', stored, 'hex');
    const { length } = stored;
    const taken = (): void => {
      freeBytes(stored);
    };
    const place = await this.#options.packs.append(stored, isRaw ? release : taken);
    onPlaced({ ...place, length, rawLength, documents, sha256 });
    this.#options.onFrame();
  }

  /** Resolves when each frame has its place. @throws what a pack throws */
  async finish(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
