import type { FileIndexLine, IndexPiece } from '../../domain/backup-index.ts';
import type { FrameList } from '../packs/frame-list.ts';
import type { WrittenFrame } from '../packs/frame-writer.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import type { ScannedDirectory } from './scan-data-directory.ts';

/** Pieces begin at its multiples in every file, so that a later backup can compare them: each has its place in a list. */
export const pieceBytes = 4 * 1024 * 1024;

/** How many pieces a file has. @param size bytes */
export const pieceCount = (size: number): number => Math.ceil(size / pieceBytes);

/** @param ordinal the place of the piece in its file, from 0 */
export function pieceLine(
  file: string,
  ordinal: number,
  { pack, offset, length, rawLength, sha256 }: WrittenFrame,
): IndexPiece {
  return { kind: 'piece', file, pack, offset, length, rawLength, fileOffset: ordinal * pieceBytes, sha256 };
}

/** The pieces of each file, at their places. */
export type PiecesByFile = ReadonlyMap<string, FrameList>;

/** The lines of a physical base's index: header, packs, directories, then each file followed by its pieces. */
export function* fileIndexLines(
  header: FileIndexLine,
  packs: readonly WrittenPack[],
  { directories, files }: Pick<ScannedDirectory, 'directories' | 'files'>,
  pieces: PiecesByFile,
): Generator<FileIndexLine> {
  yield header;
  for (const { name: pack, size, crc32 } of packs) yield { kind: 'pack', pack, size, crc32 };
  for (const directory of directories) yield { kind: 'directory', ...directory };
  for (const { path: file, size, mode } of files) {
    yield { kind: 'file', file, size, mode };
    let ordinal = 0;
    for (const piece of pieces.get(file) ?? []) yield pieceLine(file, ordinal++, piece);
  }
}
