import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { firstPlace } from '../domain/first-place.ts';
import { artifactKeys } from '../domain/names.ts';
import {
  byDay,
  dayOf,
  fromRow,
  type IndexedSlice,
  isOf,
  isSliceIndexRow,
  sliceIndexHeaderSchema,
  type SliceIndexRow,
  toRow,
} from '../domain/slice-index.ts';
import { compareTimestamps, type Timestamp } from '../domain/timestamp.ts';
import type { SliceHeader } from '../engine/oplog/slice-format.ts';
import { sha256Hex } from './documents.ts';
import type { ListedArchive, ListedSlice } from './list-archives.ts';
import type { Logger } from './ports/logger.ts';
import type { ObjectStore } from './ports/object-store.ts';

/** What an index says of the slices of one day, whether it is so still or not. */
class DayIndex {
  readonly #rows: readonly SliceIndexRow[];

  /** @param rows in the order of their slices */
  constructor(rows: readonly SliceIndexRow[]) {
    this.#rows = rows;
  }

  /** @param from the slice's first entry, by its name @param hint where in the day it probably is */
  find(from: Timestamp, hint = -1): IndexedSlice | undefined {
    const isAt = (row: SliceIndexRow | undefined) => row !== undefined && compareRow(row, from) === 0;
    const near = this.#rows[hint];
    const row = isAt(near) ? near : this.#rows[firstPlace(this.#rows, (one) => compareRow(one, from) >= 0)];
    return row && isAt(row) ? fromRow(row) : undefined;
  }
}

function compareRow([, , t, i]: SliceIndexRow, from: Timestamp): number {
  return t - from.t || i - from.i;
}

const newerSchema = z.object({ schemaVersion: z.int().min(2) });
const none = new DayIndex([]);

/** What a header says of a slice beside its object. */
export function headerFacts({ from, to, entries, rawBytes, sha256, prepared }: SliceHeader) {
  return { from, to, entries, rawBytes, sha256, undecided: prepared.map(({ opTime }) => opTime.ts) };
}

function encode(slices: readonly IndexedSlice[]): string {
  const rows = slices.map((slice) => `${JSON.stringify(toRow(slice))}\n`).join('');
  return `${JSON.stringify({ schemaVersion: 1, sha256: sha256Hex(rows) })}\n${rows}`;
}

/** @throws CorruptObject, UnsupportedFormat */
function decode(key: string, body: Buffer): DayIndex {
  const border = body.indexOf('\n') + 1;
  const damaged = (what: string, cause?: unknown) =>
    new HoldfastError('CorruptObject', `The index ${key} is damaged: ${what}.`, { cause });
  try {
    const first: unknown = JSON.parse(body.toString('utf8', 0, border));
    if (newerSchema.safeParse(first).success)
      throw new HoldfastError('UnsupportedFormat', `The index ${key} was written by a newer release.`);
    const lines = body.subarray(border);
    if (sliceIndexHeaderSchema.parse(first).sha256 !== sha256Hex(lines)) throw damaged('its SHA-256 differs');
    const rows = JSON.parse(`[${lines.toString('utf8').trimEnd().replaceAll('\n', ',')}]`) as unknown[];
    if (!rows.every(isSliceIndexRow)) throw damaged('a line of it is none');
    for (const [n, [, , t, i]] of rows.entries()) {
      const before = rows[n - 1];
      if (before && compareRow(before, { t, i }) >= 0) throw damaged('its lines are in no order');
    }
    return new DayIndex(rows);
  } catch (error) {
    throw isHoldfastError(error) ? error : damaged('it is no index', error);
  }
}

interface ReadDay {
  readonly body?: Buffer;
  readonly slices: DayIndex;
}

/** One that can't be read is as good as none: the slices are read instead. @throws the storage's errors */
async function readDay(store: ObjectStore, prefix: string, day: string, logger: Logger): Promise<ReadDay> {
  const key = artifactKeys.sliceIndex(prefix, day);
  try {
    const { body } = await store.get(key);
    return { body, slices: decode(key, body) };
  } catch (error) {
    if (!isHoldfastError(error, 'ObjectNotFound', 'CorruptObject', 'UnsupportedFormat')) throw error;
    logger.warn('an index of oplog slices can not be used: the slices are read', { key, reason: error.message });
    return { slices: none };
  }
}

