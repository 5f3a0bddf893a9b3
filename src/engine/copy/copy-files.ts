import type { Clock } from '../../application/ports/clock.ts';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { Codec } from '../../domain/backup-index.ts';
import type { PhysicalBase } from '../../domain/base.ts';
import { artifactKeys } from '../../domain/names.ts';
import { runTogether } from '../dump/run-together.ts';
import { ByteBudget } from '../packs/byte-budget.ts';
import { frameCompressor } from '../packs/frame-compressor.ts';
import type { FrameList } from '../packs/frame-list.ts';
import { requireIndexable, writeIndex } from '../packs/index-writer.ts';
import { isWorthKeeping, keepWhatIsRead, storingUntil } from '../packs/keep-what-is-read.ts';
import { NumberedNames } from '../packs/numbered-names.ts';
import { PackWriter, type WrittenPack } from '../packs/pack-writer.ts';
import { CopyCheckpoint, readSavedCopy, type SavedCopy } from './copy-checkpoint.ts';
import { fileIndexLines, pieceCount, type PiecesByFile } from './file-pieces.ts';
import { FileReader } from './file-reader.ts';
import { scanDataDirectory, type ScannedDirectory, type ScannedFile } from './scan-data-directory.ts';

export interface CopyFilesInput {
  readonly backupId: string;
  readonly part: string;
  /** Artifact key prefix of the part, `/` at its end. */
  readonly partPrefix: string;
  readonly attempt: number;
  readonly codec: Codec;
  readonly level: number;
  /** Files that are read at once. */
  readonly parallel: number;
  /** Where the snapshot's data directory is to be read. */
  readonly root: string;
  /** What the snapshot is called: another one has other files. */
  readonly snapshot: string;
  /** For messages: `host:port`. */
  readonly member: string;
  readonly maxPackBytes?: number;
}

export interface CopyFilesDeps {
  /** The artifact storage. */
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called before each pack. @throws LeaseLost */
  readonly checkFence: () => Promise<void>;
  /** Where it is written down how far the copy came. */
  readonly checkpoints?: { readonly store: ObjectStore; readonly prefix: string };
  readonly onProgress: (done: {
    readonly rawBytes: number;
    readonly storedBytes: number;
    readonly totalBytes: number;
  }) => void;
}

export type CopiedFiles = Pick<PhysicalBase, 'index' | 'packs' | 'files' | 'rawBytes' | 'storedBytes'>;

/** Raw bytes between the file and the storage. */
const inFlightBytes = 32 * 1024 * 1024;

/**
 * Copies the files of a data directory that nobody writes to into packs, and writes their index. Goes on where an earlier
 * attempt stopped. When it fails nothing half-written is left, and the packs that are whole are what the next attempt uses.
 * @throws VolumeNotFound, VolumeLayoutUnsupported, CorruptSource when a file changes or cannot be read, LeaseLost,
 *   VerificationFailed, MethodNotAvailable (too many files for one index), the storages' errors, the signal's reason
 */
export async function copyFiles(input: CopyFilesInput, deps: CopyFilesDeps): Promise<CopiedFiles> {
  const { backupId, part, codec, root, member, partPrefix, snapshot } = input;
  const scanned = await scanDataDirectory({ root, member, followLinks: false });
  requireIndexable(scanned.files.reduce((sum, { size }) => sum + pieceCount(size), 0));
  const saved = await savedCopy(input, deps);
  const { pieces, packs } = await copyPieces(scanned, saved, input, deps);
  await deps.checkFence();
  const key = artifactKeys.index(partPrefix);
  // An earlier attempt that ended between its index and its answer left one: nothing refers to it.
  await deps.store.delete([key]);
  const lines = fileIndexLines({ kind: 'header', schemaVersion: 1, backupId, part, codec }, packs, scanned, pieces);
  const index = await writeIndex(deps.store, key, lines, deps.signal);
  deps.logger.info('the files are copied', { files: scanned.files.length, bytes: scanned.bytes, snapshot });
  return {
    index,
    packs: packs.map(({ key: packKey, size, crc32 }) => ({ key: packKey, size, crc32 })),
    files: scanned.files.length,
    rawBytes: scanned.bytes,
    storedBytes: packs.reduce((sum, { size }) => sum + size, 0),
  };
}

async function savedCopy(input: CopyFilesInput, { checkpoints, store, logger }: CopyFilesDeps): Promise<SavedCopy> {
  if (checkpoints === undefined) return { packs: new Map(), packNames: new NumberedNames(), pieces: new Map() };
  return readSavedCopy({ ...checkpoints, logger, head: headOf(input) }, { store, partPrefix: input.partPrefix });
}

const headOf = ({ backupId, part, codec, snapshot }: CopyFilesInput) => ({ backupId, part, codec, snapshot });

async function copyPieces(
  scanned: ScannedDirectory,
  saved: SavedCopy,
  input: CopyFilesInput,
  deps: CopyFilesDeps,
): Promise<{ readonly pieces: PiecesByFile; readonly packs: readonly WrittenPack[] }> {
  const { store, checkFence, logger, checkpoints } = deps;
  const { partPrefix, attempt, maxPackBytes, codec, level } = input;
  const checkpoint = checkpoints && new CopyCheckpoint({ ...checkpoints, attempt, logger, head: headOf(input) });
  const storing = storingUntil(deps.signal, checkpoint !== undefined, deps.clock);
  const packs = new PackWriter({
    ...{ store, partPrefix, attempt, signal: storing.signal, checkFence },
    ...(maxPackBytes !== undefined && { maxBytes: maxPackBytes }),
    onStored: (pack) => checkpoint?.packStored(pack),
  });
  const budget = new ByteBudget(inFlightBytes);
  const savedBytes = [...saved.packs.values()].reduce((sum, { size }) => sum + size, 0);
  let rawBytes = 0;
  const reader = new FileReader(input, {
    compress: frameCompressor(codec, level),
    ...{ packs, budget, saved, checkpoint },
    onPiece: (bytes) => {
      rawBytes += bytes;
      deps.onProgress({ rawBytes, storedBytes: savedBytes + packs.storedBytes, totalBytes: scanned.bytes });
    },
  });
  try {
    const pieces = await readAll(scanned.files, input.parallel, deps.signal, reader);
    const written = await packs.finish();
    await checkpoint?.flush();
    const used = new Set<string>();
    for (const ofFile of pieces.values()) ofFile.addPacksTo(used);
    return { pieces, packs: [...saved.packs.values(), ...written].filter(({ name }) => used.has(name)) };
  } catch (error) {
    if (checkpoint && isWorthKeeping(error)) await keepWhatIsRead({ budget, packs, checkpoint, storing }, deps);
    storing.abort(error);
    await packs.abort(error);
    throw error;
  } finally {
    storing.abort();
  }
}

/** Several files at once, the largest first so that none is left alone at the end. */
async function readAll(
  files: readonly ScannedFile[],
  parallel: number,
  outer: AbortSignal,
  reader: FileReader,
): Promise<PiecesByFile> {
  const queue = files.toSorted((a, b) => b.size - a.size);
  const pieces = new Map<string, FrameList>();
  const lane = async (signal: AbortSignal, fail: (error: unknown) => void): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      signal.throwIfAborted();
      pieces.set(file.path, await reader.read(file, signal, fail));
    }
  };
  await runTogether(outer, Array<typeof lane>(Math.max(1, Math.min(parallel, queue.length))).fill(lane));
  return pieces;
}
