import type { ListedSlice } from './list-archives.ts';

/** One alone may have 32 MiB of entries that do not compress, and the archiver's process, which stays small, checks too. */
const slicesAtOnce = 4;
const bytesAtOnce = 16 * 1024 * 1024;

/** Slices by as many as may be read at once, in their order. */
export function* sliceGroups(slices: readonly ListedSlice[]): Generator<readonly ListedSlice[]> {
  let group: ListedSlice[] = [];
  let bytes = 0;
  for (const slice of slices) {
    if (group.length === slicesAtOnce || (group.length > 0 && bytes + slice.size > bytesAtOnce)) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(slice);
    bytes += slice.size;
  }
  if (group.length > 0) yield group;
}
