import type { IndexNamespace } from '../../domain/backup-index.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { findElement } from '../bson/raw-document.ts';
import { readFlag, splitDocuments } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import { ByteBudget } from '../packs/byte-budget.ts';
import type { BackupIndex } from '../packs/index-reader.ts';
import { type FrameRun, freeFrame, joinFrames, type PackSource, readFrames } from '../packs/pack-reader.ts';
import { indexName, type CollectionCatalog } from '../replay/collection-catalog.ts';
import type { CollectionMap } from '../replay/collection-map.ts';
import { targetNamespace } from '../replay/carried-namespaces.ts';
import type { BulkTarget } from './ask-target.ts';
import { insertDocuments, insertInOrder } from './insert-documents.ts';
import { runParallel } from './run-parallel.ts';
import type { TargetCollections } from './target-collections.ts';

/** More do not make a server faster; each holds a range of a pack, two decoded frames and a batch. */
const maxLanes = 8;
/** One ranged read; with two decoded frames per connection this keeps the worker's memory bounded. */
const maxRunBytes = 8 * 1024 * 1024;
/** What all connections together may have in memory: eight with frames of the usual size, two with documents of 16 MiB. */
const loadBytes = 160 * 1024 * 1024;

/** The stored bytes, the frame that is decoded, the one that is being inserted, and its copy on the way out. */
function memoryOf({ length, frames }: FrameRun): number {
  return length + 3 * frames.reduce((most, { rawLength }) => Math.max(most, rawLength), 0);
}

export interface LoadDeps extends BulkTarget {
  readonly collections: TargetCollections;
  readonly map: CollectionMap;
  readonly catalog: CollectionCatalog;
  readonly packs: PackSource;
  readonly onLoaded: (documents: number, rawBytes: number) => void;
  /** Documents of a collection, by the source's UUID, that were in the base twice. */
  readonly onRepeated: (uuid: string, documents: number) => void;
}

export type CarriedCollection = IndexNamespace & { readonly uuid: string; readonly capped: boolean };

/**
 * Collections of the base that a running server gets, under the source's UUID; views are rows of system.views.
 * @param selected only these, by the source's UUID
 */
export function carriedCollections(
  index: BackupIndex,
  users: boolean,
  selected?: Pick<ReadonlyMap<string, string>, 'has'>,
): CarriedCollection[] {
  return index.namespaces.flatMap((namespace) => {
    if (namespace.type !== 'collection' || targetNamespace(namespace.ns, users) === undefined) return [];
    const { uuid } = namespace;
    if (selected && !selected.has(uuid ?? '')) return [];
    if (uuid === null) throw new HoldfastError('CorruptObject', `The index has no UUID for ${namespace.ns}.`);
    const options = Buffer.from(namespace.options, 'base64');
    return [{ ...namespace, uuid, capped: readFlag(options, findElement(options, 'capped')) }];
  });
}

async function createCollection(namespace: CarriedCollection, users: boolean, deps: LoadDeps) {
  const ns = targetNamespace(namespace.ns, users) ?? namespace.ns;
  const options = Buffer.from(namespace.options, 'base64');
  const specs = namespace.indexes.map((spec) => Buffer.from(spec, 'base64'));
  const idIndex = specs.find((spec) => indexName(spec) === '_id_' && !findElement(spec, 'clustered'));
  deps.catalog.add(namespace.uuid, options, specs);
  for (const step of deps.map.create(namespace.uuid, ns)) {
    if (step.kind !== 'create') throw new HoldfastError('CorruptObject', `The index names ${ns} more than once.`);
    await deps.collections.create(namespace.uuid, step.ns, { options, idIndex });
  }
}

/** Views are written as the oplog writes them: the server refuses plain inserts into system.views (code 73). */
async function insertViews(ns: string, uuid: string, raw: Buffer, deps: LoadDeps): Promise<void> {
  for (const row of splitDocuments(raw)) {
    const operation = new RawWriter().string('op', 'i').string('ns', ns).uuid('ui', deps.collections.uuidOf(uuid));
    await deps.collections.applyOps(`a view of ${ns}`, [operation.document('o', row).toBuffer()]);
  }
}

/** @param ns the source's */
type Insert = (ns: string, raw: Buffer, deps: LoadDeps) => Promise<void>;

