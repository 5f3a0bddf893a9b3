import type { ListedObject, ObjectStore } from '../../application/ports/object-store.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import { artifactKeys } from '../../domain/names.ts';
import { parseSliceKey } from '../../domain/oplog-archive.ts';
import { dividingKeys, type ListedIndex, parseSliceIndex } from '../../domain/slice-index.ts';
import { compareTimestamps, type OpTime } from '../../domain/timestamp.ts';
import { readStoredSlice, type StoredSlice } from './read-chain.ts';
import { verifyStoredSlice } from './read-slices.ts';

/** The days of which there is an index of slices, below {@link artifactKeys.sliceIndexes}; in order. */
export async function listIndexes(store: ObjectStore, prefix: string): Promise<ListedIndex[]> {
  const found: ListedIndex[] = [];
  for await (const object of store.list(prefix)) {
    const index = parseSliceIndex(object);
    if (index) found.push(index);
  }
  return found;
}

/** The slices of an archive, in the order of their first entries, by their names alone. */
export async function listArchive(store: ObjectStore, archivePrefix: string): Promise<ListedObject[]> {
  const indexes = await listIndexes(store, artifactKeys.sliceIndexesOf(archivePrefix));
  const found: ListedObject[] = [];
  for await (const object of store.list(archivePrefix, { dividedAt: dividingKeys(indexes) }))
    if (parseSliceKey(archivePrefix, object.key)) found.push(object);
  return found;
}

/**
 * The last slice of an archive. From where the last turn ended it takes one request, because a slice has one successor at
 * most, whose name follows from its end; only without that the slices are listed (a year of them is half a million).
 * @param known the last slice as of the last turn
 * @throws UnsupportedFormat, the storage's errors
 */
export async function findArchiveTail(
  store: ObjectStore,
  archivePrefix: string,
  known: ListedObject | undefined,
): Promise<StoredSlice | undefined> {
  let tail = known && (await findSlice(store, known));
  tail ??= await newest(store, archivePrefix);
  let steps = 0;
  for (let next = tail; next; next = await sliceFrom(store, archivePrefix, next.header.to)) {
    tail = next;
    steps += 1;
    if (steps === mostSteps) tail = next = (await newest(store, archivePrefix)) ?? next;
  }
  return tail;
}

/** Of a turn that ended before it noted how far it came. More than that is found faster by listing. */
const mostSteps = 100;

/** Of whole slices that exist after a chain's end: the first one and the last one; undefined for none. */
export async function slicesBeyond(
  store: ObjectStore,
  archivePrefix: string,
  tail: StoredSlice,
): Promise<{ readonly first: StoredSlice; readonly last: StoredSlice } | undefined> {
  const beyond = (await listArchive(store, archivePrefix)).filter(({ key }) => key > tail.key);
  const first = await firstWhole(store, beyond);
  const last = first && (await firstWhole(store, beyond.reverse()));
  return first && last && { first, last };
}

async function newest(store: ObjectStore, archivePrefix: string): Promise<StoredSlice | undefined> {
  return firstWhole(store, (await listArchive(store, archivePrefix)).reverse());
}

async function firstWhole(store: ObjectStore, objects: readonly ListedObject[]): Promise<StoredSlice | undefined> {
  for (const object of objects) {
    const slice = await findWhole(store, object);
    if (slice) return slice;
  }
  return undefined;
}

/** The slice that leads on from an entry, and is whole. @returns undefined for none. @throws UnsupportedFormat, the storage's errors */
export async function sliceFrom(
  store: ObjectStore,
  archivePrefix: string,
  from: OpTime,
): Promise<StoredSlice | undefined> {
  const found = await store.head(artifactKeys.slice(archivePrefix, from.ts));
  const next = found && (await findWhole(store, found));
  const leadsOn = next?.header.from.t === from.t && compareTimestamps(from.ts, next.header.to.ts) < 0;
  return leadsOn ? next : undefined;
}

/** @returns undefined for one that is gone, or whose header is damaged */
async function findSlice(store: ObjectStore, object: ListedObject): Promise<StoredSlice | undefined> {
  return orNothing(readStoredSlice(store, object));
}

/**
 * A slice that no turn has noted may be one that was never read back: it is read whole.
 * @returns undefined for one that is gone or damaged: the archive goes on before it, and writes it again
 */
async function findWhole(store: ObjectStore, { key, size }: ListedObject): Promise<StoredSlice | undefined> {
  const header = await orNothing(verifyStoredSlice(store, key));
  return header && { key, size, header };
}

async function orNothing<T>(slice: Promise<T>): Promise<T | undefined> {
  try {
    return await slice;
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound', 'CorruptObject')) return undefined;
    throw error;
  }
}
