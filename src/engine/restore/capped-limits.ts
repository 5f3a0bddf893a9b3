import type { FinishDeps } from './build-indexes.ts';
import { runParallel } from './run-parallel.ts';
import { isCapped, type TargetCollections } from './target-collections.ts';

/**
 * Gives every capped collection its limits, after replay: the server then forgets the oldest documents with the next
 * insert, not before. Until here it forgot nothing by itself: the oplog has a delete for each document that the source
 * forgot (since 5.0), and a base that was read while the collection rolled would lose what is not in the oplog.
 * @throws RestoreRejected
 */
export async function limitCapped(
  options: { readonly parallel: number },
  collections: TargetCollections,
  { map, catalog, signal }: FinishDeps,
): Promise<void> {
  await runParallel(map.entries(), options.parallel, async ([uuid, ns]) => {
    const collection = catalog.get(uuid);
    if (!collection || !isCapped(collection.options)) return;
    signal.throwIfAborted();
    await collections.limitCapped(uuid, ns, collection.options);
  });
}
