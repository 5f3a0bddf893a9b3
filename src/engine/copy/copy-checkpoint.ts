import * as z from 'zod';
import type { Logger } from '../../application/ports/logger.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import { indexPackSchema, indexPieceSchema, type IndexPiece } from '../../domain/backup-index.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys, checkpointKey, parseCheckpointKey } from '../../domain/names.ts';
import { FrameList, fitsFrameList } from '../packs/frame-list.ts';
import { inOrder } from '../packs/in-order.ts';
import { NumberedNames } from '../packs/numbered-names.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import { compressZstdFrame, decompressZstdFrame } from '../packs/zstd-frames.ts';
import { pieceBytes } from './file-pieces.ts';

/** How far the copy of one snapshot came: `checkpoints/<part>/<attempt>/<n>.ndjson.zst`, one record after each pack. */

const headSchema = z.strictObject({
  kind: z.literal('copy'),
  schemaVersion: z.literal(1),
  backupId: z.string(),
  part: z.string(),
  codec: z.string(),
  /** Of the snapshot that was read: its files never change, so what several attempts read of it fits together. */
  snapshot: z.string(),
});
type CopyHead = z.infer<typeof headSchema>;
const lineSchema = z.discriminatedUnion('kind', [headSchema, indexPackSchema, indexPieceSchema]);

/** A record describes a few packs at most. */
const maxRecordBytes = 64 * 1024 * 1024;
/** Each is some kilobytes, and there is one for every 128 MiB that are stored. */
const recordsAhead = 16;

export interface CopyCheckpointOptions {
  readonly store: ObjectStore;
  /** `stateKeys.checkpoints` of the part. */
  readonly prefix: string;
  readonly attempt: number;
  readonly head: Omit<CopyHead, 'kind' | 'schemaVersion'>;
  readonly logger: Logger;
}

