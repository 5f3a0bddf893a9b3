import { BSON, type Document, type MongoClient } from 'mongodb';
import { splitNamespace } from '../../domain/names.ts';
import { temporaryRoles, temporaryUsers } from '../replay/carried-namespaces.ts';
import { findMissingRoles } from './missing-roles.ts';
import { atTarget } from './target-errors.ts';

/** A role or user document, of which only ids and references are looked at. */
interface AuthorizationDocument extends Document {
  readonly _id: string;
  readonly db: string;
  readonly roles?: readonly { readonly role: string; readonly db: string }[];
}

const roleId = ({ role, db }: { role: string; db: string }) => `${db}.${role}`;
const exact = { promoteValues: false, promoteLongs: false, bsonRegExp: true } as const;

/** `roles` of a document that was read with {@link exact}. */
const rolesOf = (document: Document) => (document['roles'] ?? []) as readonly { role: string; db: string }[];

async function findById(client: MongoClient, ns: string, id: string): Promise<AuthorizationDocument | undefined> {
  const { db, coll } = splitNamespace(ns);
  const found = await atTarget(`a look at ${ns}`, () =>
    client.db(db).collection<AuthorizationDocument>(coll).findOne({ _id: id }, exact),
  );
  return found ?? undefined;
}

/** The restoring user and every role that it has, directly or through others; built-in roles have no document. */
async function readRestorer(client: MongoClient) {
  const reply = await atTarget('a look at its login', () => client.db('admin').command({ connectionStatus: 1 }));
  const { authenticatedUsers } = reply['authInfo'] as { authenticatedUsers: readonly { user: string; db: string }[] };
  const users: AuthorizationDocument[] = [];
  const roles = new Map<string, AuthorizationDocument>();
  for (const { user, db } of authenticatedUsers) {
    const document = await findById(client, 'admin.system.users', `${db}.${user}`);
    if (document) users.push(document);
  }
  const queue = users.flatMap(rolesOf);
  for (let next = queue.pop(); next; next = queue.pop()) {
    const id = roleId(next);
    const document = roles.has(id) ? undefined : await findById(client, 'admin.system.roles', id);
    if (!document) continue;
    roles.set(id, document);
    queue.push(...rolesOf(document));
  }
  return { users, roles: [...roles.values()] };
}

/** The restorer's own documents win over the backup's of the same name: it must not lose what it works with. */
async function keep(client: MongoClient, ns: string, documents: readonly AuthorizationDocument[]): Promise<string[]> {
  const { db, coll } = splitNamespace(ns);
  const collection = client.db(db).collection<AuthorizationDocument>(coll);
  const replaced: string[] = [];
  for (const document of documents) {
    const present = await findById(client, ns, document._id);
    if (present && BSON.EJSON.stringify(present) !== BSON.EJSON.stringify(document)) replaced.push(document._id);
    await atTarget(`a copy of ${document._id}`, () =>
      collection.replaceOne({ _id: document._id }, document, { upsert: true }),
    );
  }
  return replaced;
}

/** Drops what a broken try may have left. */
export async function dropTemporaryUsers(client: MongoClient): Promise<void> {
  for (const ns of [temporaryUsers, temporaryRoles]) {
    const { db, coll } = splitNamespace(ns);
    await atTarget(`the removal of ${ns}`, () => client.db(db).collection(coll).drop());
  }
}

export interface MergedUsers {
  /** What the backup held of the databases that were merged. */
  readonly users: number;
  readonly roles: number;
  readonly warnings: readonly string[];
}

/** One step; with a database only its users and roles are replaced, and everyone else's are left alone. */
async function mergeDatabase(client: MongoClient, db: string): Promise<void> {
  await atTarget('the merge of users and roles', () =>
    client.db('admin').command({
      _mergeAuthzCollections: 1,
      tempUsersCollection: temporaryUsers,
      tempRolesCollection: temporaryRoles,
      db,
      drop: true,
      // A majority has it when the next mark is written.
      writeConcern: { w: 1 },
    }),
  );
}

/** Databases that the backup has users or roles of; what is kept for the restorer does not count. */
async function databasesHeld(client: MongoClient): Promise<Set<string>> {
  const names = [temporaryUsers, temporaryRoles].map((ns) => {
    const { db, coll } = splitNamespace(ns);
    return atTarget(`a look at ${ns}`, () => client.db(db).collection(coll).distinct('db'));
  });
  return new Set((await Promise.all(names)).flat().map(String));
}

/**
 * Makes the users and roles of the temporary collections the target's, and keeps the restoring user with its roles:
 * `_mergeAuthzCollections` removes everyone else (consistency rule 18). Safe to run again.
 * @param databases only users and roles of these are replaced, one database after the other; of a database that the
 * backup has none of, the target keeps its own. Default: everyone, in one step
 * @returns what the backup held; warnings where the restorer's own user or role differs from the backup's, where the
 * backup has no user of a database, and where a role that was given to someone is not in the target
 * @throws RestoreRejected, MissingPrivileges
 */
export async function mergeUsers(client: MongoClient, databases?: readonly string[]): Promise<MergedUsers> {
  const held = await databasesHeld(client);
  const merged = databases?.filter((db) => held.has(db));
  const count = (ns: string) => {
    const { db, coll } = splitNamespace(ns);
    const filter = merged ? { db: { $in: merged } } : {};
    return atTarget(`a count of ${ns}`, () => client.db(db).collection(coll).countDocuments(filter));
  };
  const counts = { users: await count(temporaryUsers), roles: await count(temporaryRoles) };
  const restorer = await readRestorer(client);
  const isMerged = ({ db }: AuthorizationDocument) => merged?.includes(db) ?? true;
  const replaced = [
    ...(await keep(client, temporaryUsers, restorer.users.filter(isMerged))),
    ...(await keep(client, temporaryRoles, restorer.roles.filter(isMerged))),
  ];
  for (const db of merged ?? ['']) await mergeDatabase(client, db);
  await dropTemporaryUsers(client);
  const warnings = [
    ...replaced.map((id) => `${id} is the restoring user's own and was not replaced by the backup's.`),
    ...(databases ?? [])
      .filter((db) => !held.has(db))
      .map((db) => `The backup holds no user and no role of the database ${db}: the target's were left as they are.`),
    ...(merged ? await findMissingRoles(client, merged) : []),
  ];
  return { ...counts, warnings };
}
