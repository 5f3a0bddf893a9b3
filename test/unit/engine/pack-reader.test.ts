import { hash } from 'node:crypto';
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib';
import { BSON } from 'mongodb';
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Codec, IndexFrame } from '../../../src/domain/backup-index.ts';
import { readIndex } from '../../../src/engine/packs/index-reader.ts';
import { decodeFrame, freeFrame, joinFrames, readFrames } from '../../../src/engine/packs/pack-reader.ts';

const documents = (count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => Buffer.from(BSON.serialize({ _id: n }))));
const encode = { zstd: zstdCompressSync, gzip: gzipSync, none: (raw: Buffer) => raw };

function frameOf(stored: Buffer, raw: Buffer, fields: Partial<IndexFrame> = {}): IndexFrame {
  const [length, rawLength] = [stored.length, raw.length];
  const place = { kind: 'frame', ns: 'db.c', pack: '0001-00001', offset: 0 } as const;
  return { ...place, length, rawLength, documents: 3, sha256: hash('sha256', stored), ...fields };
}
const corrupt = (what: RegExp): unknown =>
  expect.objectContaining({ name: 'CorruptObject', message: expect.stringMatching(what) as string });

describe('decoding a frame', () => {
  it.each(['zstd', 'gzip', 'none'] as const)('returns what was stored with %s', async (codec: Codec) => {
    const raw = documents(3);
    const stored = encode[codec](raw);
    expect(await decodeFrame('k', frameOf(stored, raw), stored, codec)).toEqual(raw);
  });

  it.each(['zstd', 'gzip', 'none'] as const)('can be undone, which harms nothing else (%s)', async (codec: Codec) => {
    for (const size of [100, 1_000_000]) {
      const raw = Buffer.from(BSON.serialize({ body: 'x'.repeat(size) }));
      const [stored, expected] = [encode[codec](raw), Buffer.from(raw)];
      const neighbours = Array.from({ length: 50 }, () => Buffer.allocUnsafe(100).fill(7));
      const frame = await decodeFrame('k', frameOf(stored, raw, { documents: 1 }), stored, codec);
      freeFrame(frame, codec);
      expect(frame.length).toBe(codec === 'none' || size === 100 ? expected.length : 0);
      expect(await decodeFrame('k', frameOf(stored, expected, { documents: 1 }), stored, codec)).toEqual(expected);
      for (const neighbour of neighbours) expect(neighbour).toEqual(Buffer.alloc(100, 7));
    }
  });

  it('names the pack whose frame has one bit flipped, for every byte of it', async () => {
    const raw = documents(3);
    const stored = zstdCompressSync(raw);
    const frame = frameOf(stored, raw);
    for (let n = 0; n < stored.length; n++) {
      const flipped = Buffer.from(stored);
      flipped[n] = (flipped[n] ?? 0) ^ 1;
      await expect(decodeFrame('the/key', frame, flipped, 'zstd')).rejects.toEqual(corrupt(/the\/key.*SHA-256/));
    }
  });

  it.each(['zstd', 'gzip'] as const)('refuses a %s frame that unpacks to more than it declares', async (codec) => {
    const bomb = Buffer.alloc(64 * 1024 * 1024);
    const stored = encode[codec](bomb);
    const before = process.memoryUsage().arrayBuffers;
    const frame = frameOf(stored, documents(3));
    await expect(decodeFrame('k', frame, stored, codec)).rejects.toEqual(corrupt(/k is damaged/));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  it('refuses a frame without compression that has more bytes than it declares', async () => {
    const [raw, declared] = [documents(6), documents(3)];
    await expect(decodeFrame('k', frameOf(raw, declared), raw, 'none')).rejects.toEqual(corrupt(/bytes instead of/));
  });

  // Node's zlib gives the first of several zstd frames and says nothing of the others; of gzip members it gives all.
  it.each(['zstd', 'gzip', 'none'] as const)('refuses a second frame after the first: %s', async (codec) => {
    const raw = documents(3);
    const stored = Buffer.concat([encode[codec](raw), encode[codec](documents(2))]);
    await expect(decodeFrame('k', frameOf(stored, raw), stored, codec)).rejects.toEqual(corrupt(/k is damaged/));
  });

  it('refuses bytes after a gzip frame', async () => {
    const raw = documents(3);
    const stored = Buffer.concat([gzipSync(raw), Buffer.from('more')]);
    await expect(decodeFrame('k', frameOf(stored, raw), stored, 'gzip')).rejects.toEqual(corrupt(/k is damaged/));
  });

  it('refuses a frame with fewer bytes, another number of documents, or no BSON', async () => {
    const raw = documents(3);
    const less = frameOf(raw, raw, { rawLength: raw.length + 1 });
    await expect(decodeFrame('k', less, raw, 'none')).rejects.toEqual(corrupt(/bytes instead of/));
    await expect(decodeFrame('k', frameOf(raw, raw, { documents: 4 }), raw, 'none')).rejects.toEqual(
      corrupt(/3 documents instead of 4/),
    );
    const cut = raw.subarray(0, -1);
    await expect(decodeFrame('k', frameOf(cut, cut), cut, 'none')).rejects.toEqual(corrupt(/Invalid BSON/));
  });
});

describe('reading frames by ranges', () => {
  const frame = (offset: number, length: number, pack = 'p', rawLength = length) =>
    frameOf(Buffer.alloc(length), Buffer.alloc(rawLength), { offset, pack });

  it('joins neighbours of a pack up to a size, stored or raw', () => {
    const frames = [frame(0, 10), frame(10, 10), frame(30, 10), frame(40, 10, 'q'), frame(50, 10, 'q', 90)];
    expect([...joinFrames(frames, 95)].map(({ pack, offset, length }) => [pack, offset, length])).toEqual([
      ['p', 0, 20],
      ['p', 30, 10],
      ['q', 40, 10],
      ['q', 50, 10],
    ]);
    expect([...joinFrames([frame(0, 200)], 95)]).toHaveLength(1);
  });

  it('reads a run with one request', async () => {
    const raw = documents(3);
    const stored = zstdCompressSync(raw);
    const store = new MemoryObjectStore();
    await store.put('k', Buffer.concat([Buffer.alloc(7), stored, stored]));
    let requests = 0;
    const counting = Object.create(store) as MemoryObjectStore;
    counting.getRange = (...args) => {
      requests++;
      return store.getRange(...args);
    };
    const frames = [frameOf(stored, raw, { offset: 7 }), frameOf(stored, raw, { offset: 7 + stored.length })];
    const found: Buffer[] = [];
    const source = { store: counting, codec: 'zstd', keyOf: () => 'k' } as const;
    for (const run of joinFrames(frames, 1_000_000))
      for await (const { raw: one } of readFrames(source, run)) found.push(one);
    expect(found).toEqual([raw, raw]);
    expect(requests).toBe(1);
  });
});

describe('reading an index', () => {
  const header = { kind: 'header', schemaVersion: 1, backupId: 'b', part: 'rs0', codec: 'zstd' };
  const pack = { kind: 'pack', pack: '0001-00001', size: 100, crc32: '00000000' };
  const namespace = {
    kind: 'namespace',
    ns: 'db.c',
    type: 'collection',
    uuid: '0'.repeat(32),
    options: '',
    indexes: [],
    unfinishedIndexes: [],
    documents: 6,
    rawBytes: 40,
  };
  const frame = frameOf(Buffer.alloc(10), Buffer.alloc(20));
  let store: MemoryObjectStore;
  beforeEach(() => {
    store = new MemoryObjectStore();
  });

  async function read(lines: readonly object[], cut = 0) {
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const body = zstdCompressSync(text.slice(0, text.length - cut));
    await store.put('the/index', body);
    const object = { key: 'the/index', size: body.length, crc32: crc32(body).toString(16) };
    return readIndex(store, { ...object, sha256: hash('sha256', body) });
  }

  it('returns namespaces, packs and frames in their order', async () => {
    const index = await read([header, pack, namespace, frame, { ...frame, offset: 20 }]);
    expect(index).toMatchObject({ backupId: 'b', part: 'rs0', codec: 'zstd' });
    expect([...index.frames].map(({ offset }) => offset)).toEqual([0, 20]);
    expect(index.packs.get('0001-00001')).toEqual(pack);
  });

  it.each<[string, readonly object[], RegExp]>([
    ['no header first', [pack, header], /does not begin with its header/],
    ['a second header', [header, header], /second header/],
    ['a frame of an unlisted pack', [header, namespace, frame], /which is not listed/],
    ['a frame of an unlisted namespace', [header, pack, frame], /belongs to db\.c/],
    ['a frame beyond its pack', [header, pack, namespace, { ...frame, offset: 95 }], /ends after its pack/],
    ['the same namespace twice', [header, pack, namespace, namespace], /db\.c.*twice/],
    ['a frame left out', [header, pack, namespace, frame], /hold 3 documents of db\.c in 20 bytes, not 6 in 40/],
    ['a UUID twice', [header, pack, namespace, { ...namespace, ns: 'db.d' }], /UUID 0+ twice/],
    ['a frame that would fill the memory', [header, pack, namespace, { ...frame, rawLength: 2 ** 33 }], /too large/],
    ['a namespace without a database', [header, { ...namespace, ns: 'db' }], /line 2/],
    ['a line of another shape', [header, { kind: 'frame' }], /line 2/],
  ])('refuses %s', async (_name, lines, message) => {
    await expect(read(lines)).rejects.toEqual(corrupt(message));
  });

  it('refuses a last line that is cut off, and bytes other than the manifest’s', async () => {
    await expect(read([header, pack], 1)).rejects.toEqual(corrupt(/cut off/));
    await store.put('k', Buffer.from('x'));
    const wrong = { key: 'k', size: 1, crc32: '00000000', sha256: '0'.repeat(64) };
    await expect(readIndex(store, wrong)).rejects.toEqual(corrupt(/not the one that the manifest describes/));
  });

  it('refuses an index of a newer release as such', async () => {
    await expect(read([{ ...header, schemaVersion: 2 }])).rejects.toMatchObject({ name: 'UnsupportedFormat' });
  });
});
