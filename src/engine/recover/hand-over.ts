import type { Document, MongoClient } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import { recount } from './fast-counts.ts';
import { type ScratchPlace, withScratchServer } from './scratch-session.ts';
import { dropUnfinishedIndexes } from './unfinished-indexes.ts';

/** What recovered files hold, by a server that was started on them. */
export interface FilesSummary {
  readonly collections: number;
  /** By the server's own counters; those of `uncounted` may be wrong. */
  readonly documents: number;
  readonly indexes: number;
  readonly users: number;
  readonly roles: number;
  /** Indexes that were being built, and are left out. */
  readonly unfinished: readonly string[];
  /** `db.coll` of collections whose fast counts could not be set right in reasonable time. */
  readonly uncounted: readonly string[];
}

/**
 * Sessions' memory of their last writes and transactions, which refers to an oplog that is gone: no retry of an old
 * write may be answered from it.
 */
const sessionCollections = ['transactions', 'image_collection'] as const;

/**
 * Takes away what makes the files a member's of the source: its set's config, its oplog, its sessions' memory.
 * @returns indexes that were being built: without the oplog nobody decides about them
 */
async function stripIdentity(client: MongoClient): Promise<string[]> {
  const unfinished = await dropUnfinishedIndexes(client);
  for (const name of sessionCollections) await client.db('config').collection(name).deleteMany({});
  await client.db('local').dropDatabase();
  return unfinished;
}

const namesOf = async (client: MongoClient): Promise<string[]> => {
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  return databases.map(({ name }) => name).filter((name) => name !== 'local' && name !== 'config');
};

/** Documents that predate a validator: the server calls their collection invalid, on the source too (mongodb-verified.md §9). */
const notCompliant = /documents not compliant with the collection's schema/;

/** What a reply of `validate` says is damaged; undefined for nothing. */
export function damageIn(reply: Document): string | undefined {
  if (reply['valid'] === true) return undefined;
  const errors = (reply['errors'] ?? []) as string[];
  const others = errors.filter((error) => !notCompliant.test(error));
  const indexes = Object.entries((reply['indexDetails'] ?? {}) as Record<string, { readonly valid?: boolean }>);
  const invalid = indexes.filter(([, { valid }]) => valid === false).map(([name]) => `the index ${name} is invalid`);
  if (errors.length > others.length && others.length === 0 && invalid.length === 0) return undefined;
  return [...others, ...invalid].join('; ') || 'the server does not say what';
}

/** Reads every block of a collection and its indexes, each of which has the server's checksum. @throws RestoreVerificationFailed */
async function requireValid(client: MongoClient, db: string, collection: string): Promise<void> {
  const damaged = (what: string, cause?: unknown) =>
    new HoldfastError('RestoreVerificationFailed', `The files of ${db}.${collection} are damaged: ${what}.`, { cause });
  const reply = await client
    .db(db)
    .command({ validate: collection })
    .catch((cause: unknown) => {
      // A server that reads a block with another checksum than it wrote ends at once.
      throw damaged(`the server ended or failed reading them (${(cause as Error).message})`, cause);
    });
  const damage = damageIn(reply);
  if (damage !== undefined) throw damaged(damage.slice(0, 500));
}

/** Opens every collection and index: what is damaged is found here, not by the first who reads it. */
async function summarise(
  client: MongoClient,
  validate: boolean,
): Promise<Omit<FilesSummary, 'unfinished' | 'uncounted'>> {
  const total = { collections: 0, documents: 0, indexes: 0 };
  for (const name of await namesOf(client)) {
    const db = client.db(name);
    for (const { name: collection, type } of await db.listCollections({}, { nameOnly: true }).toArray()) {
      if (type === 'view' || type === 'timeseries') continue;
      if (validate) await requireValid(client, name, collection);
      if (name === 'admin' && collection.startsWith('system.')) continue;
      total.collections++;
      total.documents += await db.collection(collection).estimatedDocumentCount();
      total.indexes += (await db.collection(collection).listIndexes().toArray()).length;
    }
  }
  const admin = client.db('admin');
  const [users, roles] = await Promise.all(
    ['system.users', 'system.roles'].map((name) => admin.collection(name).countDocuments()),
  );
  return { ...total, users: users ?? 0, roles: roles ?? 0 };
}

export interface HandOverOptions {
  /** Of a standalone, whose `local` holds nothing of a set. */
  readonly keepsLocal?: boolean;
  /** Of files that nothing vouches for but the server's own checksums: those of a snapshot. Takes as long as reading all. */
  readonly validate?: boolean;
  /** UUIDs of collections whose fast counts recovery has left behind: `validate` sets them right as well. */
  readonly uncounted?: readonly string[];
}

/**
 * Makes files that were recovered ready for whoever starts them next, alone or as the first of a new set, and looks at
 * them once more after that, as they will find them.
 * @throws RestoreVerificationFailed, ScratchServerFailed, the signal's reason
 */
export async function handOver(
  place: ScratchPlace,
  { keepsLocal = false, validate = false, uncounted: behind = [] }: HandOverOptions = {},
): Promise<FilesSummary> {
  const unfinished = keepsLocal ? [] : await withScratchServer(place, {}, ({ client }) => stripIdentity(client));
  return withScratchServer(place, {}, async ({ client }) => {
    const uncounted = validate ? [] : await recount(client, behind, (db, name) => requireValid(client, db, name));
    return { ...(await summarise(client, validate)), unfinished, uncounted };
  });
}
