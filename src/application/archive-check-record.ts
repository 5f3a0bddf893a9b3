import { type ArchiveCheck, archiveCheckSchema, laterBegin } from '../domain/archive-check.ts';
import { isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import type { OpTime } from '../domain/timestamp.ts';
import { findStored, writeDocument } from './documents.ts';
import type { ObjectStore } from './ports/object-store.ts';

/** Whose archive, and in which storage. */
export interface CheckedPlace {
  readonly deployment: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly storage: string;
}

const maximumRounds = 5;

/** A record that can't be read is as good as none: a round begins anew. */
async function readStored(state: ObjectStore, place: CheckedPlace) {
  const key = stateKeys.archiveCheck(place.deployment, `${place.replicaSet}-${place.replicaSetId}`);
  try {
    const found = await findStored(state, key, archiveCheckSchema);
    const value = found?.value.storage === place.storage ? found.value : undefined;
    return { key, value, etag: found?.etag };
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    return { key, value: undefined, etag: (await state.head(key))?.etag };
  }
}

/** @returns undefined for an archive that was never checked in that storage */
export async function readCheck(state: ObjectStore, place: CheckedPlace): Promise<ArchiveCheck | undefined> {
  return (await readStored(state, place)).value;
}

/** Changes the record, whoever else does at the same time. @returns what stands now */
export async function changeCheck(
  state: ObjectStore,
  place: CheckedPlace,
  change: (current: ArchiveCheck) => ArchiveCheck,
): Promise<ArchiveCheck> {
  for (let round = 1; ; round += 1) {
    const { key, value, etag } = await readStored(state, place);
    const next = change(value ?? { schemaVersion: 1, storage: place.storage });
    try {
      await writeDocument(state, key, next, etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag });
      return next;
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectExists', 'PreconditionFailed') || round === maximumRounds) throw error;
    }
  }
}

/** Says that what lies before is deleted on purpose; to be said before it goes. */
export async function beginsWith(state: ObjectStore, place: CheckedPlace, begins: OpTime): Promise<void> {
  await changeCheck(state, place, (current) => ({ ...current, begins: laterBegin(current.begins, begins) }));
}
