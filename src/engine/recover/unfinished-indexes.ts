import type { Document, MongoClient } from 'mongodb';

interface ListedIndex {
  readonly spec?: { readonly name: string };
  /** While it is built. */
  readonly indexBuildInfo?: Document;
}

async function namesOf(client: MongoClient, db: string, collection: string): Promise<string[]> {
  const command = { listIndexes: collection, includeIndexBuildInfo: true, cursor: { batchSize: 1000 } };
  const { cursor } = (await client.db(db).command(command)) as { cursor: { firstBatch: readonly ListedIndex[] } };
  return cursor.firstBatch.flatMap(({ spec, indexBuildInfo }) => (spec && indexBuildInfo ? [spec.name] : []));
}

/**
 * Consistency rule 16, in files: an index that was being built at the restore time was none then. A standalone lets it
 * be; a member of a set would go on with it, and it would be there as if it had been there at that time.
 * @returns `db.coll: name` of each
 */
export async function dropUnfinishedIndexes(client: MongoClient): Promise<string[]> {
  const dropped: string[] = [];
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name: db } of databases.filter(({ name }) => name !== 'local')) {
    const collections = await client.db(db).listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
    for (const { name: collection } of collections) {
      const index = await namesOf(client, db, collection);
      if (index.length === 0) continue;
      await client.db(db).command({ dropIndexes: collection, index });
      dropped.push(...index.map((name) => `${db}.${collection}: ${name}`));
    }
  }
  return dropped;
}

/** For people, of each that {@link dropUnfinishedIndexes} names. */
export function describeUnfinished(dropped: readonly string[]): string[] {
  return dropped.map((index) => `The index ${index} was being built at the restore time: it is left out.`);
}
