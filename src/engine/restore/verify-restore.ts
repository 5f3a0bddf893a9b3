import { BSON, type CollectionInfo, type Document, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { splitNamespace } from '../../domain/names.ts';
import type { CatalogCollection } from '../replay/collection-catalog.ts';
import type { FinishDeps } from './build-indexes.ts';
import { markDatabase } from './restore-mark.ts';
import { runParallel } from './run-parallel.ts';
import type { TargetCollections } from './target-collections.ts';
import { atTarget } from './target-errors.ts';

export interface VerifyInput {
  readonly parallel: number;
  /** Whether expiry is set already; before, every expiring index has the longest one. */
  readonly expiryApplied: boolean;
  /** Documents by the source's UUID, of collections that replay did not touch. */
  readonly counts: ReadonlyMap<string, number>;
  /** The target may hold other collections, which nobody looks at. */
  readonly partial?: boolean | undefined;
}

const exact = { promoteValues: false, promoteLongs: false, bsonRegExp: true } as const;
const ownDatabases: ReadonlySet<string> = new Set(['admin', 'config', 'local', markDatabase]);

interface Listed {
  readonly name: string;
  readonly options: Document;
  readonly uuid: string;
}

/** As text in which the order of top-level fields doesn't count: the server writes them in its own. */
function comparable(document: Document, ignored: ReadonlySet<string>): string {
  const fields = Object.entries(document).filter(([name]) => !ignored.has(name));
  const sorted = fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return BSON.EJSON.stringify(Object.fromEntries(sorted), { relaxed: false });
}

const decode = (raw: Buffer): Document => BSON.deserialize(raw, exact);

async function listDatabase(client: MongoClient, db: string): Promise<Listed[]> {
  const infos = await atTarget(`a list of the collections of ${db}`, () =>
    client
      .db(db)
      .listCollections<CollectionInfo>({}, { ...exact })
      .toArray(),
  );
  return infos
    .filter(({ type }) => String(type) === 'collection')
    .map(({ name, options, info }) => ({
      name,
      options: options ?? {},
      uuid: Buffer.from((info?.uuid as unknown as BSON.Binary).buffer).toString('hex'),
    }));
}

const validationOptions = ['validator', 'validationLevel', 'validationAction'];

/** Fields that may differ: what a collMod changed is the server's own doing; temporary is what a rename ends. */
function ignoredOptions(collection: CatalogCollection, expiryApplied: boolean): ReadonlySet<string> {
  const { modified } = collection;
  // Validator, level and action bring each other along, in defaults that the collMod does not name.
  const validation = validationOptions.some((option) => modified.has(option)) ? validationOptions : [];
  return new Set([...modified, ...validation, 'temp', ...(expiryApplied ? [] : ['expireAfterSeconds'])]);
}

/** Specs by name; an expiry as the number that the server makes of it. */
function comparableIndexes(specs: readonly Document[], expiryApplied: boolean): Map<string, string> {
  const ordinary = specs.filter((spec) => spec['clustered'] === undefined);
  return new Map(
    ordinary.map((spec) => {
      const seconds = Math.min(Math.trunc(Number(spec['expireAfterSeconds'] ?? NaN)), 0x7fff_ffff);
      const expiry =
        spec['expireAfterSeconds'] === undefined ? 'none' : String(Number.isNaN(seconds) ? 0x7fff_ffff : seconds);
      const text = comparable(spec, new Set(['expireAfterSeconds']));
      return [String(spec['name']), expiryApplied ? `${text}, expiry ${expiry}` : text];
    }),
  );
}

function* mapDifferences(ns: string, expected: Map<string, string>, actual: Map<string, string>): Generator<string> {
  for (const [name, spec] of expected) {
    const found = actual.get(name);
    if (found === undefined) yield `${ns} lacks the index ${name}`;
    else if (found !== spec) yield `${ns} has the index ${name} as ${found} instead of ${spec}`;
  }
  for (const name of actual.keys())
    if (!expected.has(name)) yield `${ns} has the index ${name}, which the backup lacks`;
}

interface Expected {
  readonly uuid: string;
  readonly collection: CatalogCollection;
}

/**
 * Compares the target with what the catalogue says at the restore time: collections, UUIDs, options, index specs, and
 * the counts of collections that replay did not touch.
 * @throws RestoreVerificationFailed listing the differences
 */
export async function verifyRestore(
  input: VerifyInput,
  collections: TargetCollections,
  deps: FinishDeps,
): Promise<void> {
  const differences: string[] = [];
  const expected = new Map<string, Expected>();
  for (const [uuid, ns] of deps.map.entries()) {
    const collection = deps.catalog.get(uuid);
    if (collection) expected.set(ns, { uuid, collection });
    else differences.push(`${ns} is in the target and not in the catalogue`);
  }
  const listed = await listTarget(deps.client, expected, input);
  for (const ns of input.partial === true ? [] : listed.keys())
    if (!expected.has(ns) && !ns.startsWith('admin.')) differences.push(`${ns} is in the target and not in the backup`);
  await runParallel(expected, input.parallel, async ([ns, { uuid, collection }]) => {
    deps.signal.throwIfAborted();
    const found = listed.get(ns);
    if (!found) {
      differences.push(`${ns} is missing`);
      return;
    }
    if (found.uuid !== collections.uuidOf(uuid))
      differences.push(`${ns} has the UUID ${found.uuid} instead of ${uuid}`);
    const ignored = ignoredOptions(collection, input.expiryApplied);
    const options = comparable(decode(collection.options), ignored);
    const actual = comparable(found.options, ignored);
    if (options !== actual) differences.push(`${ns} has the options ${actual} instead of ${options}`);
    differences.push(...(await compareContent(deps.client, ns, collection, input, input.counts.get(uuid))));
  });
  if (differences.length > 0) throw failed(differences);
}

function failed(differences: readonly string[]): HoldfastError {
  const listed = differences.slice(0, 10).map((difference) => difference.slice(0, 1000));
  const more = differences.length > listed.length ? ` and ${differences.length - listed.length} more` : '';
  return new HoldfastError('RestoreVerificationFailed', `The target differs: ${listed.join('; ')}${more}.`, {
    details: { differences: listed },
  });
}

async function listTarget(
  client: MongoClient,
  expected: ReadonlyMap<string, Expected>,
  { parallel, partial }: VerifyInput,
): Promise<Map<string, Listed>> {
  const reply = await atTarget('a list of its databases', () =>
    client.db('admin').command({ listDatabases: 1, nameOnly: true }),
  );
  const present = (reply['databases'] as readonly { name: string }[]).map(({ name }) => name);
  const wanted = new Set([...expected.keys()].map((ns) => splitNamespace(ns).db));
  const others = partial === true ? [] : present.filter((name) => !ownDatabases.has(name));
  const names = new Set([...others, ...wanted]);
  const listed = new Map<string, Listed>();
  await runParallel(names, parallel, async (db) => {
    for (const item of await listDatabase(client, db)) listed.set(`${db}.${item.name}`, item);
  });
  return listed;
}

async function compareContent(
  client: MongoClient,
  ns: string,
  collection: CatalogCollection,
  input: VerifyInput,
  documents: number | undefined,
): Promise<string[]> {
  const { db, coll } = splitNamespace(ns);
  const specs = await atTarget(`a list of the indexes of ${ns}`, () =>
    client.db(db).command({ listIndexes: coll, cursor: { batchSize: 1000 } }, exact),
  );
  const { firstBatch } = specs['cursor'] as { firstBatch: readonly Document[] };
  const wanted = [...collection.indexes.values()].map(decode);
  const differences = [
    ...mapDifferences(
      ns,
      comparableIndexes(wanted, input.expiryApplied),
      comparableIndexes(firstBatch, input.expiryApplied),
    ),
  ];
  if (documents !== undefined) {
    const { n } = (await atTarget(`a count of ${ns}`, () => client.db(db).command({ count: coll }))) as { n: number };
    if (n !== documents) differences.push(`${ns} holds ${n} documents instead of ${documents}`);
  }
  return differences;
}
