import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { BSON, type Document, type MongoClient } from 'mongodb';
import { seed } from './fixtures/dataset.mjs';
import type { CollectionState, DeploymentState } from '../../local/proof/deployment-state.ts';

export { type DeploymentState, readDeploymentState } from '../../local/proof/deployment-state.ts';
export { findDifferences } from '../../local/proof/differences.ts';

const fixtures = join(import.meta.dirname, 'fixtures');

/** A server stores the expiry of a time-series as a long; expected.json was read by a driver that made an int of it. */
function correctExpiry(collection: CollectionState): CollectionState {
  const options = collection.options as { expireAfterSeconds?: { $numberInt?: string } };
  const seconds = options.expireAfterSeconds?.$numberInt;
  if (seconds === undefined) return collection;
  const entries = Object.entries({ ...options, expireAfterSeconds: { $numberLong: seconds } });
  return { ...collection, options: Object.fromEntries(entries) };
}

/** What a server that was seeded with the fixture holds (users and roles are not in it). */
export async function readExpectedState(): Promise<DeploymentState> {
  const { databases } = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as DeploymentState;
  const corrected = Object.entries(databases).map(([name, database]) => {
    const collections = Object.entries(database.collections).map(([key, value]) => [key, correctExpiry(value)]);
    return [name, { ...database, collections: Object.fromEntries(collections) as Record<string, CollectionState> }];
  });
  return {
    databases: Object.fromEntries(
      corrected.toSorted(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
    ) as DeploymentState['databases'],
  };
}

async function replaceDocuments(client: MongoClient, collection: string): Promise<void> {
  const bytes = gunzipSync(await readFile(join(fixtures, `${collection}.bson.gz`)));
  const documents: Document[] = [];
  for (let at = 0; at < bytes.length;) {
    const exact = { promoteValues: false, bsonRegExp: true };
    at = BSON.deserializeStream(bytes, at, 1, documents, documents.length, exact);
  }
  const target = client.db('shop').collection(collection);
  await target.deleteMany({});
  await target.insertMany(documents);
}

/**
 * Fills a deployment with one of everything; `client` is connected to a primary or a standalone as root.
 * Two collections get the documents that expected.json was taken of: the driver replaces an `_id` of null and the
 * server names time-series buckets by ids that differ each time.
 */
export async function seedFixture(client: MongoClient): Promise<void> {
  await seed(client);
  await replaceDocuments(client, 'mixed_ids');
  await replaceDocuments(client, 'system.buckets.weather');
}
