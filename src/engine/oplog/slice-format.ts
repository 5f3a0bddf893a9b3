import { createHash } from 'node:crypto';
import { BSON, Long, Timestamp as BsonTimestamp } from 'bson';
import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { type OpTime, opTimeSchema, sameOpTime } from '../../domain/timestamp.ts';
import { documentLength, maxBsonSize } from '../bson/raw-document.ts';
import { splitDocuments } from '../bson/raw-values.ts';
import { freeBytes } from '../packs/free-bytes.ts';
import { compressZstdFrame, decompressZstdFrame, zstdContentSize, zstdFrameLength } from '../packs/zstd-frames.ts';
import { readEntryOpTime } from './oplog-entry.ts';

/**
 * A slice is one object: a zstd frame with the header document, then zstd frames with whole oplog entries, raw. Stock
 * `zstd -d | bsondump` reads it. The first entry is the last one of the slice before (consistency rule 8).
 */

/** A transaction that is prepared and neither committed nor aborted at the end of a slice (consistency rule 7). */
const preparedTransactionSchema = z.strictObject({
  /** `transactionKey` of its entries. */
  transaction: z.string(),
  /** Of its prepare entry. */
  opTime: opTimeSchema,
});
export type PreparedTransaction = z.infer<typeof preparedTransactionSchema>;

