import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Codec } from '../../domain/backup-index.ts';
import { compressZstdFrame } from './zstd-frames.ts';

const compressGzip = promisify(gzip);

/** Makes the stored bytes of a frame, on libuv's threads. With `none` the result is the same buffer. */
export type FrameCompressor = (raw: Buffer) => Promise<Buffer>;

/** @param level that the codec takes (`codecLevels`); any for `none` */
export function frameCompressor(codec: Codec, level: number): FrameCompressor {
  switch (codec) {
    case 'zstd':
      return (raw) => compressZstdFrame(raw, level);
    case 'gzip':
      return (raw) => compressGzip(raw, { level, chunkSize: Math.max(64 * 1024, Math.ceil(raw.length / 2)) });
    case 'none':
      return (raw) => Promise.resolve(raw);
  }
}
