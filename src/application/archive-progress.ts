import type * as z from 'zod';
import { isHoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import {
  type ArchiveProgress,
  archiveProgressSchema,
  archiveToBeginSchema,
  type Stalled,
} from '../domain/oplog-archive.ts';
import { compareTimestamps, type OpTime, sameOpTime } from '../domain/timestamp.ts';
import { findStored, writeDocument } from './documents.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

export interface ProgressPlace {
  readonly state: ObjectStore;
  readonly key: string;
  readonly logger: Logger;
}

/** Others write it now and then: another archiver, and who starts a base. */
const maximumRounds = 5;

/** How far the archive is. A document that can't be read is as good as none: the slices tell the same, more slowly. */
export function readProgress(place: ProgressPlace): Promise<Noted<ArchiveProgress>> {
  return readNoted(place, archiveProgressSchema);
}

interface Noted<Value> {
  readonly value: Value | undefined;
  readonly etag: string | undefined;
}

async function readNoted<S extends z.ZodType>(place: ProgressPlace, schema: S): Promise<Noted<z.output<S>>> {
  const { state, key, logger } = place;
  try {
    const found = await findStored(state, key, schema);
    return { value: found?.value, etag: found?.etag };
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    logger.warn('the progress of an archive can not be read, and is found anew', { key, reason: error.message });
    return { value: undefined, etag: (await state.head(key))?.etag };
  }
}

/**
 * Changes the progress, whoever else does at the same time.
 * @param change undefined: leave it as it is @returns what stands now
 */
export function changeProgress(
  place: ProgressPlace,
  change: (current: ArchiveProgress | undefined) => ArchiveProgress | undefined,
): Promise<ArchiveProgress | undefined> {
  return changeNoted(place, archiveProgressSchema, change);
}

async function changeNoted<S extends z.ZodType>(
  place: ProgressPlace,
  schema: S,
  change: (current: z.output<S> | undefined) => z.output<S> | undefined,
): Promise<z.output<S> | undefined> {
  for (let round = 1; ; round += 1) {
    const { value, etag } = await readNoted(place, schema);
    const next = change(value);
    if (next === undefined) return value;
    try {
      await writeDocument(place.state, place.key, next, etag === undefined ? { ifNoneMatch: '*' } : { ifMatch: etag });
      return next;
    } catch (error) {
      if (!isHoldfastError(error, 'ObjectExists', 'PreconditionFailed') || round === maximumRounds) throw error;
    }
  }
}

type StateDeps = Omit<ProgressPlace, 'key'>;

const placeToBegin = (deployment: string, { state, logger }: StateDeps): ProgressPlace => ({
  ...{ state, logger },
  key: stateKeys.archiveToBegin(deployment),
});

/** Since when turns fail of an archive of which nothing is written yet. @throws the state storage's errors */
export async function readStallToBegin(deployment: string, deps: StateDeps): Promise<Stalled | undefined> {
  return (await readNoted(placeToBegin(deployment, deps), archiveToBeginSchema)).value?.stalled;
}

/** @param change undefined: leave it as it is */
export async function changeStallToBegin(
  deployment: string,
  deps: StateDeps,
  change: (current: Stalled | undefined) => Stalled | undefined,
): Promise<void> {
  await changeNoted(placeToBegin(deployment, deps), archiveToBeginSchema, (current) => {
    const stalled = change(current?.stalled);
    return stalled && { schemaVersion: 1 as const, stalled };
  });
}

/** A turn went on: what was told of an archive to begin is over. @throws the state storage's errors */
export async function endStallToBegin(deployment: string, deps: StateDeps): Promise<void> {
  await changeNoted(placeToBegin(deployment, deps), archiveToBeginSchema, (current) =>
    current?.stalled ? { schemaVersion: 1 as const } : undefined,
  );
}

/**
 * Wishes for a backup whose point is at or after the entry. A wish for a later one stands: it serves both. Where one was started
 * for an earlier gap and none was taken since, an hour passes from there all the same, and no more: of a set that makes a gap
 * each minute no backup a minute is taken, and a new gap does not wait for a day because of an old one.
 */
export async function wishBase(place: ProgressPlace, from: OpTime): Promise<void> {
  await changeProgress(place, (current) => {
    if (!current || (current.wantsBase && compareTimestamps(from.ts, current.wantsBase.from.ts) <= 0)) return undefined;
    const { attempts = 0, attemptedAt = null } = current.wantsBase ?? {};
    return { ...current, wantsBase: { from, attempts: Math.min(1, attempts), attemptedAt } };
  });
}

/** Many at once are a storage that is lost: a new base helps, and not to write days of oplog again. */
const mostLost = 100;

/** Wishes that the slices of a gap, which begins after that entry, are written again. */
export async function wishSlices(place: ProgressPlace, after: OpTime): Promise<void> {
  await changeProgress(place, (current) => {
    const lost = current?.lost ?? [];
    if (!current || lost.length >= mostLost || lost.some((known) => sameOpTime(known, after))) return undefined;
    return { ...current, lost: [...lost, after] };
  });
}
