import { elements, findElement, type RawElement } from '../bson/raw-document.ts';
import { readFlag, readNumber, readString, subDocument } from '../bson/raw-values.ts';
import { RawWriter } from '../bson/raw-writer.ts';

/** What a collection is to look like at the restore time. */
export interface CatalogCollection {
  /** Raw options as listCollections shows them. */
  readonly options: Buffer;
  /** Option fields that a replayed collMod named: the target's own value is right for them, `options` may be outdated. */
  readonly modified: ReadonlySet<string>;
  /** Raw specs by name, in the order of their creation, `_id_` and the clustered one included. */
  readonly indexes: ReadonlyMap<string, Buffer>;
}

interface Entry {
  options: Buffer;
  readonly modified: Set<string>;
  readonly indexes: Map<string, Buffer>;
}

export function indexName(spec: Buffer): string {
  const name = findElement(spec, 'name');
  return name ? readString(spec, name) : '';
}

/** Fields of collMod that set an option; anything else in a collMod is unknown to this release. */
export const collModOptions: ReadonlySet<string> = new Set([
  'validator',
  'validationLevel',
  'validationAction',
  'expireAfterSeconds',
  'changeStreamPreAndPostImages',
  'recordPreImages',
  'timeseries',
  'cappedSize',
  'cappedMax',
]);

/** The options that two of those fields set. */
const optionOf: ReadonlyMap<string, string> = new Map([
  ['cappedSize', 'size'],
  ['cappedMax', 'max'],
]);

/** `{...document, [field]: value}` in raw BSON: an existing field keeps its place. */
function withElement(document: Buffer, change: Buffer, name: string): Buffer {
  const changed = findElement(change, name);
  const writer = new RawWriter();
  let done = false;
  for (const element of elements(document)) {
    const replaced: boolean = element.name === name && changed !== undefined;
    if (replaced && changed) writer.element(change, changed);
    else writer.element(document, element);
    done ||= replaced;
  }
  if (!done && changed) writer.element(change, changed);
  return writer.toBuffer();
}

/** `cappedSize` and `cappedMax` of a collMod are `size` and `max` of the options. */
function withLimit(options: Buffer, change: Buffer, element: RawElement): Buffer {
  const name = optionOf.get(element.name) ?? element.name;
  const value = BigInt(Math.trunc(readNumber(change, element)));
  return new RawWriter()
    .elements(options, (other) => other !== name)
    .int64(name, value)
    .toBuffer();
}

function without(document: Buffer, name: string): Buffer {
  return new RawWriter().elements(document, (other) => other !== name).toBuffer();
}

function modifyIndex(spec: Buffer, change: Buffer): Buffer {
  let result = spec;
  for (const element of elements(change)) {
    if (element.name === 'expireAfterSeconds') result = withElement(result, change, element.name);
    // Unhiding and the end of prepareUnique remove the field from the spec; unique replaces prepareUnique.
    if (element.name === 'hidden' || element.name === 'prepareUnique')
      result = readFlag(change, element) ? withElement(result, change, element.name) : without(result, element.name);
    if (element.name === 'unique') result = without(withElement(result, change, 'unique'), 'prepareUnique');
  }
  return result;
}

/**
 * Options and indexes of every collection by the source's UUID, so that renames are free (consistency rule 16): from
 * the base, changed by what replay reads. Replay itself issues no index command; indexes are built from here at the end.
 */
export class CollectionCatalog {
  readonly #collections = new Map<string, Entry>();

  get(uuid: string): CatalogCollection | undefined {
    return this.#collections.get(uuid);
  }

  /** A collection of the base, or a replayed create. A create of what the base holds already changes nothing. */
  add(uuid: string, options: Buffer, specs: readonly Buffer[]): void {
    if (this.#collections.has(uuid)) return;
    const indexes = new Map(specs.map((spec) => [indexName(spec), spec]));
    this.#collections.set(uuid, { options, modified: new Set(), indexes });
  }

  remove(uuid: string): void {
    this.#collections.delete(uuid);
  }

  /** A rename ends what `$out`, convertToCapped and the like made as temporary. */
  endTemporary(uuid: string): void {
    const collection = this.#collections.get(uuid);
    if (collection && findElement(collection.options, 'temp')) collection.options = without(collection.options, 'temp');
  }

  createIndex(uuid: string, spec: Buffer): void {
    this.#collections.get(uuid)?.indexes.set(indexName(spec), spec);
  }

  /** @param name `*` is every index but `_id_` */
  dropIndex(uuid: string, name: string): void {
    const indexes = this.#collections.get(uuid)?.indexes;
    if (!indexes) return;
    const names = name === '*' ? [...indexes.keys()].filter((other) => other !== '_id_') : [name];
    for (const one of names) indexes.delete(one);
  }

  /** Applies the `o` of a collMod entry: its `index` part and its options. */
  modify(uuid: string, o: Buffer): void {
    const collection = this.#collections.get(uuid);
    if (!collection) return;
    for (const element of elements(o)) {
      if (element.name === 'index') this.#modifyIndex(collection, subDocument(o, element));
      if (!collModOptions.has(element.name)) continue;
      collection.modified.add(optionOf.get(element.name) ?? element.name);
      if (optionOf.has(element.name)) {
        collection.options = withLimit(collection.options, o, element);
        continue;
      }
      const off = element.name === 'expireAfterSeconds' && element.type === 0x02;
      collection.options = off
        ? without(collection.options, element.name)
        : withElement(collection.options, o, element.name);
    }
  }

  #modifyIndex(collection: Entry, change: Buffer): void {
    const name = findElement(change, 'name');
    const keyPattern = findElement(change, 'keyPattern');
    for (const [current, spec] of collection.indexes) {
      const key = findElement(spec, 'key');
      const matches = name
        ? readString(change, name) === current
        : keyPattern && key && subDocument(change, keyPattern).equals(subDocument(spec, key));
      if (matches) collection.indexes.set(current, modifyIndex(spec, change));
    }
  }
}
