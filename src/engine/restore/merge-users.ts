import { BSON, type Document, type MongoClient } from 'mongodb';
import { splitNamespace } from '../../domain/names.ts';
import { temporaryRoles, temporaryUsers } from '../replay/carried-namespaces.ts';
import { atTarget } from './target-errors.ts';

/** A role or user document, of which only ids and references are looked at. */
interface AuthorizationDocument extends Document {
  readonly _id: string;
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

/**
 * Makes the users and roles of the temporary collections the target's, in one step, and keeps the restoring user with
 * its roles: `_mergeAuthzCollections` removes everyone else (consistency rule 18). Safe to run again.
 * @returns what the backup held; warnings where the restorer's own user or role differs from the backup's
 * @throws RestoreRejected, MissingPrivileges
 */
export async function mergeUsers(
  client: MongoClient,
): Promise<{ users: number; roles: number; warnings: readonly string[] }> {
  const count = (ns: string) => {
    const { db, coll } = splitNamespace(ns);
    return atTarget(`a count of ${ns}`, () => client.db(db).collection(coll).countDocuments());
  };
  const counts = { users: await count(temporaryUsers), roles: await count(temporaryRoles) };
  const restorer = await readRestorer(client);
  const replaced = [
    ...(await keep(client, temporaryUsers, restorer.users)),
    ...(await keep(client, temporaryRoles, restorer.roles)),
  ];
  await atTarget('the merge of users and roles', () =>
    client.db('admin').command({
      _mergeAuthzCollections: 1,
      tempUsersCollection: temporaryUsers,
      tempRolesCollection: temporaryRoles,
      db: '',
      drop: true,
      writeConcern: { w: 'majority' },
    }),
  );
  await dropTemporaryUsers(client);
  const warnings = replaced.map((id) => `${id} is the restoring user's own and was not replaced by the backup's.`);
  return { ...counts, warnings };
}
