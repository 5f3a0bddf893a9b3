import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { Codec, IndexFrame } from '../../domain/backup-index.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { documentLength } from '../bson/raw-document.ts';
import type { Stored } from './frame-table.ts';
import { freeBytes } from './free-bytes.ts';
import { decompressZstdFrame } from './zstd-frames.ts';

/** A frame holds some MiB, or one document; more is a damaged or hostile index. */
const maxRawLength = 64 * 1024 * 1024;

const inflate = promisify(gunzip);

/** Frames of one pack that lie next to each other and are read by one request. */
export interface FrameRun<F extends Stored = IndexFrame> {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly frames: readonly F[];
}

function damaged(key: string, frame: Stored, what: string, cause?: unknown): HoldfastError {
  const of = frame.kind === 'frame' ? { ns: frame.ns } : { file: frame.file };
  return new HoldfastError(
    'CorruptObject',
    `The pack ${key} is damaged: ${what} (frame of ${of.ns ?? of.file} at byte ${frame.offset}).`,
    { cause, details: { key, offset: frame.offset, ...of } },
  );
}

/**
 * Joins neighbouring frames to runs, in the order given: ten thousand small collections are few requests. A run is made
 * when it is asked for.
 * @param maxBytes of stored and of raw bytes in one run; a larger frame is a run of its own
 */
export function* joinFrames<F extends Stored>(frames: Iterable<F>, maxBytes: number): Generator<FrameRun<F>> {
  let run: { pack: string; offset: number; length: number; raw: number; frames: F[] } | undefined;
  for (const frame of frames) {
    const follows = run !== undefined && run.pack === frame.pack && run.offset + run.length === frame.offset;
    if (run && follows && Math.max(run.length + frame.length, run.raw + frame.rawLength) <= maxBytes) {
      run.frames.push(frame);
      run.length += frame.length;
      run.raw += frame.rawLength;
    } else {
      if (run) yield run;
      const { pack, offset, length, rawLength } = frame;
      run = { pack, offset, length, raw: rawLength, frames: [frame] };
    }
  }
  if (run) yield run;
}

async function decompress(stored: Buffer, codec: Codec, rawLength: number): Promise<Buffer> {
  const limit = Math.max(1, rawLength);
  if (codec === 'none') return stored;
  if (codec === 'zstd') return decompressZstdFrame(stored, limit, limit);
  // In one piece, and one byte more, or Node makes a second piece to find that nothing is left.
  return inflate(stored, { maxOutputLength: limit, chunkSize: Math.max(64, limit + 1) });
}

/** The number of documents, each with a length that fits: what is sent to a server is whole BSON documents. */
function countDocuments(raw: Buffer): number {
  let count = 0;
  for (let at = 0; at < raw.length; count++) at += documentLength(raw, at);
  return count;
}

/**
 * Decodes one frame and proves that it is the one that was written: SHA-256 of the stored bytes, declared raw length
 * (a bound, so that a frame that unpacks to more never reaches memory) and, of documents, their number.
 * @param key of the pack, for messages
 * @throws CorruptObject
 */
export async function decodeFrame(key: string, frame: Stored, stored: Buffer, codec: Codec): Promise<Buffer> {
  if (frame.rawLength > maxRawLength) throw damaged(key, frame, `it declares ${frame.rawLength} bytes`);
  if (hash('sha256', stored) !== frame.sha256) throw damaged(key, frame, 'its SHA-256 differs');
  let raw: Buffer;
  try {
    raw = await decompress(stored, codec, frame.rawLength);
  } catch (cause) {
    throw damaged(key, frame, (cause as Error).message, cause);
  }
  if (raw.length !== frame.rawLength) throw damaged(key, frame, `${raw.length} bytes instead of ${frame.rawLength}`);
  if (frame.kind === 'frame') requireDocuments(key, frame, raw);
  return raw;
}

function requireDocuments(key: string, frame: IndexFrame, raw: Buffer): void {
  let documents: number;
  try {
    documents = countDocuments(raw);
  } catch (cause) {
    throw damaged(key, frame, (cause as Error).message, cause);
  }
  if (documents !== frame.documents) throw damaged(key, frame, `${documents} documents instead of ${frame.documents}`);
}

/** Where a pack's number becomes its key. */
export interface PackSource {
  readonly store: ObjectStore;
  readonly codec: Codec;
  readonly keyOf: (pack: string) => string;
}

/**
 * Reads the frames of a run with one ranged read and hands them out one by one, decoded and verified.
 * @throws ObjectNotFound, CorruptObject, the storage's errors
 */
export async function* readFrames<F extends Stored = IndexFrame>(
  source: PackSource,
  run: FrameRun<F>,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly frame: F; readonly raw: Buffer }> {
  const key = source.keyOf(run.pack);
  const stored = await source.store.getRange(key, run.offset, run.length, signal ? { signal } : {});
  for (const frame of run.frames) {
    const at = frame.offset - run.offset;
    yield { frame, raw: await decodeFrame(key, frame, stored.subarray(at, at + frame.length), source.codec) };
  }
}

/** Gives the memory of a decoded frame back; it is empty afterwards. */
export function freeFrame(raw: Buffer, codec: Codec): void {
  // What was stored as it is, is a view of what the storage gave.
  if (codec !== 'none') freeBytes(raw);
}
