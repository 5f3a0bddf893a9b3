import { createHash, hash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { BSON } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { sha256Hex } from '../../../src/application/documents.ts';
import type { Codec, IndexFrame } from '../../../src/domain/backup-index.ts';
import { type Manifest, manifestSchema } from '../../../src/domain/manifest.ts';
import { parseManifest, sealManifest } from '../../../src/domain/manifest-seal.ts';
import { decodeSlice } from '../../../src/engine/oplog/slice-format.ts';
import { readIndex } from '../../../src/engine/packs/index-reader.ts';
import { decodeFrame } from '../../../src/engine/packs/pack-reader.ts';
import { zstdFrameLength } from '../../../src/engine/packs/zstd-frames.ts';
import { readCorpus } from './corpus.ts';
import { garbage, type Json, mutated, mutatedJson } from './mutations.ts';
import { type FuzzBudget, fuzz, typedOutcome } from './typed-outcome.ts';
import { manifestObjects } from '../../../src/application/stored-objects.ts';

const damaged = ['CorruptObject'] as const;
const damagedOrNewer = ['CorruptObject', 'UnsupportedFormat'] as const;

function describeFrames(budget: FuzzBudget): void {
  const raw = readCorpus('frame.none');
  const codecs: readonly Codec[] = ['none', 'zstd', 'gzip'];
  const frameOf = (stored: Buffer): IndexFrame => ({
    ...{ kind: 'frame', ns: 'shop.orders', pack: '0001-00001', offset: 0, length: stored.length },
    ...{ rawLength: raw.length, documents: 3, sha256: hash('sha256', stored) },
  });

  describe('frames of packs', () => {
    it.each(codecs)('gives the documents, whole, or refuses the frame: %s', async (codec) => {
      const seed = readCorpus(`frame.${codec}`);
      expect(await decodeFrame('the/pack', frameOf(seed), seed, codec)).toEqual(raw);
      await fuzz(budget, fc.oneof(mutated(seed), garbage), async (stored) => {
        // As stored: its hash tells. Then as by someone who also corrected the hash.
        const bySeed = () => decodeFrame('the/pack', frameOf(seed), stored, codec);
        const decoded = await typedOutcome(bySeed, damaged, 'the/pack');
        if (decoded) expect(stored).toEqual(seed);
        const other = await typedOutcome(() => decodeFrame('the/pack', frameOf(stored), stored, codec), damaged);
        if (other) expect(other.length).toBe(raw.length);
      });
    });
  });
}

function describeIndex(budget: FuzzBudget): void {
  const key = 'orders/backups/b/rs0/index.ndjson.zst';
  const read = async (body: Buffer) => {
    const store = new MemoryObjectStore();
    await store.put(key, body);
    const sha256 = createHash('sha256').update(body).digest('hex');
    return readIndex(store, { key, size: body.length, crc32: '00000000', sha256 });
  };
  const seed = readCorpus('index.ndjson.zst');
  const text = zstdDecompressSync(seed);
  const lines = text
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);
  const total = (index: Awaited<ReturnType<typeof read>>) =>
    [...index.frames].reduce((sum, { documents }) => sum + documents, 0);

  describe('index', () => {
    it('reads the seed', async () => {
      expect((await read(seed)).namespaces.map(({ ns }) => ns)).toEqual(['shop.orders', 'shop.ring', 'shop.empty']);
    });

    it('refuses damaged bytes, and damaged text within sound bytes', async () => {
      await fuzz(budget, fc.oneof(mutated(seed), garbage), async (body) => {
        await typedOutcome(() => read(body), damagedOrNewer, key);
      });
      await fuzz(budget, fc.oneof(mutated(text), garbage), async (changed) => {
        await typedOutcome(() => read(zstdCompressSync(changed)), damagedOrNewer, key);
      });
    });

    it('refuses lines that no dump writes, or holds every document that it promises', async () => {
      await fuzz(budget, mutatedJson(lines), async (changed) => {
        const body = Array.isArray(changed) ? changed.map((line) => `${JSON.stringify(line)}\n`).join('') : 'null\n';
        const index = await typedOutcome(() => read(zstdCompressSync(body)), damagedOrNewer, key);
        if (index)
          expect(total(index)).toBe(index.namespaces.reduce((sum, { documents }) => sum + (documents ?? 0), 0));
      });
    });
  });
}