/** Reads and inserts one run after the other, decoding a frame while the one before is being inserted. */
async function loadRuns(runs: Iterable<FrameRun>, insert: Insert, budget: ByteBudget, deps: LoadDeps) {
  let inserting: Promise<void> = Promise.resolve();
  for (const run of runs) {
    const release = await budget.acquire(memoryOf(run));
    try {
      deps.signal.throwIfAborted();
      for await (const { frame, raw } of readFrames(deps.packs, run, deps.signal)) {
        await inserting;
        deps.signal.throwIfAborted();
        inserting = insert(frame.ns, raw, deps).then(() => {
          deps.onLoaded(frame.documents, frame.rawLength);
          freeFrame(raw, deps.packs.codec);
        });
        // Awaited above or below; until then a failure must not count as unhandled.
        inserting.catch(() => undefined);
      }
    } catch (error) {
      // Nothing goes on behind the caller's back.
      await inserting.catch(() => undefined);
      throw error;
    } finally {
      // The last frame of the run is being inserted still.
      void inserting.then(release, release);
    }
  }
  await inserting;
}

interface Work {
  /** Runs in any order, by any connection, in the order of the packs. */
  readonly runs: Iterable<FrameRun>;
  /** Per capped collection: one connection, natural order. */
  readonly ordered: readonly Iterable<FrameRun>[];
  readonly views: readonly { readonly ns: string; readonly uuid: string; readonly runs: Iterable<FrameRun> }[];
}

/** Runs are made when they are asked for: of terabytes there are too many to have them all. */
function divideWork({ frames }: BackupIndex, carried: readonly CarriedCollection[]): Work {
  const any = new Set<string>();
  const ordered: Iterable<FrameRun>[] = [];
  const views: { ns: string; uuid: string; runs: Iterable<FrameRun> }[] = [];
  for (const { ns, uuid, capped } of carried) {
    if (ns.endsWith('.system.views')) views.push({ ns, uuid, runs: joinFrames(frames.of(ns), maxRunBytes) });
    else if (capped) ordered.push(joinFrames(frames.of(ns), maxRunBytes));
    else any.add(ns);
  }
  const inPackOrder = frames.inPackOrder((ns) => any.has(ns));
  return { runs: joinFrames(inPackOrder, maxRunBytes), ordered, views };
}

/**
 * Creates every carried collection of the base in the target and inserts its documents: several connections, each
 * reading ranges of packs in their order; nothing is decoded. Views come last, when what they show is there.
 * @throws RestoreRejected, TargetUnreachable, CorruptObject, ObjectNotFound
 */
export async function loadCollections(
  index: BackupIndex,
  options: {
    readonly users: boolean;
    readonly parallel: number;
    /** Only these, by the source's UUID. */
    readonly selected?: ReadonlyMap<string, string> | undefined;
  },
  deps: LoadDeps,
): Promise<void> {
  const parallel = Math.min(options.parallel, maxLanes);
  const carried = carriedCollections(index, options.users, options.selected);
  const byName = new Map(carried.map((namespace) => [namespace.ns, namespace]));
  await runParallel(carried, options.parallel, (namespace) => createCollection(namespace, options.users, deps));
  const work = divideWork(index, carried);
  const insert: Insert = async (ns, raw, target) => {
    const { uuid = '', capped } = byName.get(ns) ?? {};
    const to = target.map.nameOf(uuid) ?? ns;
    const repeated = await (capped ? insertInOrder(target, to, raw) : insertDocuments(target, to, raw));
    if (repeated > 0) deps.onRepeated(uuid, repeated);
  };
  const shared = work.runs[Symbol.iterator]();
  const lanes = [...work.ordered, ...Array.from({ length: parallel }, () => ({ [Symbol.iterator]: () => shared }))];
  const budget = new ByteBudget(loadBytes);
  const failed = new AbortController();
  const signal = AbortSignal.any([deps.signal, failed.signal]);
  await runParallel(lanes, parallel, async (runs) => {
    try {
      await loadRuns(runs, insert, budget, { ...deps, signal });
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  for (const { ns, uuid, runs } of work.views)
    await loadRuns(runs, (_ns, raw) => insertViews(ns, uuid, raw, deps), budget, deps);
}
