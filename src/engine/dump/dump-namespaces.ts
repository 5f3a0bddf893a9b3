import type { LogicalBase } from '../../domain/base.ts';
import type { IndexLine, IndexNamespace } from '../../domain/backup-index.ts';
import { findElement } from '../bson/raw-document.ts';
import { readString } from '../bson/raw-values.ts';
import type { FrameWriter, WrittenFrame } from '../packs/frame-writer.ts';
import type { WrittenPack } from '../packs/pack-writer.ts';
import type { Source } from '../source/member-state.ts';
import { type DumpedCollection, dumpCollection, type ScanCounters } from './dump-collection.ts';
import { type CatalogEntry, estimateBytes, listNamespaces } from './list-namespaces.ts';
import { runTogether } from './run-together.ts';

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
  /** Told once, when the catalog has been read. */
  readonly onTotal: (bytes: number) => void;
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
 * end. A collection that was dropped meanwhile is left out.
 * @throws what `dumpCollection` throws; the first failure ends all scans
 */
export async function dumpNamespaces(deps: DumpNamespacesDeps): Promise<DumpedNamespace[]> {
  const { source, parallel, counters } = deps;
  const catalog = await listNamespaces(source);
  const sized: Sized[] = [];
  await inLanes(source.signal, [...catalog], parallel, async (entry, signal) => {
    if (entry.uuid === null) return;
    sized.push({ ...entry, uuid: entry.uuid, bytes: await estimateBytes({ ...source, signal }, entry.ns) });
  });
  deps.onTotal(sized.reduce((sum, { bytes }) => sum + bytes, 0));
  sized.sort((a, b) => b.bytes - a.bytes || (a.ns < b.ns ? -1 : 1));

  const dumped = new Map<string, DumpedCollection>();
  await inLanes(source.signal, sized, parallel, async (entry, signal, fail) => {
    const newFrameWriter = () => deps.newFrameWriter(fail);
    const collection = await dumpCollection(entry, { source: { ...source, signal }, newFrameWriter, counters });
    if (collection) dumped.set(entry.ns, collection);
    else deps.onLeftOut();
  });
  return catalog
    .map((entry) => ({ entry, collection: dumped.get(entry.ns) }))
    .filter(({ entry, collection }) => entry.uuid === null || collection !== undefined)
    .sort((a, b) => (a.entry.ns < b.entry.ns ? -1 : 1));
}

const base64 = (buffers: readonly Buffer[]): string[] => buffers.map((buffer) => buffer.toString('base64'));

function namespaceLine({ entry, collection }: DumpedNamespace): IndexNamespace {
  return {
    kind: 'namespace',
    ns: entry.ns,
    type: entry.type,
    uuid: entry.uuid,
    options: entry.options.toString('base64'),
    indexes: base64(collection?.indexes ?? []),
    unfinishedIndexes: base64(collection?.unfinished ?? []),
    documents: collection?.documents ?? null,
    rawBytes: collection?.rawBytes ?? null,
  };
}

function frameLine(ns: string, frame: WrittenFrame): IndexLine {
  return { kind: 'frame', ns, ...frame };
}

/** The lines of the part's index: header, packs, then each namespace followed by its frames in scan order. */
export function* indexLines(
  header: { readonly backupId: string; readonly part: string; readonly codec: LogicalBase['codec'] },
  packs: readonly WrittenPack[],
  namespaces: readonly DumpedNamespace[],
): Generator<IndexLine> {
  yield { kind: 'header', schemaVersion: 1, ...header };
  for (const { name: pack, size, crc32, sha256 } of packs) yield { kind: 'pack', pack, size, crc32, sha256 };
  for (const namespace of namespaces) {
    yield namespaceLine(namespace);
    for (const frame of namespace.collection?.frames ?? []) yield frameLine(namespace.entry.ns, frame);
  }
}

/** What the manifest says about a namespace to people. */
export function namespaceSummary({ entry, collection }: DumpedNamespace): LogicalBase['namespaces'][number] {
  return {
    ns: entry.ns,
    type: entry.type,
    uuid: entry.uuid,
    documents: collection?.documents ?? null,
    rawBytes: collection?.rawBytes ?? null,
    indexes: (collection?.indexes ?? []).map((spec) => {
      const name = findElement(spec, 'name');
      return name ? readString(spec, name) : '';
    }),
  };
}
