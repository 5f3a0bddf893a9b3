import { artifactKeys, stateKeys } from '../domain/names.ts';
import type { OpTime } from '../domain/timestamp.ts';
import { readProgress } from './archive-progress.ts';
import { type ListedArchive, listArchives } from './list-archives.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

type ArchivedSet = Pick<ListedArchive, 'replicaSet' | 'replicaSetId'>;

/** The replica sets whose archivers have noted how far they are. */
export async function archivedSets(deployment: string, state: ObjectStore): Promise<ArchivedSet[]> {
  const found: ArchivedSet[] = [];
  for await (const { key } of state.list(stateKeys.archives(deployment))) {
    const set = stateKeys.parseArchiveProgress(deployment, key);
    if (set) found.push(set);
  }
  return found;
}

export interface KnownArchive {
  readonly archive: ListedArchive;
  /** The last entry that the archiver noted; undefined: not known. */
  readonly noted: OpTime | undefined;
}

/**
 * The archives of a deployment in a storage, and what the archivers noted before they were listed: those of which the
 * storage holds nothing, too. @throws the storages' errors
 */
export async function listKnownArchives(
  deployment: string,
  store: ObjectStore,
  { state, logger }: { readonly state: ObjectStore; readonly logger: Logger },
): Promise<KnownArchive[]> {
  const known = new Map<string, KnownArchive>();
  for (const set of await archivedSets(deployment, state)) {
    const key = stateKeys.archiveProgress(deployment, `${set.replicaSet}-${set.replicaSetId}`);
    const { value } = await readProgress({ state, key, logger });
    const prefix = artifactKeys.archive(deployment, set.replicaSet, set.replicaSetId);
    known.set(prefix, { archive: { ...set, prefix, slices: [], gaps: [], indexes: [] }, noted: value?.last.to });
  }
  for (const archive of await listArchives(deployment, store))
    known.set(archive.prefix, { archive, noted: known.get(archive.prefix)?.noted });
  return [...known.values()];
}
