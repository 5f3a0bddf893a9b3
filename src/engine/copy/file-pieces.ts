import type { IndexPiece } from '../../domain/backup-index.ts';
import type { WrittenFrame } from '../packs/frame-writer.ts';

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
