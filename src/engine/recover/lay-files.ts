import { chmod, type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { IndexPiece } from '../../domain/backup-index.ts';
import { ByteBudget } from '../packs/byte-budget.ts';
import type { FileIndex, IndexedFile } from '../packs/file-index.ts';
import { type FrameRun, freeFrame, joinFrames, type PackSource, readFrames } from '../packs/pack-reader.ts';
import { runParallel } from '../restore/run-parallel.ts';
import { syncFolder } from './durable-files.ts';

/** One ranged read of a pack. */
const maxRunBytes = 16 * 1024 * 1024;
/** Of all reads together: what is stored and what is decoded. */
const layBytes = 192 * 1024 * 1024;

export interface LayInput {
  /** Empty but for the mark. */
  readonly directory: string;
  readonly index: FileIndex;
  readonly packs: PackSource;
  /** Ranges that are read and written at once. */
  readonly parallel: number;
}

export interface LayDeps {
  readonly signal: AbortSignal;
  /** Bytes of files, so far. */
  readonly onLaid: (bytes: number) => void;
}

/** Files that are being written: each is open from its first piece to its last, which is made durable. */
class OpenFiles {
  readonly #directory: string;
  readonly #left = new Map<string, { readonly file: IndexedFile; pieces: number; handle?: Promise<FileHandle> }>();

  constructor(directory: string, files: readonly IndexedFile[]) {
    this.#directory = directory;
    for (const file of files) this.#left.set(file.file, { file, pieces: file.pieces });
  }

  async write({ file: name, fileOffset }: IndexPiece, raw: Buffer): Promise<void> {
    const state = this.#left.get(name);
    if (!state) return;
    const handle = await (state.handle ??= this.#create(state.file));
    for (let at = 0; at < raw.length;)
      at += (await handle.write(raw, at, raw.length - at, fileOffset + at)).bytesWritten;
    state.pieces -= 1;
    if (state.pieces === 0) await this.#finish(name, handle);
  }

  /** A file without a byte has no piece. */
  async createEmpty(file: IndexedFile): Promise<void> {
    await this.#finish(file.file, await this.#create(file));
  }

  async close(): Promise<void> {
    for (const { handle } of this.#left.values())
      await handle?.then(
        (one) => one.close(),
        () => undefined,
      );
  }

  /** Never through what is there already, a link least of all. */
  async #create({ file, mode }: IndexedFile): Promise<FileHandle> {
    const handle = await open(join(this.#directory, file), 'wx', 0o600);
    await handle.chmod(mode | 0o600);
    return handle;
  }

  async #finish(name: string, handle: FileHandle): Promise<void> {
    this.#left.delete(name);
    await handle.sync();
    await handle.close();
  }
}

const memoryOf = ({ length, frames }: FrameRun<IndexPiece>): number =>
  length + frames.reduce((most, { rawLength }) => Math.max(most, rawLength), 0);

/**
 * Lays the files of a physical base into a directory, every piece verified by its SHA-256 before it is written, all of
 * it durable when this resolves. Paths were checked when the index was read.
 * @throws CorruptObject, ObjectNotFound, the storage's and the file system's errors, the signal's reason
 */
export async function layFiles({ directory, index, packs, parallel }: LayInput, deps: LayDeps): Promise<void> {
  for (const { path, mode } of index.directories) {
    await mkdir(join(directory, path), { mode: 0o700 });
    await chmod(join(directory, path), mode | 0o700);
  }
  const open = new OpenFiles(directory, index.files);
  const budget = new ByteBudget(layBytes);
  let laid = 0;
  try {
    for (const file of index.files) if (file.pieces === 0) await open.createEmpty(file);
    await runParallel(joinFrames(index.pieces.inPackOrder(), maxRunBytes), parallel, async (run) => {
      deps.signal.throwIfAborted();
      const release = await budget.acquire(memoryOf(run));
      try {
        for await (const { frame, raw } of readFrames(packs, run, deps.signal)) {
          await open.write(frame, raw);
          laid += raw.length;
          freeFrame(raw, packs.codec);
          deps.onLaid(laid);
        }
      } finally {
        release();
      }
    });
  } finally {
    await open.close();
  }
  for (const { path } of index.directories) await syncFolder(join(directory, path));
  await syncFolder(directory);
}