/**
 * What the index knows of slices of one day, as far as the listing agrees.
 * @throws the storage's errors
 */
export async function readIndexed(
  store: ObjectStore,
  { prefix, indexes }: Pick<ListedArchive, 'prefix' | 'indexes'>,
  day: string,
  logger: Logger,
): Promise<(slice: ListedSlice) => IndexedSlice | undefined> {
  const { slices } = indexes.includes(day) ? await readDay(store, prefix, day, logger) : { slices: none };
  let next = 0;
  return (slice) => {
    // In the same order, mostly.
    const known = slices.find(slice.from, next);
    next += 1;
    return known && isOf(known, slice) ? known : undefined;
  };
}

/** The index as the check goes along an archive: reads a day when it comes to it, and writes it when that has changed. */
export class IndexKeeper {
  readonly #store: ObjectStore;
  readonly #archive: ListedArchive;
  readonly #logger: Logger;
  readonly #slices: ReadonlyMap<string, readonly ListedSlice[]>;
  readonly #days = new Map<string, Promise<ReadDay>>();
  /** Undefined: it can't be used. */
  readonly #seen = new Map<string, IndexedSlice | undefined>();

  /** @param slices those that no gap calls damaged */
  constructor(store: ObjectStore, archive: ListedArchive, slices: readonly ListedSlice[], logger: Logger) {
    this.#store = store;
    this.#archive = archive;
    this.#logger = logger;
    this.#slices = byDay(slices);
  }

  /** What was seen of a slice of that name, also where the listing tells of another object now. @throws the storage's errors */
  async find({ from }: ListedSlice): Promise<IndexedSlice | undefined> {
    return (await this.#read(dayOf(from))).slices.find(from);
  }

  note(listed: ListedSlice, header: SliceHeader | undefined): void {
    // Found by its name, it must be named after what is in it.
    const isNamed = header && compareTimestamps(listed.from, header.from.ts) === 0;
    const { size, version } = listed;
    const seen = isNamed && version !== undefined ? { size, version, ...headerFacts(header) } : undefined;
    this.#seen.set(listed.key, seen);
  }

  /** Writes the days that were come to, up to one that goes on. Never throws: without an index it is slower, nothing else. */
  async write(before?: string): Promise<void> {
    for (const [day, read] of this.#days) {
      if (before !== undefined && day >= before) continue;
      this.#days.delete(day);
      try {
        await this.#writeDay(day, await read);
      } catch (error) {
        const detail = { day, archive: this.#archive.prefix, reason: String(error) };
        this.#logger.warn('an index of oplog slices was not written', detail);
      }
    }
  }

  async #writeDay(day: string, { body, slices }: ReadDay): Promise<void> {
    const rows = (this.#slices.get(day) ?? []).flatMap((listed) => {
      if (this.#seen.has(listed.key)) return this.#seen.get(listed.key) ?? [];
      const known = slices.find(listed.from);
      return known && isOf(known, listed) ? known : [];
    });
    for (const { key } of this.#slices.get(day) ?? []) this.#seen.delete(key);
    const made = Buffer.from(encode(rows));
    if (body?.equals(made) === true || (rows.length === 0 && body === undefined)) return;
    await this.#store.put(artifactKeys.sliceIndex(this.#archive.prefix, day), made);
  }

  #read(day: string): Promise<ReadDay> {
    const known = this.#days.get(day);
    if (known) return known;
    const { prefix, indexes } = this.#archive;
    const read = indexes.includes(day)
      ? readDay(this.#store, prefix, day, this.#logger)
      : Promise.resolve({ slices: none });
    // Awaited by who asked; another may have failed first.
    read.catch(() => undefined);
    this.#days.set(day, read);
    return read;
  }
}
