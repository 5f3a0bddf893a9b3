import { BSON, type Db, type Document, type MongoClient } from 'mongodb';

/**
 * What a server holds, as canonical Extended JSON of the shape of test/support/fixtures/expected.json: the yardstick
 * by which source, frozen source and restored target are compared. Collection UUIDs are left out on purpose.
 */
export interface DeploymentState {
  readonly databases: Readonly<Record<string, DatabaseState>>;
  /** By `_id` (`admin.ops`), credentials included. */
  readonly users?: Readonly<Record<string, unknown>>;
  readonly roles?: Readonly<Record<string, unknown>>;
}

export interface DatabaseState {
  readonly dbHash?: string;
  readonly collectionHashes: Readonly<Record<string, string>>;
  readonly collections: Readonly<Record<string, CollectionState>>;
}

export interface CollectionState {
  readonly type: string;
  readonly options: unknown;
  /** By name; absent for views. */
  readonly indexes?: readonly unknown[];
  readonly count?: unknown;
}

export interface ReadStateOptions {
  /** `_id`s of users that belong to the server itself and not to what it was restored from: `admin.root`. */
  readonly withoutUsers?: readonly string[];
  readonly withoutRoles?: readonly string[];
}

const exact = { promoteValues: false, bsonRegExp: true } as const;
const canonical = (value: Document) => BSON.EJSON.serialize(value, { relaxed: false });
const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : Number(a.name > b.name));
const sorted = <T>(entries: readonly (readonly [string, T])[]): Record<string, T> =>
  Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))));

/** An index under construction is in the plain list too, also one whose construction will never be committed. */
async function listFinishedIndexes(db: Db, collection: string): Promise<(Document & { name: string })[]> {
  const command = { listIndexes: collection, includeIndexBuildInfo: true, cursor: { batchSize: 1000 } };
  const { cursor } = (await db.command(command, exact)) as {
    cursor: { firstBatch: readonly { spec: Document & { name: string }; indexBuildInfo?: Document }[] };
  };
  return cursor.firstBatch.filter((each) => each.indexBuildInfo === undefined).map(({ spec }) => spec);
}

/** With includeIndexBuildInfo a time-series answers an empty list (6.0.5): its buckets know which are finished. */
async function listTimeSeriesIndexes(db: Db, name: string): Promise<(Document & { name: string })[]> {
  const finished = await listFinishedIndexes(db, `system.buckets.${name}`);
  const all = (await db.collection(name).listIndexes(exact).toArray()) as (Document & { name: string })[];
  return all.filter((index) => finished.some((each) => each.name === index.name));
}

async function readCollection(db: Db, info: Document): Promise<CollectionState> {
  const { name, type, options } = info as { name: string; type: string; options: Document };
  const described = { type, options: canonical(options) };
  if (type === 'view') return described;
  const collection = db.collection(name);
  const indexes = type === 'timeseries' ? await listTimeSeriesIndexes(db, name) : await listFinishedIndexes(db, name);
  // Counted, not asked for: the fast count of a server that was recovered after a crash may be off.
  const [counted] = await collection.aggregate([{ $count: 'n' }], exact).toArray();
  const count =
    counted === undefined ? { $numberInt: '0' } : (canonical({ n: counted['n'] as unknown })['n'] as unknown);
  return { ...described, indexes: indexes.toSorted(byName).map(canonical), count };
}

/** `admin` holds the server's own collections beside the user's; of it, only the user's are read. */
const isOwn = (db: string, collection: string) => db === 'admin' && collection.startsWith('system.');

async function readDatabase(client: MongoClient, name: string): Promise<DatabaseState> {
  const db = client.db(name);
  const infos = (await db.listCollections({}, exact).toArray()) as { name: string }[];
  const wanted = infos.filter((info) => info.name !== 'system.profile' && !isOwn(name, info.name));
  const collections = await Promise.all(
    wanted.map(async (info) => [info.name, await readCollection(db, info)] as const),
  );
  const { collections: hashes, md5 } = await db.command({ dbHash: 1 });
  const own = Object.entries(hashes as Record<string, string>).filter(([collection]) => !isOwn(name, collection));
  return {
    ...(name === 'admin' ? {} : { dbHash: md5 as string }),
    collectionHashes: sorted(own),
    collections: sorted(collections),
  };
}

async function readAccess(client: MongoClient, collection: string, without: readonly string[]) {
  const rows = await client.db('admin').collection<{ _id: string }>(collection).find({}, exact).toArray();
  const kept = rows.filter((row) => !without.includes(row._id));
  // The server keeps sets of roles and privileges in no particular order.
  const ordered = kept.map((row) => {
    const { roles, ...rest } = canonical(row) as { roles?: unknown[] };
    const texts = (roles ?? []).map((role) => JSON.stringify(role)).toSorted();
    return [row._id, { ...rest, roles: texts.map((text) => JSON.parse(text) as unknown) }] as const;
  });
  return sorted(ordered);
}

/** @param client may read everything and run dbHash; writes must rest meanwhile. */
export async function readDeploymentState(
  client: MongoClient,
  options: ReadStateOptions = {},
): Promise<DeploymentState> {
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  const names = databases.map(({ name }) => name).filter((name) => name !== 'config' && name !== 'local');
  const states: [string, DatabaseState][] = [];
  for (const name of names) {
    const state = await readDatabase(client, name);
    if (Object.keys(state.collections).length > 0) states.push([name, state]);
  }
  return {
    databases: sorted(states),
    users: await readAccess(client, 'system.users', options.withoutUsers ?? []),
    roles: await readAccess(client, 'system.roles', options.withoutRoles ?? []),
  };
}
