import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { FileIndexLine } from '../../../src/domain/backup-index.ts';
import { readFileIndex } from '../../../src/engine/packs/file-index.ts';
import { writeIndex } from '../../../src/engine/packs/index-writer.ts';

const sha256 = 'a'.repeat(64);
const header: FileIndexLine = { kind: 'header', schemaVersion: 1, backupId: 'b', part: 'rs0', codec: 'zstd' };
const pack: FileIndexLine = { kind: 'pack', pack: '0001-00001', size: 100, crc32: '00000000' };
const directory = (path: string): FileIndexLine => ({ kind: 'directory', path, mode: 0o700 });
const file = (name: string, size: number): FileIndexLine => ({ kind: 'file', file: name, size, mode: 0o600 });
const piece = (name: string, fileOffset: number, rawLength: number, offset = 0): FileIndexLine => ({
  ...{ kind: 'piece', file: name, pack: '0001-00001', offset, length: 10, rawLength, fileOffset, sha256 },
});

async function read(lines: readonly FileIndexLine[]) {
  const store = new MemoryObjectStore();
  const written = await writeIndex(store, 'index', lines, new AbortController().signal);
  return readFileIndex(store, written);
}

describe('the index of a physical base', () => {
  it('gives files with their pieces, and directories before what lies in them', async () => {
    const lines = [header, pack, directory('journal'), file('a', 0), file('journal/b', 9)];
    const index = await read([...lines, piece('journal/b', 0, 5), piece('journal/b', 5, 4, 10)]);
    expect(index.files.map(({ file: name, pieces }) => [name, pieces])).toEqual([
      ['a', 0],
      ['journal/b', 2],
    ]);
    expect(index.directories.map(({ path }) => path)).toEqual(['journal']);
  });

  it.each<[string, readonly FileIndexLine[]]>([
    ['a path out of the directory', [file('../a', 0)]],
    ['an absolute path', [directory('/etc')]],
    ['a file that is listed twice', [file('a', 0), file('a', 0)]],
    ['a file in a file', [file('a', 0), file('a/b', 0)]],
    ['a directory that is not listed', [file('a/b', 0)]],
    ['pieces with a gap', [file('a', 9), piece('a', 0, 4), piece('a', 5, 4)]],
    ['a piece that is there twice', [file('a', 4), piece('a', 0, 4), piece('a', 0, 4)]],
    ['pieces that end early', [file('a', 9), piece('a', 0, 4)]],
    ['a piece of another file', [file('a', 4), piece('b', 0, 4)]],
    ['a piece beyond its pack', [file('a', 4), piece('a', 0, 4, 95)]],
  ])('is refused with %s', async (_, lines) => {
    await expect(read([header, pack, ...lines])).rejects.toMatchObject({ name: 'CorruptObject' });
  });
});
