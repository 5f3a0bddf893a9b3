import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { IndexFrame, IndexLine, IndexNamespace, IndexPack } from '../../../src/domain/backup-index.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { readIndex } from '../../../src/engine/packs/index-reader.ts';
import { requireIndexable, writeIndex } from '../../../src/engine/packs/index-writer.ts';

const { signal } = new AbortController();
const key = 'd/backups/b/p/index.ndjson.zst';
const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''));
const count = fc.nat(10_000_000);
const raws = fc.array(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  { maxLength: 3 },
);

const namespace: fc.Arbitrary<IndexNamespace> = fc.record({
  kind: fc.constant('namespace'),
  ns: fc.string({ unit: 'grapheme', minLength: 1 }).map((name) => `db.${name}`),
  type: fc.constantFrom('collection', 'view', 'timeseries'),
  uuid: fc.option(fc.uuid().map((uuid) => uuid.replaceAll('-', ''))),
  options: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  indexes: raws,
  unfinishedIndexes: raws,
  documents: fc.constant(null),
  rawBytes: fc.constant(null),
});
const pack: fc.Arbitrary<IndexPack> = fc.record({
  kind: fc.constant('pack'),
  pack: fc.nat(9999).map((n) => `0001-${String(n).padStart(5, '0')}`),
  size: fc.constant(2 ** 40),
  crc32: hex(8),
});
const frameOf = (ns: string, inPack: string): fc.Arbitrary<IndexFrame> =>
  fc.record({
    kind: fc.constant('frame'),
    ns: fc.constant(ns),
    pack: fc.constant(inPack),
    ...{ offset: count, length: count, rawLength: count, documents: count, sha256: hex(64) },
  });
/** A namespace promises what its frames hold. */
function promised(line: IndexNamespace, frames: readonly IndexFrame[]): IndexNamespace {
  const own = frames.filter(({ ns }) => ns === line.ns);
  if (own.length === 0) return line;
  const sum = (field: 'documents' | 'rawLength') => own.reduce((total, frame) => total + frame[field], 0);
  return { ...line, documents: sum('documents'), rawBytes: sum('rawLength') };
}
const header: IndexLine = { kind: 'header', schemaVersion: 1, backupId: 'b', part: 'p', codec: 'zstd' };

describe('writeIndex', () => {
  it('comes back through readIndex, whatever names and numbers', async () => {
    const lines = fc
      .tuple(
        fc.uniqueArray(namespace, { selector: ({ ns }) => ns, maxLength: 5 }),
        fc.uniqueArray(pack, { selector: ({ pack: name }) => name, minLength: 1, maxLength: 3 }),
      )
      .chain(([namespaces, packs]) =>
        fc
          .tuple(...namespaces.map(({ ns }) => fc.array(frameOf(ns, packs[0]?.pack ?? ''), { maxLength: 4 })))
          .map((frames) => frames.flat())
          .map((frames) => ({ namespaces: namespaces.map((line) => promised(line, frames)), packs, frames })),
      );
    await fc.assert(
      fc.asyncProperty(lines, async ({ namespaces, packs, frames }) => {
        const store = new MemoryObjectStore();
        const written = await writeIndex(store, key, [header, ...packs, ...namespaces, ...frames], signal);
        expect(await store.checksum(key)).toBe(written.crc32);
        const index = await readIndex(store, written);
        expect(index.namespaces).toEqual(namespaces);
        expect([...index.frames]).toEqual(frames);
        expect([...index.packs.values()]).toEqual(packs);
      }),
      { numRuns: 60 },
    );
  });

  it('holds more lines than fit into one piece of text', async () => {
    const store = new MemoryObjectStore();
    const namespaces = Array.from({ length: 20_000 }, (_, n): IndexLine => {
      const empty = { uuid: null, options: '', indexes: [], unfinishedIndexes: [], documents: 0, rawBytes: 0 };
      return { kind: 'namespace', ns: `tenants.t${n}`, type: 'collection', ...empty };
    });
    const written = await writeIndex(store, key, [header, ...namespaces], signal);
    expect((await readIndex(store, written)).namespaces).toHaveLength(20_000);
  });

  it('is known to be too large before anything is copied', () => {
    // 16 TB in pieces of 4 MiB, and more than can be.
    expect(() => {
      requireIndexable(16e12 / (4 * 1024 * 1024));
    }).not.toThrow();
    expect(() => {
      requireIndexable(6_000_000);
    }).toThrow(expect.objectContaining({ name: 'MethodNotAvailable' }));
  });

  it('passes on the error of the storage, and of the lines', async () => {
    const store = new MemoryObjectStore();
    await store.put(key, Buffer.from('there'));
    await expect(writeIndex(store, key, [header], signal)).rejects.toMatchObject({ name: 'ObjectExists' });
    function* failing(): Generator<IndexLine> {
      yield header;
      throw new HoldfastError('CorruptSource', 'a line cannot be made');
    }
    const empty = new MemoryObjectStore();
    await expect(writeIndex(empty, key, failing(), signal)).rejects.toMatchObject({ name: 'CorruptSource' });
    const tooLarge = writeIndex(empty, key, [header], signal, JSON.stringify(header).length);
    await expect(tooLarge).rejects.toMatchObject({ name: 'MethodNotAvailable' });
    expect(await empty.head(key)).toBeUndefined();
  });
});
