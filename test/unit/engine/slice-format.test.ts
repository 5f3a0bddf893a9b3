import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { BSON, Long, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../../src/domain/errors.ts';
import {
  decodeSlice,
  decodeSliceHeader,
  encodeSliceHeader,
  type SliceHeader,
} from '../../../src/engine/oplog/slice-format.ts';
import { compressZstdFrame, zstdFrameLength } from '../../../src/engine/packs/zstd-frames.ts';

const entry = (n: number, extra: object = {}): Buffer =>
  Buffer.from(
    BSON.serialize({
      op: 'i',
      ns: 'a.b',
      o: { _id: n },
      ts: new Timestamp({ t: 100, i: n }),
      t: Long.fromNumber(3),
      ...extra,
    }),
  );

const headerOf = (entries: readonly Buffer[], patch: Partial<SliceHeader> = {}): SliceHeader => ({
  schemaVersion: 1,
  from: { ts: { t: 100, i: 1 }, t: 3 },
  to: { ts: { t: 100, i: entries.length }, t: 3 },
  entries: entries.length,
  rawBytes: Buffer.concat(entries).length,
  sha256: createHash('sha256').update(Buffer.concat(entries)).digest('hex'),
  member: '127.0.0.1:1',
  serverVersion: '6.0.5',
  run: 'run',
  fence: 1,
  prepared: [{ transaction: 'ab:1', opTime: { ts: { t: 0xffff_ffff, i: 7 }, t: 3 } }],
  ...patch,
});

async function encode(header: SliceHeader, frames: readonly Buffer[][]): Promise<Buffer> {
  const parts = [await encodeSliceHeader(header)];
  for (const frame of frames) parts.push(await compressZstdFrame(Buffer.concat(frame), 1));
  return Buffer.concat(parts);
}

const entries = [entry(1), entry(2, { o: { text: 'x'.repeat(3000) } }), entry(3), entry(4)];

describe('slice format', () => {
  it('gives back header and entries of several frames, byte by byte', async () => {
    const stored = await encode(headerOf(entries), [entries.slice(0, 1), entries.slice(1, 3), entries.slice(3)]);
    const slice = await decodeSlice('k', stored);
    expect(slice.header).toEqual(headerOf(entries));
    expect(Buffer.concat(slice.entries)).toEqual(Buffer.concat(entries));
    expect(slice.entries).toHaveLength(4);
  });

  it('reads the header alone from the start of the object', async () => {
    const stored = await encode(headerOf(entries), [entries]);
    const { header, length } = await decodeSliceHeader('k', stored.subarray(0, zstdFrameLength(stored) + 1));
    expect(header.to).toEqual({ ts: { t: 100, i: 4 }, t: 3 });
    expect(length).toBe(zstdFrameLength(stored));
  });

  it.each([
    ['an entry less than it says', headerOf(entries), [entries.slice(0, 3)]],
    ['a frame missing', headerOf(entries), [entries.slice(0, 2)]],
    ['no entries at all', headerOf(entries), []],
    ['an entry more than it says', headerOf(entries), [entries, [entry(5)]]],
    ['another first entry', headerOf(entries, { from: { ts: { t: 100, i: 1 }, t: 4 } }), [entries]],
    ['another last entry', headerOf(entries, { to: { ts: { t: 100, i: 5 }, t: 3 } }), [entries]],
    ['other content of the same length', headerOf(entries), [[entry(1), entries[1] as Buffer, entry(4), entry(3)]]],
  ])('refuses a slice with %s', async (_, header, frames) => {
    await expect(decodeSlice('k', await encode(header, frames))).rejects.toMatchObject({ name: 'CorruptObject' });
  });

  it('refuses a header of a newer release by name', async () => {
    const raw = BSON.serialize({ schemaVersion: 2, anything: 1 });
    await expect(decodeSlice('k', await compressZstdFrame(raw, 1))).rejects.toMatchObject({
      name: 'UnsupportedFormat',
    });
  });

  it('refuses every cut, and a flipped bit never yields anything but an error or the same entries', async () => {
    const stored = await encode(headerOf(entries), [entries]);
    const original = await decodeSlice('k', stored);
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length - 1), fc.nat(7), async (at, bit) => {
        await expect(decodeSlice('k', stored.subarray(0, at))).rejects.toMatchObject({ name: 'CorruptObject' });
        const flipped = Buffer.from(stored);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        const outcome = await decodeSlice('k', flipped).catch((error: unknown) => error);
        // zstd has bits that mean nothing: what counts is that no other content gets through.
        if (outcome instanceof HoldfastError) expect(outcome.name).toBe('CorruptObject');
        else expect(outcome).toEqual(original);
      }),
      { numRuns: 600 },
    );
  });

  it('answers random bytes with an error and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await expect(decodeSlice('k', Buffer.from(bytes))).rejects.toBeInstanceOf(HoldfastError);
      }),
      { numRuns: 300 },
    );
  });
});

describe('zstdFrameLength', () => {
  it('cuts frames of any size and content apart', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(300_000), fc.nat(255), fc.boolean(), fc.integer({ min: 1, max: 6 })), {
          minLength: 1,
          maxLength: 4,
        }),
        async (specs) => {
          const frames = await Promise.all(
            specs.map(([size, seed, constant, level]) =>
              compressZstdFrame(
                Buffer.alloc(size).map((_, n) => (constant ? seed : (n * n * seed) >> 5)),
                level,
              ),
            ),
          );
          const all = Buffer.concat(frames);
          let at = 0;
          for (const frame of frames) {
            expect(zstdFrameLength(all, at)).toBe(frame.length);
            at += frame.length;
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
