import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { StoredObject } from '../../domain/backup-index.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { Manifest, ManifestPart } from '../../domain/manifest.ts';
import { type LogicalPart, partObjects, type PhysicalPart } from '../../domain/manifest-parts.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { FileIndex } from '../packs/file-index.ts';
import type { BackupIndex } from '../packs/index-reader.ts';
import { runParallel } from './run-parallel.ts';

const parallelChecks = 4;

function damaged(store: ObjectStore, key: string, what: string): HoldfastError {
  return new HoldfastError('CorruptObject', `The object ${key} in ${store.description} ${what}.`, { details: { key } });
}

async function checkObject(store: ObjectStore, expected: StoredObject): Promise<void> {
  const info = await store.head(expected.key);
  if (!info)
    throw new HoldfastError('ObjectNotFound', `The object ${expected.key} is missing in ${store.description}.`, {
      details: { key: expected.key },
    });
  if (info.size !== expected.size)
    throw damaged(store, expected.key, `has ${info.size} bytes instead of ${expected.size}`);
  if ((await store.checksum(expected.key)) !== expected.crc32)
    throw damaged(store, expected.key, 'has another CRC-32 than the manifest says');
}

/**
 * Before the first byte goes to a target: every object of the part exists, with the size and the storage's checksum
 * that the manifest names. Frames are verified once more, by SHA-256, while they are loaded.
 * @throws ObjectNotFound, CorruptObject naming the object; the storage's errors
 */
export async function checkArtifacts(store: ObjectStore, part: ManifestPart, signal?: AbortSignal): Promise<void> {
  await runParallel(partObjects(part), parallelChecks, (object) => {
    signal?.throwIfAborted();
    return checkObject(store, object);
  });
}

/** The index is that of the part, and names exactly the packs that the manifest names, with the same checksums. @throws CorruptObject */
export function checkIndexAgainstManifest(
  index: Pick<BackupIndex | FileIndex, 'part' | 'backupId' | 'codec' | 'packs'>,
  { deployment, backupId }: Manifest,
  part: LogicalPart | PhysicalPart,
): void {
  const { key } = part.base.index;
  const wrong = (what: string) => new HoldfastError('CorruptObject', `The index ${key} ${what}.`, { details: { key } });
  if (index.part !== part.name) throw wrong(`belongs to the part ${index.part}, not ${part.name}`);
  if (index.backupId !== backupId) throw wrong(`belongs to the backup ${index.backupId}, not ${backupId}`);
  if (index.codec !== part.base.codec) throw wrong(`says ${index.codec}, the manifest ${part.base.codec}`);
  const partPrefix = artifactKeys.part(deployment, backupId, part.name);
  const named = new Map(part.base.packs.map((pack) => [pack.key, pack]));
  for (const pack of index.packs.values()) {
    const object = named.get(artifactKeys.pack(partPrefix, pack.pack));
    if (!object) throw wrong(`names the pack ${pack.pack}, which the manifest does not name`);
    if (object.size !== pack.size || object.crc32 !== pack.crc32)
      throw wrong(`describes the pack ${pack.pack} otherwise than the manifest`);
  }
}
