import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../domain/errors.ts';
import type { ByteBudget } from '../packs/byte-budget.ts';
import type { FrameCompressor } from '../packs/frame-compressor.ts';
import { FrameList } from '../packs/frame-list.ts';
import { FrameWriter } from '../packs/frame-writer.ts';
import type { PackWriter } from '../packs/pack-writer.ts';
import type { CopyCheckpoint, SavedCopy } from './copy-checkpoint.ts';
import { pieceBytes, pieceCount, pieceLine } from './file-pieces.ts';
import { PieceBuffers } from './piece-buffers.ts';
import type { ScannedFile } from './scan-data-directory.ts';

export interface CopySource {
  /** The data directory of the snapshot. */
  readonly root: string;
  /** For messages: `host:port`. */
  readonly member: string;
}

export interface FileReaderParts {
  readonly compress: FrameCompressor;
  readonly packs: PackWriter;
  readonly budget: ByteBudget;
  readonly saved: SavedCopy;
  readonly checkpoint: CopyCheckpoint | undefined;
  readonly onPiece: (bytes: number) => void;
}

/** Reads files in order, piece by piece, and hands them to the packs. */
export class FileReader {
  readonly #source: CopySource;
  readonly #parts: FileReaderParts;
  readonly #buffers = new PieceBuffers(pieceBytes);

  constructor(source: CopySource, parts: FileReaderParts) {
    this.#source = source;
    this.#parts = parts;
  }

  /** @returns the pieces of the file, when each has its place; those of an earlier attempt are among them */
  async read(file: ScannedFile, signal: AbortSignal, onFailure: (error: unknown) => void): Promise<FrameList> {
    const { compress, packs, budget, saved, checkpoint, onPiece } = this.#parts;
    const pieces = saved.pieces.get(file.path) ?? new FrameList(saved.packNames);
    pieces.truncate(pieceCount(file.size));
    const writer = new FrameWriter({ compress, packs, budget, onFailure, onFrame: () => undefined });
    const handle = await open(join(this.#source.root, file.path), 'r').catch((cause: unknown) => {
      throw this.#unreadable(file, String(cause));
    });
    try {
      for (let ordinal = 0; ordinal < pieceCount(file.size); ordinal++) {
        signal.throwIfAborted();
        const at = ordinal * pieceBytes;
        const length = Math.min(pieceBytes, file.size - at);
        if (pieces.get(ordinal)?.rawLength === length) {
          onPiece(length);
          continue;
        }
        const buffer = await this.#fill(handle, file, at, length);
        const release = (): void => {
          this.#buffers.giveBack(buffer);
        };
        await writer.write({ raw: buffer.subarray(0, length), documents: 0, release }, (frame) => {
          pieces.set(ordinal, frame);
          checkpoint?.piece(pieceLine(file.path, ordinal, frame));
          onPiece(length);
        });
      }
      await this.#requireUnchanged(handle, file);
      await writer.finish();
    } finally {
      await handle.close();
    }
    return pieces;
  }

  async #fill(handle: FileHandle, file: ScannedFile, at: number, length: number): Promise<Buffer> {
    const buffer = this.#buffers.take();
    for (let filled = 0; filled < length;) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, at + filled).catch((cause: unknown) => {
        throw this.#unreadable(file, String(cause));
      });
      if (bytesRead === 0) throw this.#unreadable(file, `it ends at byte ${at + filled} of ${file.size}`);
      filled += bytesRead;
    }
    return buffer;
  }

  async #requireUnchanged(handle: FileHandle, file: ScannedFile): Promise<void> {
    const { size } = await handle.stat();
    if (size !== file.size) throw this.#unreadable(file, `it grew from ${file.size} to ${size} bytes`);
  }

  #unreadable({ path }: ScannedFile, what: string): HoldfastError {
    const { member, root } = this.#source;
    return new HoldfastError('CorruptSource', `${path} of ${member} cannot be copied from ${root}: ${what}.`);
  }
}
