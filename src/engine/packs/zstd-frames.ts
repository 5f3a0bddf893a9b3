import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib';
import { HoldfastError } from '../../domain/errors.ts';
import { joinBuffers } from '../bson/join-buffers.ts';

const decompress = promisify(zstdDecompress);

const magic = 0xfd2fb528;
const blockHeaderSize = 3;
/** With a 256th of the content, more than zstd ever adds to it (ZSTD_compressBound). */
const chunkReserve = 1024;
const decompressionChunkSize = 128 * 1024;

/**
 * One frame with its content checksum, made on libuv's threads. A large one has memory of its own, for `freeBytes`.
 * @throws Internal when what zlib made is not one frame
 */
export async function compressZstdFrame(raw: Uint8Array, level: number): Promise<Buffer> {
  const pieces = await compressedPieces(raw, level);
  const frame = joinBuffers(pieces);
  if (zstdFrameLength(frame) !== frame.length)
    throw new HoldfastError('Internal', `zlib made more than one frame of ${raw.length} bytes.`);
  return frame;
}

function compressedPieces(raw: Uint8Array, level: number): Promise<Buffer[]> {
  // pledgedSrcSize is newer than Node's type declarations; it writes the content size into the frame's header.
  const options = {
    // Always more than the frame: when a frame ends where a piece of memory does, Node (24.21.0) asks for more, and zstd
    // begins another, empty frame behind it. What is not written to is never in memory.
    chunkSize: raw.length + (raw.length >> 8) + chunkReserve,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
    pledgedSrcSize: raw.length,
  };
  // Not the function that compresses at once: it copies the pieces together, which are one behind the other already.
  const stream = createZstdCompress(options);
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      resolve(pieces);
    });
    stream.on('error', reject);
    stream.end(raw);
  });
}

function cutOff(offset: number): HoldfastError {
  return new HoldfastError('CorruptObject', `The zstd frame at byte ${offset} is cut off or no zstd frame.`);
}

/** Size of the frame header: magic, descriptor, window, dictionary id and content size (RFC 8878, 3.1.1.1). */
function frameHeaderSize(descriptor: number): number {
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return 4 + 1 + (singleSegment ? 0 : 1) + dictionary + contentSize;
}

/**
 * Length in bytes of the zstd frame at `offset`, from its block headers (RFC 8878, 3.1.1): Node's zlib decodes only the
 * first of several frames and says nothing, so that readers must cut them apart. @throws CorruptObject
 */
export function zstdFrameLength(buffer: Buffer, offset = 0): number {
  if (offset + 5 > buffer.length || buffer.readUInt32LE(offset) !== magic) throw cutOff(offset);
  const descriptor = buffer[offset + 4] ?? 0;
  let at = offset + frameHeaderSize(descriptor);
  for (let last = false; !last;) {
    if (at + blockHeaderSize > buffer.length) throw cutOff(offset);
    const header = buffer.readUIntLE(at, blockHeaderSize);
    last = (header & 1) === 1;
    const runLength = ((header >> 1) & 3) === 1;
    at += blockHeaderSize + (runLength ? 1 : header >> 3);
  }
  if ((descriptor & 4) !== 0) at += 4;
  if (at > buffer.length) throw cutOff(offset);
  return at - offset;
}

/**
 * How many bytes a frame says that it holds, which is not proved (RFC 8878, 3.1.1.1.4).
 * @returns undefined where its header leaves that out, or is cut off
 */
export function zstdContentSize(frame: Buffer): number | undefined {
  const descriptor = frame[4] ?? 0;
  const end = frameHeaderSize(descriptor);
  const isSingle = (descriptor & 0x20) !== 0;
  const bytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  if (bytes === 0 || end > frame.length) return undefined;
  if (bytes === 8) return Number(frame.readBigUInt64LE(end - bytes));
  return frame.readUIntLE(end - bytes, bytes) + (bytes === 2 ? 256 : 0);
}

/**
 * The content of exactly one frame, checked against its checksum.
 * @param maxLength bytes; a frame that holds more is refused before its content is in memory
 * @param expectedLength when the caller knows the length: memory for it is taken at once, and nothing is copied
 * @throws CorruptObject
 */
export async function decompressZstdFrame(frame: Buffer, maxLength: number, expectedLength?: number): Promise<Buffer> {
  if (zstdFrameLength(frame) !== frame.length)
    throw new HoldfastError('CorruptObject', `A zstd frame has ${frame.length} bytes, more than it says.`);
  // One byte more than is expected, or Node makes a second piece to find that nothing is left.
  const chunkSize = expectedLength === undefined ? decompressionChunkSize : Math.max(64, expectedLength + 1);
  try {
    return await decompress(frame, { maxOutputLength: maxLength, chunkSize });
  } catch (cause) {
    throw new HoldfastError('CorruptObject', `A zstd frame cannot be decoded: ${(cause as Error).message}.`, { cause });
  }
}
