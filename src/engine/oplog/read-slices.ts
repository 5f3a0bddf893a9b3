import type { ObjectStore } from '../../application/ports/object-store.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { describeOpTime, type OpTime, sameOpTime } from '../../domain/timestamp.ts';
import type { CapturedSlice } from './read-chain.ts';
import { decodeSlice, type Slice } from './slice-format.ts';

/**
 * Reads one slice whole (at most about 16 MiB of entries, more only for one very large entry) and verifies it.
 * @param expected when given, the slice must be the one that the summary describes
 * @throws ObjectNotFound, CorruptObject, UnsupportedFormat, and the storage's errors
 */
export async function readSlice(store: ObjectStore, key: string, expected?: CapturedSlice): Promise<Slice> {
  const { body } = await store.get(key);
  if (expected && body.length !== expected.size)
    throw new HoldfastError('CorruptObject', `The oplog slice ${key} has ${body.length} bytes, not ${expected.size}.`);
  const slice = await decodeSlice(key, body);
  const { header } = slice;
  const differs =
    expected &&
    (!sameOpTime(expected.from, header.from) ||
      !sameOpTime(expected.to, header.to) ||
      expected.entries !== header.entries);
  if (differs)
    throw new HoldfastError('CorruptObject', `The oplog slice ${key} is another one than the manifest says.`);
  return slice;
}

/**
 * Reads a chain of slices in order and proves its continuity: each slice's first entry is the last entry of the one
 * before, with the same timestamp and term (consistency rule 8). The shared entry is handed out once.
 * @throws OplogGap with both times named, and what {@link readSlice} throws
 */
export async function* readSlices(
  store: ObjectStore,
  summaries: readonly CapturedSlice[],
): AsyncGenerator<readonly Buffer[]> {
  let previous: OpTime | undefined;
  for (const summary of summaries) {
    const { header, entries } = await readSlice(store, summary.key, summary);
    if (previous && !sameOpTime(previous, header.from))
      throw new HoldfastError(
        'OplogGap',
        `The captured oplog ends at ${describeOpTime(previous)}, but ${summary.key} begins at ${describeOpTime(header.from)}.`,
      );
    yield previous ? entries.slice(1) : entries;
    previous = header.to;
  }
}
