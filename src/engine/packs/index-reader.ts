import { createHash } from 'node:crypto';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import {
  indexLineSchema,
  type Codec,
  type IndexFrame,
  type IndexLine,
  type IndexNamespace,
  type IndexPack,
} from '../../domain/backup-index.ts';
import type { LogicalBase } from '../../domain/base.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { decompressZstdFrame, zstdFrameLength } from './zstd-frames.ts';

/** What is in the packs of one part, as `index.ndjson.zst` says. */
export interface BackupIndex {
  readonly backupId: string;
  readonly part: string;
  readonly codec: Codec;
  readonly namespaces: readonly IndexNamespace[];
  readonly packs: ReadonlyMap<string, IndexPack>;
  /** In the order of the index: that of the scan within a namespace. */
  readonly frames: readonly IndexFrame[];
}

/** Decoded, an index of this size describes some 10 million frames; more is a damaged or hostile object. */
const maxIndexBytes = 512 * 1024 * 1024;

function damaged(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The index ${key} is damaged: ${what}.`, { cause });
}

async function decodeFrames(key: string, stored: Buffer): Promise<string> {
  const pieces: Buffer[] = [];
  let left = maxIndexBytes;
  for (let at = 0; at < stored.length;) {
    const length = zstdFrameLength(stored, at);
    const raw = await decompressZstdFrame(stored.subarray(at, at + length), left);
    left = Math.max(1, left - raw.length);
    pieces.push(raw);
    at += length;
  }
  const text = Buffer.concat(pieces).toString('utf8');
  if (!text.endsWith('\n')) throw damaged(key, 'its last line is cut off');
  return text;
}

function parseLine(key: string, line: string, number: number): IndexLine {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw damaged(key, `line ${number} is not JSON`, cause);
  }
  const { schemaVersion } = json as { schemaVersion?: unknown };
  if (typeof schemaVersion === 'number' && schemaVersion > 1)
    throw new HoldfastError('UnsupportedFormat', `The index ${key} was written by a newer release.`);
  const parsed = indexLineSchema.safeParse(json);
  if (!parsed.success) throw damaged(key, `line ${number} is not a line of an index (${parsed.error.message})`);
  return parsed.data;
}

/** Every frame lies in a pack that the index lists, and belongs to a namespace that it lists. */
function checkReferences(key: string, index: BackupIndex): void {
  const namespaces = new Set<string>();
  for (const { ns } of index.namespaces) {
    // Frames name their namespace only: two of one name could not be told apart.
    if (namespaces.has(ns)) throw damaged(key, `it lists ${ns} twice`);
    namespaces.add(ns);
  }
  for (const frame of index.frames) {
    const pack = index.packs.get(frame.pack);
    if (!pack) throw damaged(key, `a frame of ${frame.ns} names the pack ${frame.pack}, which is not listed`);
    if (frame.offset + frame.length > pack.size) throw damaged(key, `a frame of ${frame.ns} ends after its pack`);
    if (!namespaces.has(frame.ns)) throw damaged(key, `a frame belongs to ${frame.ns}, which is not listed`);
  }
}

/**
 * Parses the decoded lines of an index.
 * @param key for messages
 * @throws CorruptObject, UnsupportedFormat
 */
export function parseIndex(key: string, text: string): BackupIndex {
  const lines = text.split('\n').slice(0, -1);
  const header = parseLine(key, lines[0] ?? '', 1);
  if (header.kind !== 'header') throw damaged(key, 'it does not begin with its header');
  const namespaces: IndexNamespace[] = [];
  const packs = new Map<string, IndexPack>();
  const frames: IndexFrame[] = [];
  for (let n = 1; n < lines.length; n++) {
    const line = parseLine(key, lines[n] ?? '', n + 1);
    if (line.kind === 'namespace') namespaces.push(line);
    else if (line.kind === 'pack') packs.set(line.pack, line);
    else if (line.kind === 'frame') frames.push(line);
    else throw damaged(key, `line ${n + 1} is a second header`);
  }
  const index = { backupId: header.backupId, part: header.part, codec: header.codec, namespaces, packs, frames };
  checkReferences(key, index);
  return index;
}

/**
 * Reads and verifies the index of a part: size and SHA-256 as the manifest says, every line by its schema.
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readIndex(store: ObjectStore, expected: LogicalBase['index']): Promise<BackupIndex> {
  const { body } = await store.get(expected.key);
  if (body.length !== expected.size || createHash('sha256').update(body).digest('hex') !== expected.sha256)
    throw damaged(expected.key, 'it is not the one that the manifest describes');
  return parseIndex(expected.key, await decodeFrames(expected.key, body));
}
