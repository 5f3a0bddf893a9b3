import { createHash } from 'node:crypto';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import {
  indexLineSchema,
  maxIndexBytes,
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

/** No frame is larger, stored or raw: one document at most when it is larger than the frames that are aimed at. */
const maxFrameBytes = 32 * 1024 * 1024;
const maxReasonLength = 300;

function damaged(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('CorruptObject', `The index ${key} is damaged: ${what}.`, { cause });
}

async function decodeFrames(key: string, stored: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let left = maxIndexBytes;
  try {
    for (let at = 0; at < stored.length;) {
      const length = zstdFrameLength(stored, at);
      const raw = await decompressZstdFrame(stored.subarray(at, at + length), left);
      left = Math.max(1, left - raw.length);
      pieces.push(raw);
      at += length;
    }
  } catch (cause) {
    throw damaged(key, (cause as Error).message, cause);
  }
  const [only, ...more] = pieces;
  return only && more.length === 0 ? only : Buffer.concat(pieces);
}

/** Line by line: as one string, the text of a large index would fill the heap. */
function* linesOf(key: string, text: Buffer): Generator<string> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(0x0a, at);
    if (end < 0) throw damaged(key, 'its last line is cut off');
    yield text.toString('utf8', at, end);
    at = end + 1;
  }
}

function parseLine(key: string, line: string, number: number): IndexLine {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw damaged(key, `line ${number} is not JSON`, cause);
  }
  const { schemaVersion } = (json ?? {}) as { schemaVersion?: unknown };
  if (typeof schemaVersion === 'number' && schemaVersion > 1)
    throw new HoldfastError('UnsupportedFormat', `The index ${key} was written by a newer release.`);
  const parsed = indexLineSchema.safeParse(json);
  if (!parsed.success)
    throw damaged(key, `line ${number} is not a line of an index (${parsed.error.message.slice(0, maxReasonLength)})`);
  return parsed.data;
}

interface Promised {
  readonly namespace: IndexNamespace;
  documents: number;
  rawBytes: number;
}

/** Frames name their namespace only, and the target knows collections by UUID: two of either could not be told apart. */
function namespacesByName(key: string, namespaces: readonly IndexNamespace[]): Map<string, Promised> {
  const byName = new Map<string, Promised>();
  const uuids = new Set<string>();
  for (const namespace of namespaces) {
    const { ns, uuid } = namespace;
    if (byName.has(ns)) throw damaged(key, `it lists ${ns} twice`);
    if (uuid !== null && uuids.has(uuid)) throw damaged(key, `it lists the UUID ${uuid} twice`);
    if (uuid !== null) uuids.add(uuid);
    byName.set(ns, { namespace, documents: 0, rawBytes: 0 });
  }
  return byName;
}

/** Every frame lies in a pack that is listed; the frames of a namespace hold exactly what it promises. */
function checkReferences(key: string, { namespaces, packs, frames }: BackupIndex): void {
  const byName = namespacesByName(key, namespaces);
  for (const { ns, pack: name, offset, length, rawLength, documents } of frames) {
    const pack = packs.get(name);
    if (!pack) throw damaged(key, `a frame of ${ns} names the pack ${name}, which is not listed`);
    if (offset + length > pack.size) throw damaged(key, `a frame of ${ns} ends after its pack`);
    if (Math.max(length, rawLength) > maxFrameBytes) throw damaged(key, `a frame of ${ns} claims to be too large`);
    const promised = byName.get(ns);
    if (!promised) throw damaged(key, `a frame belongs to ${ns}, which is not listed`);
    promised.documents += documents;
    promised.rawBytes += rawLength;
  }
  for (const [ns, { namespace, documents, rawBytes }] of byName)
    if (documents !== (namespace.documents ?? 0) || rawBytes !== (namespace.rawBytes ?? 0))
      throw damaged(
        key,
        `its frames hold ${documents} documents of ${ns} in ${rawBytes} bytes, not ${namespace.documents} in ${namespace.rawBytes}`,
      );
}

/**
 * Parses the decoded lines of an index.
 * @param key for messages
 * @throws CorruptObject, UnsupportedFormat
 */
function parseIndex(key: string, text: Buffer): BackupIndex {
  const namespaces: IndexNamespace[] = [];
  const packs = new Map<string, IndexPack>();
  const frames: IndexFrame[] = [];
  let header: Extract<IndexLine, { kind: 'header' }> | undefined;
  let number = 0;
  for (const lineText of linesOf(key, text)) {
    const line = parseLine(key, lineText, ++number);
    if (line.kind === 'header') {
      if (header) throw damaged(key, `line ${number} is a second header`);
      header = line;
    } else if (!header) throw damaged(key, 'it does not begin with its header');
    else if (line.kind === 'namespace') namespaces.push(line);
    else if (line.kind === 'pack') packs.set(line.pack, line);
    else frames.push(line);
  }
  if (!header) throw damaged(key, 'it is empty');
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
