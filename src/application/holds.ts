import { randomUUID } from 'node:crypto';
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
type Place = Pick<Tombstone, 'storage' | 'archive'>;
const placeId = ({ storage, archive }: Place): string => sha256Hex(`${storage}\n${archive}`);

/** The first slice of each archive: what is held from there on. */
function firstSlices(slices: readonly ArchivedSlice[]): ArchivedSlice[] {
  const first = new Map<string, ArchivedSlice>();
  for (const slice of slices) {
    const place = `${slice.storage}\n${archiveOf(slice.key)}`;
    const known = first.get(place);
    if (!known || compareTimestamps(slice.from.ts, known.from.ts) < 0) first.set(place, slice);
  }
  return [...first.values()];
}

/**
 * Holds a backup and slices for a run, until it is settled.
 * @param storeOf the storage of that name, which holds slices
 * @throws TimeNotRestorable when the slices are being pruned, or were since they were listed; the storages' errors
 */
export async function holdForRun(
  state: ObjectStore,
  hold: Omit<Hold, 'schemaVersion' | 'slices'>,
  slices: readonly ArchivedSlice[],
  storeOf: (storage: string) => ObjectStore,
): Promise<void> {
  const firsts = firstSlices(slices);
  const held = firsts.map(({ storage, key, from }) => ({ storage, archive: archiveOf(key), after: from.ts }));
  await writeDocument(state, stateKeys.hold(hold.run), { schemaVersion: 1, ...hold, slices: held });
  for (const { storage, key, to } of firsts) {
    const archive = archiveOf(key);
    for (const { cut } of await tombstonesOn(state, { storage, archive }))
      if (compareTimestamps(to.ts, cut) <= 0)
        throw new HoldfastError(
          'TimeNotRestorable',
          `The slices that lead to that time are being pruned: those of ${archive} up to ${formatTimestamp(cut)}.`,
        );
    // Whose tombstone is gone has deleted a beginning, and with it the first one.
    if ((await storeOf(storage).head(key)) === undefined)
      throw new HoldfastError(
        'TimeNotRestorable',
        `The slices that lead to that time were pruned while the restore was planned: ${key} is gone from ${storage}.`,
      );
  }
}

async function tombstonesOn(state: ObjectStore, place: Place): Promise<Tombstone[]> {
  const found: Tombstone[] = [];
  for await (const { key } of state.list(stateKeys.tombstones(placeId(place)))) {
    // One that was removed since it was listed belongs to a prune that is done.
    const tombstone = await findDocument(state, key, tombstoneSchema);
    if (tombstone) found.push(tombstone);
  }
  return found;
}

export async function releaseHold(state: ObjectStore, runId: string): Promise<void> {
  await state.delete([stateKeys.hold(runId)]);
}

/** The times after which slices of an archive in a storage are held. */
async function holdsOn(state: ObjectStore, place: Place): Promise<Timestamp[]> {
  const held: Timestamp[] = [];
  for await (const { key } of state.list(stateKeys.holds())) {
    // One that was released since it was listed holds nothing.
    const hold = stateKeys.isHold(key) ? await findDocument(state, key, holdSchema) : undefined;
    for (const slices of hold?.slices ?? [])
      if (slices.storage === place.storage && slices.archive === place.archive) held.push(slices.after);
  }
  return held;
}

export interface RaisedTombstone {
  /** What may go: up to the cut, or up to where somebody reads. */
  readonly allowed: Timestamp;
  /** To be called when everything is deleted. */
  readonly remove: () => Promise<void>;
}

/** No prune goes on for so long: who raised such a tombstone died. */
const deadMs = 24 * 60 * 60_000;

/** Announces that slices are about to be deleted, beside who else deletes there, and asks who reads them. */
export async function raiseTombstone(
  state: ObjectStore,
  tombstone: Omit<Tombstone, 'schemaVersion'>,
): Promise<RaisedTombstone> {
  const own = stateKeys.tombstone(placeId(tombstone), randomUUID());
  await writeDocument(state, own, { schemaVersion: 1, ...tombstone });
  const allowed = lowestOf(tombstone.cut, await holdsOn(state, tombstone));
  return { allowed, remove: () => state.delete([own]) };
}

/** Whose prune has died announces nothing any more. */
export async function removeDeadTombstones(state: ObjectStore, place: Place): Promise<void> {
  for await (const { key } of state.list(stateKeys.tombstones(placeId(place))))
    if (((await state.age(key)) ?? 0) >= deadMs) await state.delete([key]);
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
