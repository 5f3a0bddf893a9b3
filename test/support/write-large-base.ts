import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import type { ListedObject, WrittenObject } from '../../src/application/ports/object-store.ts';
import type { FileIndexLine, IndexLine } from '../../src/domain/backup-index.ts';
import { CopyCheckpoint, readSavedCopy } from '../../src/engine/copy/copy-checkpoint.ts';
import { fileIndexLines, pieceBytes, pieceLine } from '../../src/engine/copy/file-pieces.ts';
import { CheckpointWriter } from '../../src/engine/dump/checkpoint-writer.ts';
import { dumpedCollection } from '../../src/engine/dump/dump-collection.ts';
import { indexLines } from '../../src/engine/dump/index-lines.ts';
import type { CatalogEntry } from '../../src/engine/dump/list-namespaces.ts';
import { readCheckpoint } from '../../src/engine/dump/read-checkpoint.ts';
import { ScanPositions } from '../../src/engine/dump/scan-positions.ts';
import { ByteBudget } from '../../src/engine/packs/byte-budget.ts';
import { FrameList } from '../../src/engine/packs/frame-list.ts';
import { FrameWriter, type WrittenFrame } from '../../src/engine/packs/frame-writer.ts';
import { writeIndex } from '../../src/engine/packs/index-writer.ts';
import { NumberedNames } from '../../src/engine/packs/numbered-names.ts';
import { PackWriter, type WrittenPack } from '../../src/engine/packs/pack-writer.ts';
import { crc32Hex } from '../../src/engine/packs/written-object.ts';
import { noLogger } from './no-logger.ts';

/**
 * `node test/support/write-large-base.ts <folder> <frames|pieces> <number>`: what a dump or a copy does with so many
 * frames, but with a few bytes in each: packs, checkpoints, the reading of these by a later attempt, the index. Prints
 * what that came to, and the most memory that it had.
 */
const [root = '', kind = '', number = '0'] = process.argv.slice(2);
const count = Number(number);
/** A frame of 4 MiB is a third of it with zstd, and a pack closed at 128 MiB has about as many. */
const perPack = 96;
const raw = Buffer.alloc(32, 1);

/** Says that it has what it was given. A pack takes longer to be stored than the record of the one before it: as ever. */
class Swallowing extends MemoryObjectStore {
  recorded = () => Promise.resolve();
  /** Of packs that are not full: the last ones. */
  readonly #small = new Map<string, number>();

  override async putStream(key: string, source: AsyncIterable<Uint8Array>): Promise<WrittenObject> {
    let [size, sum] = [0, 0];
    await this.recorded();
    for await (const chunk of source) {
      size += chunk.length;
      sum = crc32(chunk, sum);
    }
    if (size !== perPack * raw.length) this.#small.set(key, size);
    return { key, size, etag: '', crc32: crc32Hex(sum) };
  }