const sliceHeaderSchema = z.strictObject({
  schemaVersion: z.literal(1),
  from: opTimeSchema,
  to: opTimeSchema,
  entries: z.int().min(1),
  /** Bytes of all entries. */
  rawBytes: z.int().min(5),
  /** Of the raw entries, one after the other. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  member: z.string(),
  serverVersion: z.string(),
  run: z.string(),
  fence: z.int(),
  prepared: z.array(preparedTransactionSchema),
});
export type SliceHeader = z.infer<typeof sliceHeaderSchema>;

const maxReasonLength = 300;

/** More than a header ever needs: hundreds of thousands of prepared transactions at once do not happen. */
export const maxHeaderSize = 16 * 1024 * 1024;

const encodeOpTime = (opTime: OpTime) => ({ ts: new BsonTimestamp(opTime.ts), t: Long.fromNumber(opTime.t) });

/** The header as a frame of its own, the first of the object. */
export function encodeSliceHeader(header: SliceHeader): Promise<Buffer> {
  const document = BSON.serialize({
    ...header,
    from: encodeOpTime(header.from),
    to: encodeOpTime(header.to),
    prepared: header.prepared.map(({ transaction, opTime }) => ({ transaction, opTime: encodeOpTime(opTime) })),
  });
  return compressZstdFrame(document, 1);
}

/** An integer as the driver decodes it; anything else is left for the schema to refuse. */
function plainInteger(value: unknown): unknown {
  return value instanceof Long ? value.toNumber() : value;
}

/** `{ts, t}` as the driver decodes it, in the domain's shape. */
function plainOpTime(value: unknown): unknown {
  const { ts, t } = (value ?? {}) as { ts?: unknown; t?: unknown };
  return { ts: ts instanceof BsonTimestamp ? { t: ts.t, i: ts.i } : ts, t: plainInteger(t) };
}

function plainPrepared(item: unknown): unknown {
  if (typeof item !== 'object' || item === null) return item;
  return { ...item, opTime: plainOpTime((item as { opTime?: unknown }).opTime) };
}

function damaged(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The oplog slice ${key} is damaged: ${what}.`, { cause });
}

/**
 * Reads the header from the first bytes of a slice.
 * @returns the header and the length of its frame
 * @throws CorruptObject (also when `start` ends within the header), UnsupportedFormat
 */
export async function decodeSliceHeader(key: string, start: Buffer): Promise<{ header: SliceHeader; length: number }> {
  let document: BSON.Document;
  let length: number;
  try {
    length = zstdFrameLength(start);
    const raw = await decompressZstdFrame(start.subarray(0, length), maxHeaderSize);
    document = BSON.deserialize(raw, { promoteLongs: true });
  } catch (cause) {
    throw damaged(key, `its header cannot be read (${(cause as Error).message})`, cause);
  }
  const version = plainInteger(document['schemaVersion']);
  if (typeof version === 'number' && version > 1)
    throw new HoldfastError('UnsupportedFormat', `The oplog slice ${key} was written by a newer release.`);
  const prepared: unknown = document['prepared'];
  const parsed = sliceHeaderSchema.safeParse({
    ...document,
    from: plainOpTime(document['from']),
    to: plainOpTime(document['to']),
    prepared: Array.isArray(prepared) ? prepared.map(plainPrepared) : prepared,
  });
  if (!parsed.success)
    throw damaged(key, `its header is wrong: ${z.prettifyError(parsed.error).slice(0, maxReasonLength)}`);
  return { header: parsed.data, length };
}

export interface Slice {
  readonly header: SliceHeader;
  /** Whole entries, in order, the first one shared with the slice before. */
  readonly frames: readonly Buffer[];
  /** Each of them, as views: made anew whenever it is asked for. */
  readonly entries: readonly Buffer[];
}

/** The content of the frames after the header, one after the other: whole entries. */
async function* entryFrames(key: string, stored: Buffer, offset: number, rawBytes: number): AsyncGenerator<Buffer> {
  let left = rawBytes;
  for (let at = offset; at < stored.length;) {
    const length = zstdFrameLength(stored, at);
    const frame = stored.subarray(at, at + length);
    const most = Math.max(1, left);
    const raw = await decompressZstdFrame(frame, most, Math.min(most, zstdContentSize(frame) ?? most));
    left -= raw.length;
    at += length;
    yield raw;
  }
  if (left !== 0) throw damaged(key, `${left} of ${rawBytes} bytes of entries are missing`);
}

function requireOpTime(key: string, which: string, found: OpTime | undefined, expected: OpTime): void {
  if (!found || !sameOpTime(found, expected)) throw damaged(key, `its ${which} entry differs`);
}

/**
 * Goes through a whole slice and checks it against its header: count, bytes, SHA-256, first and last entry.
 * @param key for messages
 * @param onFrame gets every frame's content: whole entries
 * @throws CorruptObject, UnsupportedFormat
 */
async function walkSlice(key: string, stored: Buffer, onFrame: (entries: Buffer) => void): Promise<SliceHeader> {
  try {
    const { header, length } = await decodeSliceHeader(key, stored);
    if (header.rawBytes > maxSliceRawBytes) throw damaged(key, `it claims ${header.rawBytes} bytes of entries`);
    const hash = createHash('sha256');
    let count = 0;
    let last: OpTime | undefined;
    for await (const raw of entryFrames(key, stored, length, header.rawBytes)) {
      hash.update(raw);
      if (count === 0) requireOpTime(key, 'first', readEntryOpTime(raw), header.from);
      for (let at = 0; at < raw.length; count++) {
        const end = at + documentLength(raw, at);
        if (end === raw.length) last = readEntryOpTime(raw.subarray(at));
        at = end;
      }
      onFrame(raw);
    }
    if (count !== header.entries) throw damaged(key, `it holds ${count} entries, not ${header.entries}`);
    if (hash.digest('hex') !== header.sha256) throw damaged(key, 'the SHA-256 of its entries differs');
    requireOpTime(key, 'last', last, header.to);
    return header;
  } catch (cause) {
    // Bytes that are no BSON are a damaged object here, not a damaged member; what was read must be named.
    const unnamed = isHoldfastError(cause, 'CorruptSource', 'CorruptObject') && !cause.message.includes(key);
    throw unnamed ? damaged(key, cause.message, cause) : cause;
  }
}

/** Decodes a whole slice and checks it, as {@link verifySlice} does. @throws CorruptObject, UnsupportedFormat */
export async function decodeSlice(key: string, stored: Buffer): Promise<Slice> {
  const frames: Buffer[] = [];
  const header = await walkSlice(key, stored, (entries) => frames.push(entries));
  return {
    header,
    frames,
    get entries() {
      return frames.flatMap((frame) => [...splitDocuments(frame)]);
    },
  };
}

/**
 * Checks a whole slice against its header: count, bytes, SHA-256, first and last entry. Holds one frame of it at a time.
 * @throws CorruptObject, UnsupportedFormat
 */
export function verifySlice(key: string, stored: Buffer): Promise<SliceHeader> {
  return walkSlice(key, stored, freeBytes);
}

/** Raw bytes after which a slice is closed; one entry alone may be larger. */
export const targetSliceRawBytes = 16 * 1024 * 1024;
/** No slice holds more: the overlapping entry, what fits into the target, and one entry of the greatest size. */
const maxSliceRawBytes = targetSliceRawBytes + 2 * maxBsonSize;
