import type { ObjectInfo, ObjectStore } from '../../application/ports/object-store.ts';
import type { SliceSummary } from '../../domain/base.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { describeOpTime } from './oplog-source.ts';
import { decodeSliceHeader, type SliceHeader } from './slice-format.ts';

/** A slice as it lies in the storage, known by its header only. */
export interface StoredSlice {
  readonly key: string;
  readonly size: number;
  readonly header: SliceHeader;
}

/** Far more than a header needs that names no prepared transactions. */
const usualHeaderBytes = 16 * 1024;

/** Reads the header of one slice without reading its entries. @throws ObjectNotFound, CorruptObject, UnsupportedFormat */
export async function readStoredSlice(store: ObjectStore, { key, size }: ObjectInfo): Promise<StoredSlice> {
  const start = await store.getRange(key, 0, Math.min(size, usualHeaderBytes));
  try {
    return { key, size, header: (await decodeSliceHeader(key, start)).header };
  } catch (error) {
    if (size <= start.length) throw error;
    return { key, size, header: (await decodeSliceHeader(key, (await store.get(key)).body)).header };
  }
}

/** All slices below an oplog prefix, in the order of their names. */
export async function listStoredSlices(store: ObjectStore, oplogPrefix: string): Promise<StoredSlice[]> {
  const found: StoredSlice[] = [];
  for await (const object of store.list(oplogPrefix)) found.push(await readStoredSlice(store, object));
  return found;
}

/**
 * The slices that lead to and from the one that begins at `from`: backwards too, because a transaction that began
 * earlier puts slices in front (consistency rule 6). Slices that belong to another chain are left out.
 * @returns an empty list when none begins at `from`
 */
export function chainThrough(slices: readonly StoredSlice[], from: OpTime): StoredSlice[] {
  const chain: StoredSlice[] = [];
  for (let at: OpTime | undefined = from; at;) {
    const next = slices.find(({ header }) => at && sameOpTime(header.from, at));
    if (next) chain.push(next);
    at = next && !sameOpTime(next.header.to, next.header.from) ? next.header.to : undefined;
  }
  for (let start: OpTime | undefined = chain[0]?.header.from; start;) {
    const previous = slices.find(
      ({ header }) => start && sameOpTime(header.to, start) && compareTimestamps(header.from.ts, start.ts) < 0,
    );
    if (previous) chain.unshift(previous);
    start = previous?.header.from;
  }
  return chain;
}

export async function summarizeSlice(store: ObjectStore, { key, size, header }: StoredSlice): Promise<SliceSummary> {
  const { from, to, entries, rawBytes } = header;
  return { key, from, to, entries, rawBytes, size, crc32: await store.checksum(key) };
}

/**
 * Follows the slices in the storage by their headers, from `from` on and before it where slices were put in front.
 * @param known summaries of earlier calls: their checksums are not asked for again
 * @throws OplogGap when slices exist after `from` but none continues there; ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readChain(
  store: ObjectStore,
  oplogPrefix: string,
  from: OpTime,
  known: readonly SliceSummary[] = [],
): Promise<SliceSummary[]> {
  const stored = await listStoredSlices(store, oplogPrefix);
  const chain = chainThrough(stored, from);
  requireWhole(stored, chain, from);
  const summaries: SliceSummary[] = [];
  for (const slice of chain)
    summaries.push(known.find(({ key }) => key === slice.key) ?? (await summarizeSlice(store, slice)));
  return summaries;
}

/** A slice that begins after the chain's end was written by someone who saw more: what lies between is lost. */
function requireWhole(stored: readonly StoredSlice[], chain: readonly StoredSlice[], from: OpTime): void {
  const end = chain.at(-1)?.header.to ?? from;
  const beyond = stored.find(({ header }) => compareTimestamps(header.from.ts, end.ts) > 0);
  if (beyond)
    throw new HoldfastError(
      'OplogGap',
      `The captured oplog ends at ${describeOpTime(end)}, but ${beyond.key} begins at ${describeOpTime(beyond.header.from)}.`,
    );
}
