import { hash } from 'node:crypto';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import type { FileIndexLine, IndexLine } from '../../src/domain/backup-index.ts';
import { readFileIndex } from '../../src/engine/packs/file-index.ts';
import { readIndex } from '../../src/engine/packs/index-reader.ts';
import { writeIndex } from '../../src/engine/packs/index-writer.ts';
import { joinFrames } from '../../src/engine/packs/pack-reader.ts';

/**
 * `node test/support/read-large-index.ts <folder> <frames|pieces> <number>`: writes an index of so many frames of 4 MiB,
 * reads it again and walks through its packs, as a restore does. Prints the number of runs.
 */
const [root = '', kind = '', number = '0'] = process.argv.slice(2);
const [count, frameBytes, perPack] = [Number(number), 4 * 1024 * 1024, 64];
const store = new DirectoryObjectStore({ root, description: 'test' });
const packOf = (n: number) => `0001-${String(Math.floor(n / perPack) + 1).padStart(6, '0')}`;

function placeOf(n: number) {
  const offset = (n % perPack) * 1_400_000;
  return { pack: packOf(n), offset, length: 1_400_000, rawLength: frameBytes, sha256: hash('sha256', String(n)) };
}

function* packs(): Generator<FileIndexLine & IndexLine> {
  yield { kind: 'header', schemaVersion: 1, backupId: 'b', part: 'rs0', codec: 'zstd' };
  for (let n = 0; n < count; n += perPack)
    yield { kind: 'pack', pack: packOf(n), size: 1_400_000 * perPack, crc32: '00000000' };
}

function* frames(): Generator<IndexLine> {
  yield* packs();
  const [documents, rawBytes] = [count * 10_000, count * frameBytes];
  const indexes = { options: '', indexes: [], unfinishedIndexes: [] };
  yield {
    kind: 'namespace',
    ns: 'shop.orders',
    type: 'collection',
    uuid: '0'.repeat(32),
    ...indexes,
    documents,
    rawBytes,
  };
  for (let n = 0; n < count; n++) yield { kind: 'frame', ns: 'shop.orders', documents: 10_000, ...placeOf(n) };
}

function* pieces(): Generator<FileIndexLine> {
  yield* packs();
  yield { kind: 'file', file: 'collection-7.wt', size: count * frameBytes, mode: 0o600 };
  for (let n = 0; n < count; n++)
    yield { kind: 'piece', file: 'collection-7.wt', fileOffset: n * frameBytes, ...placeOf(n) };
}

const isFrames = kind === 'frames';
const written = await writeIndex(store, 'index', isFrames ? frames() : pieces(), new AbortController().signal);
const table = isFrames ? (await readIndex(store, written)).frames : (await readFileIndex(store, written)).pieces;
let runs = 0;
for (const run of joinFrames<typeof table extends Iterable<infer F> ? F : never>(table.inPackOrder(), 16 * 1024 * 1024))
  runs += run.frames.length > 0 ? 1 : 0;
console.log(runs);
await store.close();
