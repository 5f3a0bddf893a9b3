import { FrameList } from '../packs/frame-list.ts';
import type { FrameWriter } from '../packs/frame-writer.ts';
import { NumberedNames } from '../packs/numbered-names.ts';
import type { Source } from '../source/member-state.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { type DumpedCollection, dumpCollection, dumpedCollection, type ScanCounters } from './dump-collection.ts';
import { type CatalogEntry, estimateBytes, listNamespaces } from './list-namespaces.ts';
import type { SavedBase } from './read-checkpoint.ts';
import { runTogether } from './run-together.ts';
import { ScanPositions } from './scan-positions.ts';

/** One namespace of the base, with its place in the packs. */
export interface DumpedNamespace {
  readonly entry: CatalogEntry;
  /** Undefined for views and time-series views, which have no documents of their own. */
  readonly collection: DumpedCollection | undefined;
}

export interface DumpNamespacesDeps {
  readonly source: Source;
  readonly parallel: number;
  readonly newFrameWriter: (onFailure: (error: unknown) => void) => FrameWriter;
  readonly counters: ScanCounters;
  readonly saved: SavedBase | undefined;
  readonly checkpoint: CheckpointWriter | undefined;
  /** Awaited when the catalog has been read; not called when it is that of an earlier attempt. */
  readonly onListed: (catalog: readonly CatalogEntry[]) => Promise<void>;
  /** Told once, what all collections have, about. */
  readonly onTotal: (bytes: number) => void;
  /** Told for each collection that was asked for its size, and again when it was read. */
  readonly onCollection: () => void;
  /** Told for each collection that is left out because it was dropped. */
  readonly onLeftOut: () => void;
}

type Sized = CatalogEntry & { readonly uuid: string; readonly bytes: number };

/** Takes items off the queue with several lanes at once until it is empty. */
async function inLanes<T>(
  outer: AbortSignal,
  queue: T[],
  lanes: number,
  work: (item: T, signal: AbortSignal, fail: (error: unknown) => void) => Promise<void>,
): Promise<void> {
  const lane = async (signal: AbortSignal, fail: (error: unknown) => void): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      signal.throwIfAborted();
      await work(item, signal, fail);
    }
  };
  await runTogether(outer, Array<typeof lane>(Math.max(1, Math.min(lanes, queue.length))).fill(lane));
}

/**
 * Dumps every namespace of the member, several collections at once, the largest first so that none is left alone at the
 * end. A collection that was dropped meanwhile is left out. What an earlier attempt read is not read again.
 * @throws what `dumpCollection` throws; the first failure ends all scans
 */
export async function dumpNamespaces(deps: DumpNamespacesDeps): Promise<DumpedNamespace[]> {
  const { source, parallel, counters, saved, checkpoint } = deps;
  const catalog = saved?.catalog ?? (await listNamespaces(source));
  if (!saved) await deps.onListed(catalog);
  const packNames = saved?.packNames ?? new NumberedNames();
  const dumped = new Map<string, DumpedCollection>();
  const left: (CatalogEntry & { readonly uuid: string })[] = [];
  for (const entry of catalog) {
    if (entry.uuid === null) continue;
    const known = saved?.collections.get(entry.uuid);
    const { documents, rawBytes } = known?.frames.totals() ?? { documents: 0, rawBytes: 0 };
    counters.documents += documents;
    counters.rawBytes += rawBytes;
    if (known?.scanned) dumped.set(entry.ns, dumpedCollection(known.scanned, known.frames));
    else left.push({ ...entry, uuid: entry.uuid });
  }
  const sized: Sized[] = [];
  await inLanes(source.signal, left, parallel, async (entry, signal) => {
    sized.push({ ...entry, bytes: await estimateBytes({ ...source, signal }, entry.ns) });
    counters.collections += 1;
    deps.onCollection();
  });
  const readBytes = [...dumped.values()].reduce((sum, { rawBytes }) => sum + rawBytes, 0);
  deps.onTotal(sized.reduce((sum, { bytes }) => sum + bytes, readBytes));
  sized.sort((a, b) => b.bytes - a.bytes || (a.ns < b.ns ? -1 : 1));

  await inLanes(source.signal, sized, parallel, async (entry, signal, fail) => {
    const newFrameWriter = () => deps.newFrameWriter(fail);
    const known = saved?.collections.get(entry.uuid);
    const begun = known ?? { frames: new FrameList(packNames), positions: new ScanPositions() };
    const scan = { source: { ...source, signal }, newFrameWriter, counters, checkpoint };
    const collection = await dumpCollection(entry, begun, scan);
    if (collection) dumped.set(entry.ns, collection);
    else deps.onLeftOut();
    counters.collections += 1;
    deps.onCollection();
  });
  return catalog
    .map((entry) => ({ entry, collection: dumped.get(entry.ns) }))
    .filter(({ entry, collection }) => entry.uuid === null || collection !== undefined)
    .sort((a, b) => (a.entry.ns < b.entry.ns ? -1 : 1));
}