  override head(key: string) {
    return Promise.resolve({ key, size: this.#small.get(key) ?? perPack * raw.length, etag: '' });
  }
}

/** Plain files, which need not survive a power failure. */
class PlainFiles extends MemoryObjectStore {
  readonly #path = (key: string) => join(root, encodeURIComponent(key));

  override async put(key: string, body: Uint8Array): Promise<WrittenObject> {
    await writeFile(this.#path(key), body);
    return { key, size: body.length, etag: '', crc32: '' };
  }

  override async get(key: string) {
    const body = await readFile(this.#path(key));
    return { key, size: body.length, etag: '', body };
  }

  override async *list(prefix: string): AsyncGenerator<ListedObject> {
    const keys = (await readdir(root)).map(decodeURIComponent).filter((key) => key.startsWith(prefix));
    for (const key of keys.sort()) yield { key, size: (await stat(this.#path(key))).size };
  }
}

const [artifacts, state] = [new Swallowing(), new PlainFiles()];
const { signal } = new AbortController();
const [prefix, partPrefix] = ['c/', 'd/backups/b/rs0/'];

function openPacks(onStored: (pack: WrittenPack) => void) {
  const maxBytes = perPack * raw.length;
  const checkFence = () => Promise.resolve();
  const packs = new PackWriter({ store: artifacts, partPrefix, attempt: 1, signal, checkFence, onStored, maxBytes });
  const budget = new ByteBudget(8 * raw.length);
  const compress = (bytes: Buffer) => Promise.resolve(bytes);
  const onFailure = (error: unknown): never => {
    throw error;
  };
  const newFrameWriter = () => new FrameWriter({ compress, packs, budget, onFailure, onFrame: () => undefined });
  return { packs, newFrameWriter };
}

async function writeAll(
  writer: FrameWriter,
  frames: number,
  onPlaced: (ordinal: number, frame: WrittenFrame) => void,
): Promise<void> {
  for (let ordinal = 0; ordinal < frames; ordinal++) {
    const release = () => undefined;
    await writer.write({ raw, documents: 10_000, release }, (frame) => {
      onPlaced(ordinal, frame);
    });
  }
  await writer.finish();
}

/** One collection of half of the frames, which is not read to its end, and a thousand of the other half. */
async function dump(): Promise<Iterable<IndexLine>> {
  const opTime = { ts: { t: 5, i: 1 }, t: 1 };
  const options = Buffer.alloc(5);
  const catalog: CatalogEntry[] = Array.from({ length: 1001 }, (_none, n) => {
    const [name, uuid] = [`orders${n}`, String(n).padStart(32, '0')];
    return { ns: `shop.${name}`, db: 'shop', name, type: 'collection', uuid, options };
  });
  const indexes = { indexes: [Buffer.alloc(60)], unfinished: [] };
  const checkpoint = new CheckpointWriter({
    ...{ store: state, prefix, base: 1, records: 0, logger: noLogger, onLost: () => undefined },
    describeMember: () => Promise.resolve({ attempt: 1, process: 'p', seen: opTime, durable: true }),
  });
  const base = { captureFrom: opTime, applyFrom: opTime, startedAt: new Date().toISOString() };
  const of = { backupId: 'b', part: 'rs0', codec: 'zstd', member: 'h:1', replicaSetId: '', identity: '' } as const;
  await checkpoint.begin({ kind: 'base', ...of, ...base }, catalog);
  artifacts.recorded = () => checkpoint.flush();
  const { packs, newFrameWriter } = openPacks((pack) => {
    checkpoint.packStored(pack);
  });
  const packNames = new NumberedNames();
  /** A dump keeps the frames of what it has read, and where it may go on in what it reads. */
  const held: FrameList[] = [];
  const scan = async ({ uuid }: CatalogEntry, frames: number, isWhole: boolean): Promise<void> => {
    const [list, positions] = [new FrameList(packNames), new ScanPositions()];
    held.push(list);
    await writeAll(newFrameWriter(), frames, (ordinal, frame) => {
      const position = Buffer.alloc(25, ordinal);
      list.set(ordinal, frame);
      positions.set(ordinal, position);
      checkpoint.frame(uuid ?? '', ordinal, frame, position);
    });
    if (isWhole) checkpoint.scanned(uuid ?? '', frames, indexes);
  };
  const [huge, ...others] = catalog as [CatalogEntry, ...CatalogEntry[]];
  const half = Math.floor(count / 2);
  const scanOthers = async (): Promise<void> => {
    for (const [n, entry] of others.entries())
      await scan(entry, Math.floor((half * (n + 1)) / 1000) - Math.floor((half * n) / 1000), true);
  };
  await Promise.all([scan(huge, count - half, false), scanOthers()]);
  const stored = await packs.finish();
  await checkpoint.flush();
  // What was held so far is that of the first attempt; from here on it is that of the next one.
  held.length = 0;

  const found = await readCheckpoint({ store: state, prefix }, partPrefix);
  const namespaces = catalog.map((entry) => {
    const frames = found?.collections.get(entry.uuid ?? '')?.frames ?? new FrameList(packNames);
    return { entry, collection: dumpedCollection(indexes, frames) };
  });
  return indexLines({ backupId: 'b', part: 'rs0', codec: 'zstd' }, stored, namespaces);
}

/** One file of half of the pieces, and a thousand of the other half. */
async function copy(): Promise<Iterable<FileIndexLine>> {
  const half = Math.floor(count / 2);
  const files = Array.from({ length: 1001 }, (_none, n) => {
    const pieces = n === 0 ? count - half : Math.floor((half * n) / 1000) - Math.floor((half * (n - 1)) / 1000);
    return { path: `collection-${n}--7391245876212345678.wt`, size: pieces * pieceBytes, mode: 0o600, pieces };
  });
  const head = { backupId: 'b', part: 'rs0', codec: 'zstd', snapshot: 's' };
  const place = { store: state, prefix, head, logger: noLogger };
  const checkpoint = new CopyCheckpoint({ ...place, attempt: 1 });
  artifacts.recorded = () => checkpoint.flush();
  const { packs, newFrameWriter } = openPacks((pack) => {
    checkpoint.packStored(pack);
  });
  const packNames = new NumberedNames();
  const lists = new Map<string, FrameList>();
  for (const { path, pieces } of files) {
    const list = new FrameList(packNames);
    lists.set(path, list);
    await writeAll(newFrameWriter(), pieces, (ordinal, frame) => {
      // What the file had there: the index says so, and is read with it.
      const piece = { ...frame, rawLength: pieceBytes, documents: 0 };
      list.set(ordinal, piece);
      checkpoint.piece(pieceLine(path, ordinal, piece));
    });
  }
  const stored = await packs.finish();
  await checkpoint.flush();
  lists.clear();

  const { pieces } = await readSavedCopy(place, { store: artifacts, partPrefix });
  const header = { kind: 'header', schemaVersion: 1, backupId: 'b', part: 'rs0', codec: 'zstd' } as const;
  return fileIndexLines(header, stored, { directories: [], files }, pieces);
}

let [lines, textBytes] = [0, 0];
function* counted<Line extends { readonly kind: string }>(all: Iterable<Line>): Generator<Line> {
  for (const line of all) {
    if (line.kind === 'frame' || line.kind === 'piece') lines += 1;
    textBytes += JSON.stringify(line).length + 1;
    yield line;
  }
}

const store = new DirectoryObjectStore({ root: join(root, 'index'), description: 'test' });
await writeIndex(
  store,
  'index',
  counted<IndexLine | FileIndexLine>(kind === 'frames' ? await dump() : await copy()),
  signal,
);
await store.close();
// Not resourceUsage().maxRSS: across fork and exec a process inherits that of its parent.
const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) / 1024;
const records = (await readdir(root)).filter((name) => name.endsWith('.ndjson.zst'));
const sizes = await Promise.all(records.map(async (name) => (await stat(join(root, name))).size));
const recordBytes = sizes.reduce((sum, size) => sum + size, 0);
console.log(JSON.stringify({ lines, textBytes, records: records.length, recordBytes, peakMiB }));
