import { BSON, type Document, type MongoClient } from 'mongodb';

/** What the hashes of a deployment's state do not tell: UUIDs, and the order in which capped collections hold documents. */
export type CollectionIdentities = Readonly<Record<string, { readonly uuid: string; readonly order?: string }>>;

interface Listed extends Document {
  readonly name: string;
  readonly type: string;
  readonly options?: { readonly capped?: boolean };
  readonly info?: { readonly uuid?: BSON.UUID };
}

async function naturalOrder(client: MongoClient, db: string, name: string): Promise<string> {
  const found = client
    .db(db)
    .collection(name)
    .find({}, { projection: { _id: 1 } })
    .hint({ $natural: 1 });
  return BSON.EJSON.stringify(await found.toArray(), { relaxed: false });
}

/** By namespace. */
export async function readIdentities(client: MongoClient, databases: Iterable<string>): Promise<CollectionIdentities> {
  const found: Record<string, { uuid: string; order?: string }> = {};
  for (const db of databases) {
    const listed = (await client.db(db).listCollections().toArray()) as unknown as Listed[];
    for (const { name, type, options, info } of listed) {
      if (type !== 'collection' || (db === 'admin' && name.startsWith('system.'))) continue;
      const uuid = info?.uuid?.toString() ?? 'none';
      const order = options?.capped === true ? { order: await naturalOrder(client, db, name) } : {};
      found[`${db}.${name}`] = { uuid, ...order };
    }
  }
  return Object.fromEntries(Object.entries(found).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** One line per difference. */
export function compareIdentities(expected: CollectionIdentities, actual: CollectionIdentities): string[] {
  const lines: string[] = [];
  for (const [ns, { uuid, order }] of Object.entries(expected)) {
    const got = actual[ns];
    if (got === undefined) lines.push(`${ns} is missing`);
    else if (got.uuid !== uuid) lines.push(`${ns} has the UUID ${got.uuid} instead of ${uuid}`);
    else if (got.order !== order) lines.push(`${ns} is in the order ${got.order} instead of ${order}`);
  }
  return lines;
}
