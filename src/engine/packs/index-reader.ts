import type { ObjectStore } from '../../application/ports/object-store.ts';
import {
  indexLineSchema,
  type Codec,
  type IndexFrame,
  type IndexNamespace,
  type IndexPack,
} from '../../domain/backup-index.ts';
import { FrameTable } from './frame-table.ts';
import { damagedIndex as damaged, type ExpectedIndex, readIndexLines } from './read-index-lines.ts';

/** What is in the packs of one part, as `index.ndjson.zst` says. */
export interface BackupIndex {
  readonly backupId: string;
  readonly part: string;
  readonly codec: Codec;
  readonly namespaces: readonly IndexNamespace[];
  readonly packs: ReadonlyMap<string, IndexPack>;
  /** In the order of the index: that of the scan within a namespace. */
  readonly frames: FrameTable<IndexFrame>;
}

/** No frame is larger, stored or raw: one document at most when it is larger than the frames that are aimed at. */
const maxFrameBytes = 32 * 1024 * 1024;

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
 * Reads and verifies the index of a part: size and SHA-256 as the manifest says, every line by its schema.
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readIndex(store: ObjectStore, expected: ExpectedIndex): Promise<BackupIndex> {
  const { key } = expected;
  const namespaces: IndexNamespace[] = [];
  const packs = new Map<string, IndexPack>();
  const frames = new FrameTable<IndexFrame>('frame');
  const header = await readIndexLines(store, expected, indexLineSchema, (line) => {
    if (line.kind === 'namespace') namespaces.push(line);
    else if (line.kind === 'pack') packs.set(line.pack, line);
    else {
      if (Math.max(line.length, line.rawLength) > maxFrameBytes)
        throw damaged(key, `a frame of ${line.ns} claims to be too large`);
      frames.add(line);
    }
  });
  const index = { backupId: header.backupId, part: header.part, codec: header.codec, namespaces, packs, frames };
  checkReferences(key, index);
  return index;
}
