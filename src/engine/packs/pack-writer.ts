import { crc32 } from 'node:zlib';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { artifactKeys, packName } from '../../domain/names.ts';
import { ByteChannel } from './byte-channel.ts';
import { crc32Hex, requireWritten } from './written-object.ts';

export interface PackWriterOptions {
  readonly store: ObjectStore;
  readonly partPrefix: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** Called before each pack is begun. @throws LeaseLost */
  readonly checkFence: () => Promise<void>;
  /** A pack is closed before it grows beyond; one frame alone may be larger. */
  readonly maxBytes?: number;
  /** A pack that is older is closed before the next frame: what a lost worker loses is bounded in time as well. */
  readonly maxMilliseconds?: number;
  /** Told of each pack that the storage has whole. */
  readonly onStored?: (pack: WrittenPack) => void;
}

/** Where a frame lies. */
export interface FramePlace {
  readonly pack: string;
  readonly offset: number;
}

export interface WrittenPack {
  readonly name: string;
  readonly key: string;
  readonly size: number;
  readonly crc32: string;
}

interface OpenPack {
  readonly name: string;
  readonly key: string;
  readonly channel: ByteChannel;
  /** By `performance.now`. */
  readonly begun: number;
  crc32: number;
  size: number;
  /** Settles when the storage has the whole pack. */
  readonly stored: Promise<WrittenPack>;
}

const defaultMaxBytes = 128 * 1024 * 1024;
const defaultMaxMilliseconds = 60_000;
const queuedBytes = 8 * 1024 * 1024;

/** Lines frames up into packs, one pack at a time, streamed to the storage while they come. */
export class PackWriter {
  readonly #options: PackWriterOptions;
  readonly #maxBytes: number;
  readonly #stored: WrittenPack[] = [];
  #begun = 0;
  /** The pack that frames go to; the one before it is stored. */
  #open: OpenPack | undefined;
  /** Of the pack that was begun last. */
  #last: Promise<WrittenPack> | undefined;
  #storedBytes = 0;
  #failure: Error | undefined;
  /** Appends queue up behind each other: a frame's offset is where the one before ends. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PackWriterOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? defaultMaxBytes;
  }

  /** Bytes of all frames so far. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /**
   * Resolves when the storage has room for more.
   * @param taken called when the storage is done with the frame's memory; not when it fails
   * @throws the storage's errors, VerificationFailed, LeaseLost; the writer is then of no use but for {@link abort}
   */
  append(frame: Buffer, taken?: () => void): Promise<FramePlace> {
    const place = this.#turn.then(() => this.#append(frame, taken));
    this.#turn = place.catch(() => undefined);
    return place;
  }

  async #append(frame: Buffer, taken: (() => void) | undefined): Promise<FramePlace> {
    if (this.#failure) throw this.#failure;
    if (this.#open && this.#isFull(this.#open, frame.length)) await this.#close(this.#open);
    const pack = (this.#open ??= await this.#begin());
    const offset = pack.size;
    pack.size += frame.length;
    this.#storedBytes += frame.length;
    pack.crc32 = crc32(frame, pack.crc32);
    await pack.channel.push(frame, taken);
    return { pack: pack.name, offset };
  }

  #isFull(pack: OpenPack, more: number): boolean {
    const age = performance.now() - pack.begun;
    return pack.size + more > this.#maxBytes || age > (this.#options.maxMilliseconds ?? defaultMaxMilliseconds);
  }

  async #begin(): Promise<OpenPack> {
    const { store, partPrefix, attempt, signal } = this.#options;
    signal.throwIfAborted();
    await this.#options.checkFence();
    const name = packName(attempt, ++this.#begun);
    const key = artifactKeys.pack(partPrefix, name);
    const channel = new ByteChannel(queuedBytes);
    const written = store.putStream(key, channel, { signal });
    const pack: OpenPack = {
      name,
      key,
      channel,
      begun: performance.now(),
      crc32: 0,
      size: 0,
      stored: written.then((object) => {
        const sum = crc32Hex(pack.crc32);
        requireWritten(object, pack.size, sum);
        const stored = { name, key, size: pack.size, crc32: sum };
        this.#stored.push(stored);
        this.#options.onStored?.(stored);
        return stored;
      }),
    };
    // Whoever waits for room must learn that the storage gave up.
    pack.stored.catch((error: unknown) => {
      this.#failure ??= error as Error;
      channel.fail(error as Error);
    });
    this.#last = pack.stored;
    return pack;
  }

  async #close(pack: OpenPack): Promise<void> {
    this.#open = undefined;
    pack.channel.end();
    await pack.stored;
  }

  /** Closes the last pack and resolves with all of them, stored and compared. */
  async finish(): Promise<WrittenPack[]> {
    await this.#turn;
    if (this.#failure) throw this.#failure;
    if (this.#open) await this.#close(this.#open);
    return [...this.#stored];
  }

  /** Ends what is being written and resolves when the storage has let go of it. Never throws. */
  async abort(reason: unknown): Promise<void> {
    const error =
      reason instanceof Error ? reason : new HoldfastError('Cancelled', 'The pack was given up.', { cause: reason });
    this.#failure ??= error;
    this.#open?.channel.fail(error);
    await this.#turn;
    // An append that had its turn in between may have begun a pack.
    this.#open?.channel.fail(error);
    await this.#last?.catch(() => undefined);
  }
}