function describeManifest(budget: FuzzBudget): void {
  const key = 'orders/backups/20261122T101530Z-logical-hand/manifest.json';
  const seed = readCorpus('manifest.json');
  const parse = (text: string): Manifest => parseManifest(text, key, sha256Hex);
  const names = ['VerificationFailed', 'UnsupportedFormat'] as const;

  describe('manifest', () => {
    const intact = parse(seed.toString());

    it('gives what was written, or refuses it', async () => {
      await fuzz(budget, fc.oneof(mutated(seed), garbage), async (bytes) => {
        const parsed = await typedOutcome(() => parse(bytes.toString()), names, key);
        if (parsed) expect(parsed).toEqual(intact);
      });
      await fuzz(budget, mutatedJson(intact as unknown as Json), async (changed) => {
        const parsed = await typedOutcome(() => parse(JSON.stringify(changed)), names, key);
        if (parsed) expect(parsed).toEqual(intact);
      });
    });

    it('refuses objects outside of the backup, also when the seal was made anew', async () => {
      const content = Object.fromEntries(Object.entries(intact).filter(([name]) => name !== 'sha256'));
      await fuzz(budget, mutatedJson(content as unknown as Json), async (changed) => {
        const sealed = sealManifest(changed as unknown as Omit<Manifest, 'sha256'>, sha256Hex);
        const parsed = await typedOutcome(() => parse(JSON.stringify(sealed)), names, key);
        if (!parsed) return;
        expect(manifestSchema.safeParse(parsed).success).toBe(true);
        for (const object of manifestObjects(parsed))
          expect(object.key.startsWith(`${parsed.deployment}/backups/${parsed.backupId}/`)).toBe(true);
      });
    });
  });
}

function describeSlices(budget: FuzzBudget): void {
  const key = 'orders/backups/b/rs0/oplog/0000000100-0000000001.bson.zst';
  const seed = readCorpus('slice.bson.zst');
  const headerLength = zstdFrameLength(seed);
  const header = zstdDecompressSync(seed.subarray(0, headerLength));
  const entries = zstdDecompressSync(seed.subarray(headerLength));
  const decoded = BSON.deserialize(header, { promoteValues: false });

  describe('slices', () => {
    it('gives the entries, whole, or refuses the slice', async () => {
      const intact = await decodeSlice(key, seed);
      await fuzz(budget, fc.oneof(mutated(seed), garbage), async (body) => {
        const slice = await typedOutcome(() => decodeSlice(key, body), damagedOrNewer, key);
        if (slice) expect(slice).toEqual(intact);
      });
    });

    it('refuses a header that no capture writes', async () => {
      await fuzz(budget, fc.oneof(mutated(header), garbage), async (bytes) => {
        const body = Buffer.concat([zstdCompressSync(bytes), seed.subarray(headerLength)]);
        await typedOutcome(() => decodeSlice(key, body), damagedOrNewer, key);
      });
      const plain = { ...(BSON.EJSON.serialize(decoded) as Record<string, Json>), prepared: [{ transaction: 'a' }] };
      await fuzz(budget, mutatedJson(plain), async (changed) => {
        const object = typeof changed === 'object' && changed !== null && !Array.isArray(changed) ? changed : {};
        const bytes = Buffer.from(BSON.serialize(object));
        const body = Buffer.concat([zstdCompressSync(bytes), seed.subarray(headerLength)]);
        await typedOutcome(() => decodeSlice(key, body), damagedOrNewer, key);
      });
    });

    it('refuses entries that are none, under a header that fits them', async () => {
      await fuzz(budget, fc.oneof(mutated(entries), garbage), async (bytes) => {
        const sha256 = hash('sha256', bytes);
        const fitting = BSON.serialize({ ...decoded, rawBytes: bytes.length, sha256 });
        const body = Buffer.concat([zstdCompressSync(fitting), zstdCompressSync(bytes)]);
        const slice = await typedOutcome(() => decodeSlice(key, body), damagedOrNewer, key);
        if (slice) expect(Buffer.concat(slice.entries)).toEqual(bytes);
      });
    });
  });
}

/** Everything that a restore reads from a storage. */
export function describeObjectsFuzz(budget: FuzzBudget): void {
  describeFrames(budget);
  describeIndex(budget);
  describeManifest(budget);
  describeSlices(budget);
}
