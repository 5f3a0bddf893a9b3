import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, describeOpTime, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import { documentLength } from '../bson/raw-document.ts';
import { splitDocuments } from '../bson/raw-values.ts';
import { freeBytes } from '../packs/free-bytes.ts';
import { readEntryOpTime } from './oplog-entry.ts';
import type { CapturedSlice } from './read-chain.ts';
import { decodeSlice, type Slice, type SliceHeader, verifySlice } from './slice-format.ts';

/**
 * Reads one slice whole (at most about 16 MiB of entries, more only for one very large entry) and verifies it.
 * @param expected when given, the slice must be the one that the summary describes
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat, and the storage's errors
 */
export async function readSlice(store: ObjectStore, key: string, expected?: CapturedSlice): Promise<Slice> {
  const slice = await decodeSlice(key, await readBody(store, key, expected));
  requireExpected(key, slice.header, expected);
  return slice;
}

/** Reads one slice and verifies it, as {@link readSlice} does, and keeps nothing of it but its header. @throws the same */
export async function verifyStoredSlice(
  store: ObjectStore,
  key: string,
  expected?: CapturedSlice,
): Promise<SliceHeader> {
  const body = await readBody(store, key, expected);
  const header = await verifySlice(key, body);
  freeBytes(body);
  requireExpected(key, header, expected);
  return header;
}

async function readBody(store: ObjectStore, key: string, expected: CapturedSlice | undefined): Promise<Buffer> {
  const { body } = await store.get(key);
  if (expected && body.length !== expected.size)
    throw new HoldfastError('CorruptObject', `The oplog slice ${key} has ${body.length} bytes, not ${expected.size}.`);
  return body;
}

function requireExpected(key: string, header: SliceHeader, expected: CapturedSlice | undefined): void {
  const differs =
    expected &&
    (!sameOpTime(expected.from, header.from) ||
      !sameOpTime(expected.to, header.to) ||
      expected.entries !== header.entries);
  if (differs)
    throw new HoldfastError('CorruptObject', `The oplog slice ${key} is another one than the manifest says.`);
}

/** A slice and the storage that holds it: a base and the archive need not be in the same one. */
export interface SliceInStore {
  readonly store: ObjectStore;
  readonly slice: CapturedSlice;
}

/**
 * Reads a chain of slices in order and proves its continuity: the last entry of each is in the next one, with the same
 * timestamp and term (consistency rule 8): as its first, or further on where the slices of a backup and those of the
 * archive overlap. Every entry is handed out once.
 * @returns of each slice whole entries one behind the other, in pieces of memory that are the caller's
 * @throws OplogGap with both times named, and what {@link readSlice} throws
 */
export async function* readSliceFrames(slices: readonly SliceInStore[]): AsyncGenerator<readonly Buffer[]> {
  let previous: OpTime | undefined;
  for (const { store, slice } of slices) {
    const { header, frames } = await readSlice(store, slice.key, slice);
    const rest = previous ? framesAfter(previous, frames) : frames;
    if (!rest) throw notContinued(previous as OpTime, slice);
    yield rest;
    previous = header.to;
  }
}

/** {@link readSliceFrames}, entry by entry. */
export async function* readSliceStream(slices: readonly SliceInStore[]): AsyncGenerator<readonly Buffer[]> {
  for await (const frames of readSliceFrames(slices)) yield frames.flatMap((frame) => [...splitDocuments(frame)]);
}

/**
 * Reads a slice to prove that it goes on from an entry: that the entry is in it, with the same timestamp and term.
 * @throws OplogGap, and what {@link readSlice} throws
 */
export async function requireContinuation(previous: OpTime, { store, slice }: SliceInStore): Promise<void> {
  const { frames } = await readSlice(store, slice.key, slice);
  if (!framesAfter(previous, frames)) throw notContinued(previous, slice);
}

function notContinued(previous: OpTime, { key, from, to }: CapturedSlice): HoldfastError {
  const range = `${describeOpTime(from)} to ${describeOpTime(to)}`;
  return new HoldfastError(
    'OplogGap',
    `The captured oplog ends at ${describeOpTime(previous)}, which ${key} (${range}) does not hold.`,
  );
}

/** {@link readSliceStream} of slices that one storage holds. */
export function readSlices(store: ObjectStore, slices: readonly CapturedSlice[]): AsyncGenerator<readonly Buffer[]> {
  return readSliceStream(slices.map((slice) => ({ store, slice })));
}

/** @returns what follows the entry; undefined when no entry is exactly that one */
function framesAfter(opTime: OpTime, frames: readonly Buffer[]): Buffer[] | undefined {
  for (const [n, frame] of frames.entries())
    for (let at = 0; at < frame.length;) {
      const entry = frame.subarray(at, (at += documentLength(frame, at)));
      const found = readEntryOpTime(entry);
      if (compareTimestamps(found.ts, opTime.ts) < 0) continue;
      return sameOpTime(found, opTime) ? [frame.subarray(at), ...frames.slice(n + 1)] : undefined;
    }
  return undefined;
}
