import { artifactKeys } from '../domain/names.ts';
import { parseArchiveKey, parseSliceKey } from '../domain/oplog-archive.ts';
import { dividingKeys } from '../domain/slice-index.ts';
import type { Timestamp } from '../domain/timestamp.ts';
import { listIndexes } from '../engine/oplog/archive-tail.ts';
import type { ListedObject, ObjectStore } from './ports/object-store.ts';

export interface ListedSlice extends ListedObject {
  /** Its first entry, by its name. */
  readonly from: Timestamp;
}

/** The archive of one replica set, by the names of its objects. */
export interface ListedArchive {
  readonly replicaSet: string;
  readonly replicaSetId: string;
  /** `/` at its end. */
  readonly prefix: string;
  /** In order. */
  readonly slices: readonly ListedSlice[];
  readonly gaps: readonly string[];
  /** The days of which there is an index, in order. */
  readonly indexes: readonly string[];
}

/**
 * The archives of a deployment in a storage. Always the whole listing, which alone tells what is there: the index only says
 * where it may be divided, so that a year of slices is listed in seconds.
 */
export async function listArchives(deployment: string, store: ObjectStore): Promise<ListedArchive[]> {
  const known = await listIndexes(store, artifactKeys.sliceIndexes(deployment));
  const found = new Map<string, ListedArchive & { slices: ListedSlice[]; gaps: string[]; indexes: string[] }>();
  const listing = store.list(artifactKeys.archives(deployment), { dividedAt: dividingKeys(known) });
  let archive: ReturnType<typeof parseArchiveKey>;
  for await (const object of listing) {
    const { key, size, version } = object;
    if (!archive || !key.startsWith(archive.prefix)) archive = parseArchiveKey(deployment, key);
    if (!archive) continue;
    const { prefix } = archive;
    const from = parseSliceKey(prefix, key);
    const isGap = !from && key.startsWith(artifactKeys.gaps(prefix));
    if (!from && !isGap) continue;
    let listed = found.get(prefix);
    if (!listed) found.set(prefix, (listed = { ...archive, slices: [], gaps: [], indexes: [] }));
    if (from) listed.slices.push({ key, size, version, from });
    else listed.gaps.push(key);
  }
  for (const { archivePrefix, day } of known) found.get(archivePrefix)?.indexes.push(day);
  return [...found.values()];
}
