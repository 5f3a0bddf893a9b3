import { HoldfastError } from '../../domain/errors.ts';
import { bsonType, findElement } from '../bson/raw-document.ts';
import { rawArray, rawDocument } from '../bson/raw-builder.ts';
import { readBinary, readString, subDocument } from '../bson/raw-values.ts';
import type { Source } from '../source/member-state.ts';
import { readAllRaw } from '../source/raw-cursor.ts';
import { isServerError, serverCode, sourceError } from '../source/source-errors.ts';
import { uuidValue } from './uuid-value.ts';

/** A collection or view as the catalog shows it; options as raw BSON, because decoding loses the order of some keys. */
export interface CatalogEntry {
  readonly ns: string;
  readonly db: string;
  readonly name: string;
  readonly type: 'collection' | 'view' | 'timeseries';
  /** 32 hex digits; null for views and for what stands for a time series. */
  readonly uuid: string | null;
  readonly options: Buffer;
}

export interface CatalogIndexes {
  /** Specs of finished indexes, raw. */
  readonly indexes: readonly Buffer[];
  /** `{indexBuildUUID, specs}` of each build that is under way, raw (consistency rule 16). */
  readonly unfinished: readonly Buffer[];
}

const configCollections = new Set(['chunks', 'collections', 'databases', 'settings', 'shards', 'tags', 'version']);
const adminSystemCollections = new Set(['system.users', 'system.roles', 'system.version']);

/** What a dump carries (design: engine.md "Dump"); everything else is made anew by a server (consistency rule 19). */
export function isDumped(db: string, name: string): boolean {
  if (db === 'local') return false;
  if (db === 'config') return configCollections.has(name);
  if (!name.startsWith('system.')) return true;
  if (db === 'admin' && adminSystemCollections.has(name)) return true;
  return name === 'system.js' || name === 'system.views' || name.startsWith('system.buckets.');
}

function parseEntry(db: string, document: Buffer): CatalogEntry {
  const [name, type, options, info] = ['name', 'type', 'options', 'info'].map((field) => findElement(document, field));
  if (!name || !type || !options || !info)
    throw new HoldfastError('CorruptSource', `listCollections of ${db} answers without name, type, options or info.`);
  const kind = readString(document, type);
  if (kind !== 'collection' && kind !== 'view' && kind !== 'timeseries')
    throw new HoldfastError(
      'UnsupportedVersion',
      `${db}.${readString(document, name)} is a ${kind}, which is not known.`,
    );
  const uuid = findElement(subDocument(document, info), 'uuid');
  return {
    ns: `${db}.${readString(document, name)}`,
    db,
    name: readString(document, name),
    type: kind,
    uuid: uuid ? readBinary(subDocument(document, info), uuid).toString('hex') : null,
    options: subDocument(document, options),
  };
}

async function listDatabases(source: Source): Promise<string[]> {
  const command = { listDatabases: 1, nameOnly: true, authorizedDatabases: false };
  const reply = await source.client.db('admin').command(command, { signal: source.signal });
  return (reply['databases'] as { name: string }[]).map(({ name }) => name);
}

/**
 * Every collection and view that belongs into a dump.
 * @throws MissingPrivileges, SourceUnreachable, MemberStateChanged
 */
export async function listNamespaces(source: Source): Promise<CatalogEntry[]> {
  const found: CatalogEntry[] = [];
  try {
    for (const db of await listDatabases(source)) {
      if (db === 'local') continue;
      const listCollections = { listCollections: 1, cursor: {} };
      for (const document of await readAllRaw(source.client, db, listCollections, { signal: source.signal })) {
        const entry = parseEntry(db, document);
        if (isDumped(db, entry.name)) found.push(entry);
      }
    }
  } catch (error) {
    throw sourceError(error, source.member, 'listing databases and collections');
  }
  return found;
}

/** What dataSize answers for a name that was a collection's a moment ago and is a view's now. */
const becameView = serverCode.commandNotSupportedOnView;

/**
 * Expected raw bytes of a collection, from the server's counters: an estimate, for progress and for what to read first.
 * @returns 0 when the server does not say
 */
export async function estimateBytes(source: Source, ns: string): Promise<number> {
  const db = ns.slice(0, ns.indexOf('.'));
  try {
    const command = { dataSize: ns, estimate: true };
    return Number((await source.client.db(db).command(command, { signal: source.signal }))['size']);
  } catch (error) {
    if (isServerError(error, serverCode.namespaceNotFound, serverCode.unauthorized, becameView)) return 0;
    throw sourceError(error, source.member, `estimating the size of ${ns}`);
  }
}

/**
 * The indexes of a collection, found by its UUID whatever its name is now.
 * @returns undefined when the collection does not exist any more
 */
export async function readIndexes(source: Source, db: string, uuid: string): Promise<CatalogIndexes | undefined> {
  const command = { listIndexes: uuidValue(uuid), includeIndexBuildInfo: true, cursor: {} };
  try {
    return splitIndexes(await readAllRaw(source.client, db, command, { signal: source.signal }));
  } catch (error) {
    if (isServerError(error, serverCode.namespaceNotFound)) return undefined;
    throw sourceError(error, source.member, `listing the indexes of collection ${uuid} in ${db}`);
  }
}

/** With build info each element is `{spec}`, or `{indexBuildInfo: {buildUUID}, spec}` while it is built (ran on 6.0.5). */
function splitIndexes(elements: readonly Buffer[]): CatalogIndexes {
  const indexes: Buffer[] = [];
  const builds = new Map<string, Buffer[]>();
  for (const element of elements) {
    const spec = findElement(element, 'spec');
    if (!spec) throw new HoldfastError('CorruptSource', 'listIndexes answers without a spec.');
    const info = findElement(element, 'indexBuildInfo');
    const build = info && findElement(subDocument(element, info), 'buildUUID');
    if (!info || !build) {
      indexes.push(subDocument(element, spec));
      continue;
    }
    const id = readBinary(subDocument(element, info), build).toString('hex');
    builds.set(id, [...(builds.get(id) ?? []), subDocument(element, spec)]);
  }
  return { indexes, unfinished: [...builds].map(([id, specs]) => unfinishedBuild(id, specs)) };
}

function unfinishedBuild(id: string, specs: readonly Buffer[]): Buffer {
  const uuid = Buffer.concat([Buffer.from([16, 0, 0, 0, 4]), Buffer.from(id, 'hex')]);
  return rawDocument([
    { name: 'indexBuildUUID', type: bsonType.binary, value: uuid },
    { name: 'specs', type: bsonType.array, value: rawArray(specs) },
  ]);
}
