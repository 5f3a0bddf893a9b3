import { Int32, Long, type MongoClient } from 'mongodb';
import { splitNamespace } from '../../domain/names.ts';
import { bsonType, findElement, type RawElement } from '../bson/raw-document.ts';
import { readInt64, readNumber } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';
import { type CatalogCollection, type CollectionCatalog, indexName } from '../replay/collection-catalog.ts';
import type { CollectionMap } from '../replay/collection-map.ts';
import { rawArray } from './raw-command.ts';
import { runParallel } from './run-parallel.ts';
import { atTarget } from './target-errors.ts';

/** The greatest expiry that the server takes for an index (68 years): nothing expires by it meanwhile. */
const neverSeconds = 0x7fff_ffff;

/** What createIndexes is asked for: neither the `_id` index nor the pseudo-spec of a clustered collection. */
export function indexesToBuild(collection: CatalogCollection): Buffer[] {
  return [...collection.indexes.values()].filter(
    (spec) => indexName(spec) !== '_id_' && findElement(spec, 'clustered') === undefined,
  );
}

/** The spec with the longest expiry in place of its own; others as they are. */
export function withoutExpiry(spec: Buffer): Buffer {
  if (!findElement(spec, 'expireAfterSeconds')) return spec;
  return new RawWriter()
    .elements(spec, (name) => name !== 'expireAfterSeconds')
    .int32('expireAfterSeconds', neverSeconds)
    .toBuffer();
}

export interface FinishDeps {
  readonly client: MongoClient;
  readonly map: CollectionMap;
  readonly catalog: CollectionCatalog;
  readonly signal: AbortSignal;
}

function* collections({ map, catalog }: FinishDeps): Generator<{ ns: string; collection: CatalogCollection }> {
  for (const [uuid, ns] of map.entries()) {
    const collection = catalog.get(uuid);
    if (collection) yield { ns, collection };
  }
}

/**
 * One createIndexes per collection, several at a time, from the catalogue at the restore time (consistency rule 16).
 * On a replica set a majority of the members must be ready, not all: one that is down does not hold up a restore.
 * @returns the number of indexes built
 * @throws RestoreRejected naming the collection and the server's error
 */
export async function buildIndexes(
  options: { readonly parallel: number; readonly replicaSet: boolean },
  deps: FinishDeps,
): Promise<number> {
  let built = 0;
  await runParallel(collections(deps), options.parallel, async ({ ns, collection }) => {
    const specs = indexesToBuild(collection);
    if (specs.length === 0) return;
    deps.signal.throwIfAborted();
    const { db, coll } = splitNamespace(ns);
    const quorum = options.replicaSet ? { commitQuorum: 'majority' } : {};
    const command = { createIndexes: coll, indexes: rawArray(specs.map(withoutExpiry)), ...quorum };
    await atTarget(`the indexes of ${ns}`, () => deps.client.db(db).command({ ...command, writeConcern: { w: 1 } }));
    built += specs.length;
  });
  return built;
}

/** Seconds as the server stores them; undefined for what never expires: NaN, and what is longer than it counts. */
function expirySeconds(document: Buffer, element: RawElement | undefined): number | undefined {
  if (!element || element.type === bsonType.string) return undefined;
  const seconds = readNumber(document, element);
  return Number.isNaN(seconds) || seconds >= neverSeconds ? undefined : Math.trunc(seconds);
}

/**
 * Sets every expiry, of indexes, clustered and time-series collections, by collMod: after this the server deletes what
 * has expired, so it comes after verification (consistency rule 17). collMod takes NaN for 0 and would delete all.
 * @throws RestoreRejected
 */
export async function applyExpiry(options: { readonly parallel: number }, deps: FinishDeps): Promise<void> {
  await runParallel(collections(deps), options.parallel, async ({ ns, collection }) => {
    const { db, coll } = splitNamespace(ns);
    const modify = (change: object) =>
      atTarget(`the expiry of ${ns}`, () => deps.client.db(db).command({ collMod: coll, ...change }));
    for (const spec of indexesToBuild(collection)) {
      const seconds = expirySeconds(spec, findElement(spec, 'expireAfterSeconds'));
      if (seconds !== undefined)
        await modify({ index: { name: indexName(spec), expireAfterSeconds: new Int32(seconds) } });
    }
    const own = findElement(collection.options, 'expireAfterSeconds');
    if (own && own.type !== bsonType.string)
      await modify({ expireAfterSeconds: Long.fromBigInt(readInt64(collection.options, own)) });
  });
}
