import { BSON, type CollectionInfo, type MongoClient } from 'mongodb';
import type { Timestamp } from '../../domain/timestamp.ts';

/**
 * What `count` without a filter, `estimatedDocumentCount` and `collStats` answer is a number beside the data. The server's own recovery
 * applies the oplog without counting (SizeRecoveryState of mongod 6.0: seen on 6.0.5, 500 replayed inserts were not in it), and
 * `validate` sets it right, by reading the whole collection.
 */

/** The numbers themselves are written once a minute, and a prepared transaction may be older than what recovery begins with. */
const secondsBefore = 600;

/** Together, of data and indexes: about a minute's reading. What is larger would make a restore much longer. */
const recountBytes = 8 * 1024 ** 3;

const toUuid = (value: unknown): string[] => (value instanceof BSON.Binary ? [value.toUUID().toHexString()] : []);

/**
 * Collections that documents were added to or removed from since their numbers were certainly written, by the oplog of the files.
 * @param stable of which recovery began
 * @param upTo the last entry that is looked at
 * @returns their UUIDs; some may be gone
 */
export async function findUncounted(client: MongoClient, stable: Timestamp, upTo: Timestamp): Promise<string[]> {
  const oplog = client.db('local').collection('oplog.rs');
  const from = { t: Math.max(0, stable.t - secondsBefore), i: 0 };
  const since = { $gte: new BSON.Timestamp(from), $lte: new BSON.Timestamp(upTo) };
  const counted = { $in: ['i', 'd'] };
  const found = await Promise.all(
    [
      [{ $match: { ts: since, op: counted } }, { $group: { _id: '$ui' } }],
      [
        { $match: { ts: since, op: 'c', 'o.applyOps': { $exists: true } } },
        { $unwind: '$o.applyOps' },
        { $match: { 'o.applyOps.op': counted } },
        { $group: { _id: '$o.applyOps.ui' } },
      ],
    ].map((pipeline) => oplog.aggregate(pipeline).toArray()),
  );
  return [...new Set(found.flat().flatMap(({ _id }) => toUuid(_id)))];
}

interface Uncounted {
  readonly db: string;
  readonly name: string;
  readonly bytes: number;
}

async function locate(client: MongoClient, uuids: ReadonlySet<string>): Promise<Uncounted[]> {
  const found: Uncounted[] = [];
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name: db } of databases.filter(({ name }) => name !== 'local')) {
    const listed = await client.db(db).listCollections({ type: 'collection' }).toArray();
    for (const { name, info } of listed as CollectionInfo[]) {
      if (!toUuid(info?.uuid).some((uuid) => uuids.has(uuid))) continue;
      const { storageSize = 0, totalIndexSize = 0 } = await client.db(db).command({ collStats: name });
      found.push({ db, name, bytes: Number(storageSize) + Number(totalIndexSize) });
    }
  }
  return found.sort((a, b) => a.bytes - b.bytes);
}

/**
 * Sets the numbers of these collections right, the smallest first, as far as the limit of bytes goes.
 * @param uuids as {@link findUncounted} gives them
 * @param validate of a collection
 * @returns `db.coll` of those that are left, whose numbers may be wrong
 */
export async function recount(
  client: MongoClient,
  uuids: readonly string[],
  validate: (db: string, name: string) => Promise<void>,
  limit = recountBytes,
): Promise<string[]> {
  if (uuids.length === 0) return [];
  const left: string[] = [];
  let bytes = 0;
  for (const { db, name, bytes: own } of await locate(client, new Set(uuids))) {
    bytes += own;
    if (bytes > limit) left.push(`${db}.${name}`);
    else await validate(db, name);
  }
  return left;
}

/** For people, of those that {@link recount} leaves; the summary's number of documents is one of these numbers. */
export function describeUncounted(left: readonly string[]): string[] {
  if (left.length === 0) return [];
  const names = left.length > 10 ? `${left.slice(0, 10).join(', ')} and ${left.length - 10} more` : left.join(', ');
  return [
    `What the server says without counting (count, estimatedDocumentCount) is of before the oplog's replay for ${names}: the data is right. Run validate on each, in mongosh, when there is time to read it whole.`,
  ];
}
