import { HoldfastError } from '../../domain/errors.ts';
import { findElement } from '../bson/raw-document.ts';
import { splitDocuments } from '../bson/raw-values.ts';
import type { BackupIndex } from '../packs/index-reader.ts';
import { joinFrames, type PackSource, readFrames } from '../packs/pack-reader.ts';
import type { CarriedCollection } from './load-collections.ts';

async function lastId(index: BackupIndex, packs: PackSource, ns: string): Promise<Buffer | undefined> {
  const frames = index.frames.filter((frame) => frame.ns === ns);
  for (const run of joinFrames(frames.slice(-1), 1))
    for await (const { raw } of readFrames(packs, run)) {
      const last = [...splitDocuments(raw)].at(-1);
      const id = last && findElement(last, '_id');
      if (!last || !id) throw new HoldfastError('CorruptObject', `The last document of ${ns} has no _id.`);
      // A copy: the frame is not to stay in memory.
      return Buffer.from(last.subarray(id.start, id.end));
    }
  return undefined;
}

/**
 * The last document of each capped collection in the base, as the raw element of its `_id`, by the source's UUID: what
 * the oplog inserted up to it is not inserted again.
 * @throws ObjectNotFound, CorruptObject
 */
export async function readCappedTails(
  index: BackupIndex,
  packs: PackSource,
  carried: readonly CarriedCollection[],
): Promise<Map<string, Buffer>> {
  const tails = new Map<string, Buffer>();
  for (const { ns, uuid, capped } of carried) {
    const id = capped ? await lastId(index, packs, ns) : undefined;
    if (id) tails.set(uuid, id);
  }
  return tails;
}
