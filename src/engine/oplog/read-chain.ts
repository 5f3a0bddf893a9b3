import type { ListedObject, ObjectStore } from '../../application/ports/object-store.ts';
import type { SliceSummary } from '../../domain/base.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { mapParallel } from '../restore/run-parallel.ts';
import { decodeSliceHeader, type SliceHeader } from './slice-format.ts';

/** A slice as it lies in the storage, known by its header only. */
export interface StoredSlice {
  readonly key: string;
  readonly size: number;
  readonly header: SliceHeader;
}

/** Headers are small, and each is one request. */
const headersAtOnce = 16;
/** Where a storage knows no checksums, each of these reads a slice. */
const checksumsAtOnce = 4;

/** Far more than a header needs that names no prepared transactions. */
const usualHeaderBytes = 16 * 1024;

/** Reads the header of one slice without reading its entries. @throws ObjectNotFound, CorruptObject, UnsupportedFormat */
export async function readStoredSlice(store: ObjectStore, { key, size }: ListedObject): Promise<StoredSlice> {
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
  const listed: ListedObject[] = [];
  for await (const object of store.list(oplogPrefix)) listed.push(object);
  return mapParallel(listed, headersAtOnce, (object) => readStoredSlice(store, object));
}

const identity = ({ ts, t }: OpTime): string => `${ts.t}:${ts.i}:${t}`;

/**
 * The slices that lead to and from the one that begins at `from`: backwards too, because a transaction that began
 * earlier puts slices in front (consistency rule 6). Slices that belong to another chain are left out.
 * @returns an empty list when none begins at `from`
 */
export function chainThrough(slices: readonly StoredSlice[], from: OpTime): StoredSlice[] {
  const leadingOn = slices.filter(({ header }) => !sameOpTime(header.from, header.to));
  const byFrom = new Map(slices.map((slice) => [identity(slice.header.from), slice]));
  const byTo = new Map(leadingOn.map((slice) => [identity(slice.header.to), slice]));
  const forwards: StoredSlice[] = [];
  for (let next = byFrom.get(identity(from)); next;) {
    forwards.push(next);
    const { header }: StoredSlice = next;
    next = sameOpTime(header.from, header.to) ? undefined : byFrom.get(identity(header.to));
  }
  const backwards: StoredSlice[] = [];
  for (let before = forwards[0] && byTo.get(identity(from)); before; before = byTo.get(identity(before.header.from)))
    backwards.push(before);
  return [...backwards.reverse(), ...forwards];
}

/** A slice without the checksum of the object, which the storage is asked for once, for the manifest. */
export type CapturedSlice = Omit<SliceSummary, 'crc32'>;

export function capturedSlice({ key, size, header }: StoredSlice): CapturedSlice {
  const { from, to, entries, rawBytes } = header;
  return { key, from, to, entries, rawBytes, size };
}

/**
 * The slices from `from` on, and before it where slices were put in front, by their headers.
 * @throws OplogGap when slices exist after the chain's end; ObjectNotFound, CorruptObject, UnsupportedFormat
 */
export async function readStoredChain(store: ObjectStore, oplogPrefix: string, from: OpTime): Promise<StoredSlice[]> {
  const stored = await listStoredSlices(store, oplogPrefix);
  const chain = chainThrough(stored, from);
  requireWhole(stored, chain, from);
  return chain;
}

/** {@link readStoredChain} with the checksum of each object, as the manifest needs it. */
export async function readChain(store: ObjectStore, oplogPrefix: string, from: OpTime): Promise<SliceSummary[]> {
  const chain = await readStoredChain(store, oplogPrefix, from);
  return mapParallel(chain, checksumsAtOnce, async (slice) => ({
    ...capturedSlice(slice),
    crc32: await store.checksum(slice.key),
  }));
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