/** Writes down which pieces are stored: after each pack, so that a later attempt reads none of them again. */
export class CopyCheckpoint {
  readonly #options: CopyCheckpointOptions;
  #records = 0;
  #pieces: IndexPiece[] = [];
  readonly #stored = new Map<string, WrittenPack>();
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CopyCheckpointOptions) {
    this.#options = options;
  }

  /** A piece has its place in a pack, which may still be open. */
  piece(piece: IndexPiece): void {
    this.#pieces.push(piece);
  }

  packStored(pack: WrittenPack): void {
    this.#stored.set(pack.name, pack);
    void this.flush();
  }

  /** Resolves when what is stored is written down, or could not be. Never throws: a copy without it is none the worse. */
  flush(): Promise<void> {
    this.#turn = this.#turn
      .then(() => this.#write())
      .catch((error: unknown) => {
        this.#options.logger.warn('a checkpoint could not be written', { reason: String(error) });
      });
    return this.#turn;
  }

  async #write(): Promise<void> {
    const ready = this.#pieces.filter(({ pack }) => this.#stored.has(pack));
    if (ready.length === 0) return;
    const packs = [...new Set(ready.map(({ pack }) => pack))].map((name) => {
      const { size, crc32 } = this.#stored.get(name) ?? { size: 0, crc32: '' };
      return { kind: 'pack', pack: name, size, crc32 };
    });
    const head: CopyHead = { kind: 'copy', schemaVersion: 1, ...this.#options.head };
    const text = [head, ...packs, ...ready].map((line) => `${JSON.stringify(line)}\n`).join('');
    await this.#put(await compressZstdFrame(Buffer.from(text), 1));
    const written = new Set(ready);
    this.#pieces = this.#pieces.filter((piece) => !written.has(piece));
  }

  /** What is there already is a record of this attempt whose answer was lost: it may stand, and the next one says more. */
  async #put(record: Buffer): Promise<void> {
    const { store, prefix, attempt } = this.#options;
    for (;;) {
      this.#records += 1;
      try {
        await store.put(checkpointKey(prefix, attempt, this.#records), record, { ifNoneMatch: '*' });
        return;
      } catch (error) {
        if (!isHoldfastError(error, 'ObjectExists')) throw error;
      }
    }
  }
}

/** What earlier attempts stored of the same snapshot. */
export interface SavedCopy {
  readonly packs: ReadonlyMap<string, WrittenPack>;
  /** Those that the lists of its pieces share. */
  readonly packNames: NumberedNames;
  /** By file, each at its place in it; who goes on with the copy adds to them. */
  readonly pieces: ReadonlyMap<string, FrameList>;
}

/**
 * Reads what earlier attempts have stored. Records that are damaged or of another snapshot are left aside, and so are packs
 * that the storage does not hold as they were written: their pieces are read again.
 * @throws the storages' errors
 */
export async function readSavedCopy(
  options: Omit<CopyCheckpointOptions, 'attempt'>,
  artifacts: { readonly store: ObjectStore; readonly partPrefix: string },
): Promise<SavedCopy> {
  const { store, prefix, head, logger } = options;
  const packs = new Map<string, WrittenPack>();
  const packNames = new NumberedNames();
  const pieces = new Map<string, FrameList>();
  const readUsable = async ({ key }: { readonly key: string }): Promise<Usable> => {
    if (parseCheckpointKey(prefix, key) === undefined) return { packs: [], pieces: [] };
    const lines = await readRecord(store, key, head).catch((error: unknown) => {
      if (isHoldfastError(error, 'StorageUnavailable', 'StorageAccessDenied')) throw error;
      logger.warn('a checkpoint is left aside', { key, reason: String(error) });
      return [];
    });
    return usableLines(lines, artifacts);
  };
  for await (const usable of inOrder(store.list(prefix), recordsAhead, readUsable)) {
    for (const pack of usable.packs) packs.set(pack.name, pack);
    for (const { file, fileOffset, ...piece } of usable.pieces) {
      const ofFile = pieces.get(file) ?? new FrameList(packNames);
      pieces.set(file, ofFile);
      ofFile.set(fileOffset / pieceBytes, { ...piece, documents: 0 });
    }
  }
  return { packs, packNames, pieces };
}

interface Usable {
  readonly packs: readonly WrittenPack[];
  readonly pieces: readonly IndexPiece[];
}

/** Packs that the storage holds as they were written, and the pieces in them. */
async function usableLines(
  lines: readonly z.infer<typeof lineSchema>[],
  { store, partPrefix }: { readonly store: ObjectStore; readonly partPrefix: string },
): Promise<Usable> {
  const packs = new Map<string, WrittenPack>();
  const pieces: IndexPiece[] = [];
  for (const line of lines) {
    if (line.kind === 'pack') {
      const { pack: name, size, crc32 } = line;
      const pack = { name, key: artifactKeys.pack(partPrefix, name), size, crc32 };
      if ((await store.head(pack.key))?.size === size) packs.set(name, pack);
    } else if (line.kind === 'piece' && packs.has(line.pack) && isPlaced(line)) pieces.push(line);
  }
  return { packs: [...packs.values()], pieces };
}

const isPlaced = (piece: IndexPiece): boolean =>
  piece.fileOffset % pieceBytes === 0 && fitsFrameList({ ...piece, documents: 0 });

async function readRecord(
  store: ObjectStore,
  key: string,
  wanted: CopyCheckpointOptions['head'],
): Promise<z.infer<typeof lineSchema>[]> {
  const raw = await decompressZstdFrame((await store.get(key)).body, maxRecordBytes);
  const texts = raw.toString('utf8').trimEnd().split('\n');
  const [head, ...lines] = texts.map((text) => lineSchema.parse(JSON.parse(text)));
  const same =
    head?.kind === 'copy' &&
    (['backupId', 'part', 'codec', 'snapshot'] as const).every((name) => head[name] === wanted[name]);
  return same ? lines : [];
}
