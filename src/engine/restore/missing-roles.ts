import type { Document, MongoClient } from 'mongodb';
import { atTarget } from './target-errors.ts';

interface Role {
  readonly role: string;
  readonly db: string;
}
interface Holder extends Document {
  readonly _id: string;
  readonly roles?: readonly Role[];
}

/** As many as a person reads in one line. */
const maxNamed = 20;
const roleId = ({ role, db }: Role) => `${db}.${role}`;

/** Which of the roles the target has, built-in ones included. */
async function readPresent(client: MongoClient, roles: readonly Role[]): Promise<Set<string>> {
  if (roles.length === 0) return new Set();
  const reply = await atTarget('a look at its roles', () =>
    client.db('admin').command({ rolesInfo: roles.map(({ role, db }) => ({ role, db })) }),
  );
  return new Set((reply['roles'] as readonly Role[]).map(roleId));
}

/**
 * Roles that users and roles of the databases have and the target does not: those of other databases, which were not
 * asked for. The server ignores such a role, so that its holders may do less than at the source.
 * @returns a warning, or none
 */
export async function findMissingRoles(client: MongoClient, databases: readonly string[]): Promise<string[]> {
  const holders: Holder[] = [];
  for (const name of ['system.users', 'system.roles'])
    holders.push(
      ...(await atTarget(`a look at admin.${name}`, () =>
        client
          .db('admin')
          .collection<Holder>(name)
          .find({ db: { $in: [...databases] } }, { projection: { roles: 1 } })
          .toArray(),
      )),
    );
  const granted = new Map(holders.flatMap(({ roles = [] }) => roles).map((role) => [roleId(role), role]));
  const present = await readPresent(client, [...granted.values()]);
  const missing = holders.flatMap(({ _id, roles = [] }) =>
    roles.filter((role) => !present.has(roleId(role))).map((role) => `${roleId(role)} of ${_id}`),
  );
  if (missing.length === 0) return [];
  const more = missing.length > maxNamed ? ` and ${missing.length - maxNamed} more` : '';
  return [
    `The target lacks roles that restored users and roles have: ${missing.slice(0, maxNamed).join(', ')}${more}. Restore the users of those databases too, or create the roles.`,
  ];
}
