import type { ObjectStore } from '../../application/ports/object-store.ts';
import {
  type Codec,
  fileIndexLineSchema,
  type IndexDirectory,
  type IndexFile,
  type IndexPack,
  type IndexPiece,
} from '../../domain/backup-index.ts';
import { FrameTable } from './frame-table.ts';
import { damagedIndex, type ExpectedIndex, readIndexLines } from './read-index-lines.ts';

/** What is in the packs of a physical base. */
export interface FileIndex {
  readonly backupId: string;
  readonly part: string;
  readonly codec: Codec;
  readonly packs: ReadonlyMap<string, IndexPack>;
  /** Each after the one that it lies in. */
  readonly directories: readonly IndexDirectory[];
  readonly files: readonly IndexedFile[];
  /** In the order of the files; of each from its first byte to its last, without a gap. */
  readonly pieces: FrameTable<IndexPiece>;
}

export interface IndexedFile extends IndexFile {
  /** How many pieces it has. */
  readonly pieces: number;
}

/** No piece is larger, stored or raw. */
const maxPieceBytes = 32 * 1024 * 1024;

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Every path is there once, and lies in a directory that is listed: nothing is laid over or through anything else. */
function checkPaths(key: string, { directories, files }: FileIndex): void {
  const known = new Set<string>();
  const listed = new Set(['']);
  const enter = (path: string): void => {
    if (known.has(path)) throw damagedIndex(key, `it lists ${path} twice`);
    known.add(path);
    if (!listed.has(parentOf(path))) throw damagedIndex(key, `the directory of ${path} is not listed before it`);
  };
  for (const { path } of directories) {
    enter(path);
    listed.add(path);
  }
  for (const { file } of files) enter(file);
}

/** The pieces of a file are its bytes, in order, each in a pack that is listed. */
function checkPieces(key: string, { packs, pieces }: FileIndex, { file, size }: IndexedFile): void {
  let at = 0;
  for (const { pack: name, offset, length, rawLength, fileOffset } of pieces.of(file)) {
    const pack = packs.get(name);
    if (!pack) throw damagedIndex(key, `a piece of ${file} names the pack ${name}, which is not listed`);
    if (offset + length > pack.size) throw damagedIndex(key, `a piece of ${file} ends after its pack`);
    if (fileOffset !== at || rawLength === 0) throw damagedIndex(key, `the pieces of ${file} do not follow each other`);
    at += rawLength;
  }
  if (at !== size) throw damagedIndex(key, `the pieces of ${file} have ${at} bytes, the file ${size}`);
}

/**
 * Reads and verifies the index of a physical base: as the manifest describes it, every line by its schema, paths that
 * stay inside the directory and are unique, pieces that make up their files.
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readFileIndex(store: ObjectStore, expected: ExpectedIndex): Promise<FileIndex> {
  const { key } = expected;
  const packs = new Map<string, IndexPack>();
  const directories: IndexDirectory[] = [];
  const files: (IndexFile & { pieces: number })[] = [];
  const pieces = new FrameTable<IndexPiece>('piece');
  const { backupId, part, codec } = await readIndexLines(store, expected, fileIndexLineSchema, (line) => {
    if (line.kind === 'pack') packs.set(line.pack, line);
    else if (line.kind === 'directory') directories.push(line);
    else if (line.kind === 'file') files.push({ ...line, pieces: 0 });
    else {
      const file = files.at(-1);
      if (file?.file !== line.file) throw damagedIndex(key, `a piece of ${line.file} does not follow its file`);
      if (Math.max(line.length, line.rawLength) > maxPieceBytes)
        throw damagedIndex(key, `a piece of ${line.file} claims to be too large`);
      pieces.add(line);
      file.pieces += 1;
    }
  });
  const index = { backupId, part, codec, packs, directories, files, pieces };
  checkPaths(key, index);
  for (const file of files) checkPieces(key, index, file);
  return index;
}
