import { HoldfastError } from '../domain/errors.ts';
import { type Hold, holdSchema, type Tombstone, tombstoneSchema } from '../domain/holds.ts';
import { stateKeys } from '../domain/names.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../domain/timestamp.ts';
import { findDocument, sha256Hex, writeDocument } from './documents.ts';
import type { ObjectStore } from './ports/object-store.ts';
import type { ArchivedSlice } from './recovery-sources.ts';

/**
 * Consistency rule 24: who reads writes a hold and then looks for tombstones, who deletes writes a tombstone and then looks
 * for holds. Whichever comes second sees the other.
 */

const archiveOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);
const tombstoneKey = ({ storage, archive }: Pick<Tombstone, 'storage' | 'archive'>): string =>
  stateKeys.tombstone(sha256Hex(`${storage}\n${archive}`));

/** The first slice of each archive: what is held from there on. */
function heldSlices(slices: readonly ArchivedSlice[]): Hold['slices'] {
  const held = new Map<string, Hold['slices'][number]>();
  for (const { storage, key, from } of slices) {
    const archive = archiveOf(key);
    const known = held.get(`${storage}\n${archive}`);
    if (!known || compareTimestamps(from.ts, known.after) < 0)
      held.set(`${storage}\n${archive}`, { storage, archive, after: from.ts });
  }
  return [...held.values()];
}

/**
 * Holds a backup and slices for a run, until it is settled.
 * @throws TimeNotRestorable when the slices are being pruned
 */
export async function holdForRun(
  state: ObjectStore,
  hold: Omit<Hold, 'schemaVersion' | 'slices'>,
  slices: readonly ArchivedSlice[],
): Promise<void> {
  const held = heldSlices(slices);
  await writeDocument(state, stateKeys.hold(hold.run), { schemaVersion: 1, ...hold, slices: held });
  for (const place of held) {
    const tombstone = await findDocument(state, tombstoneKey(place), tombstoneSchema);
    // The first slice held ends after the time that it begins with.
    const first = slices.find((slice) => slice.storage === place.storage && sameTime(slice.from.ts, place.after));
    if (tombstone && first && compareTimestamps(first.to.ts, tombstone.cut) <= 0)
      throw new HoldfastError(
        'TimeNotRestorable',
        `The slices that lead to that time are being pruned: those of ${place.archive} up to ${formatTimestamp(tombstone.cut)}.`,
      );
  }
}

const sameTime = (a: Timestamp, b: Timestamp): boolean => compareTimestamps(a, b) === 0;

export async function releaseHold(state: ObjectStore, runId: string): Promise<void> {
  await state.delete([stateKeys.hold(runId)]);
}

/** The times after which slices of an archive in a storage are held. */
async function holdsOn(state: ObjectStore, place: Pick<Tombstone, 'storage' | 'archive'>): Promise<Timestamp[]> {
  const held: Timestamp[] = [];
  for await (const { key } of state.list(stateKeys.holds())) {
    // One that was released since it was listed holds nothing.
    const hold = stateKeys.isHold(key) ? await findDocument(state, key, holdSchema) : undefined;
    for (const slices of hold?.slices ?? [])
      if (slices.storage === place.storage && slices.archive === place.archive) held.push(slices.after);
  }
  return held;
}

/**
 * Announces that slices are about to be deleted, and asks who reads them.
 * @returns what may go: up to the cut, or up to where somebody reads
 */
export async function raiseTombstone(
  state: ObjectStore,
  tombstone: Omit<Tombstone, 'schemaVersion'>,
): Promise<Timestamp> {
  await writeDocument(state, tombstoneKey(tombstone), { schemaVersion: 1, ...tombstone });
  return lowestOf(tombstone.cut, await holdsOn(state, tombstone));
}

/** What {@link raiseTombstone} would answer, without announcing anything. */
export async function wouldGo(
  state: ObjectStore,
  tombstone: Omit<Tombstone, 'schemaVersion' | 'at'>,
): Promise<Timestamp> {
  return lowestOf(tombstone.cut, await holdsOn(state, tombstone));
}

function lowestOf(cut: Timestamp, held: readonly Timestamp[]): Timestamp {
  return held.reduce((lowest, time) => (compareTimestamps(time, lowest) < 0 ? time : lowest), cut);
}

export async function removeTombstone(
  state: ObjectStore,
  place: Pick<Tombstone, 'storage' | 'archive'>,
): Promise<void> {
  await state.delete([tombstoneKey(place)]);
}
