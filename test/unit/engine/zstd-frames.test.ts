import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  compressZstdFrame,
  decompressZstdFrame,
  zstdContentSize,
  zstdFrameLength,
} from '../../../src/engine/packs/zstd-frames.ts';

/** The same every time, and no codec makes it smaller. */
function noise(length: number): Buffer {
  let state = 1;
  return Buffer.from(Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24));
}

/** Noise and zeros, so many that the frame has exactly a quarter of their length. */
function fourTimesItsFrame(): Buffer {
  const params = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 };
  const random = noise(30_000);
  let raw = Buffer.concat([random, Buffer.alloc(90_000)]);
  for (let tries = 0; tries < 20; tries++) {
    const options = { params, pledgedSrcSize: raw.length, chunkSize: 2 * raw.length };
    const { length } = zstdCompressSync(raw, options);
    if (length === raw.length >> 2) return raw;
    raw = Buffer.concat([random, Buffer.alloc(4 * length - random.length)]);
  }
  throw new Error('no such content was found');
}

describe('zstd frames', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a document', Buffer.from('the smallest frames share memory of Node')],
    ['what does not compress', noise(1_000_000)],
    ['what compresses', Buffer.alloc(4_000_000, 'order ')],
    ['a frame that ends where a quarter of its content would', fourTimesItsFrame()],
  ])('%s is one frame, as long as its blocks say', async (_what, raw) => {
    const frame = await compressZstdFrame(raw, 1);
    expect(zstdFrameLength(frame)).toBe(frame.length);
    expect(zstdContentSize(frame)).toBe(raw.length);
    expect((await decompressZstdFrame(frame, Math.max(1, raw.length), raw.length)).equals(raw)).toBe(true);
  });

  test.each([0, 255, 256, 65_791, 65_792, 5_000_000])(
    '%i bytes are told by the header of their frame',
    async (bytes) => {
      const frame = await compressZstdFrame(Buffer.alloc(bytes), 1);
      expect(zstdContentSize(frame)).toBe(bytes);
    },
  );

  test('where the header tells nothing, or is cut off, nothing is known of the content', () => {
    // Magic, no size and no checksum, a window, one empty block.
    const silent = Buffer.from('28b52ffd0058010000', 'hex');
    expect(zstdFrameLength(silent)).toBe(silent.length);
    expect(zstdContentSize(silent)).toBeUndefined();
    const frame = zstdCompressSync(Buffer.alloc(1000));
    for (const length of [0, 4, 5]) expect(zstdContentSize(frame.subarray(0, length))).toBeUndefined();
  });

  test('a large frame has memory of its own, which can be given back', async () => {
    const frame = await compressZstdFrame(noise(300_000), 1);
    expect(frame.buffer.byteLength).toBeGreaterThanOrEqual(frame.length);
    (frame.buffer as ArrayBuffer).transfer(0);
    expect(frame).toHaveLength(0);
  });
});
