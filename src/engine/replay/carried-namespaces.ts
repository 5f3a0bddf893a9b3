import { splitNamespace } from '../../domain/names.ts';
import { markDatabase } from '../restore/restore-mark.ts';

/** Collections of admin that users and roles are loaded and replayed into, until they are merged (consistency rule 18). */
export const temporaryUsers = 'admin.holdfast_users';
export const temporaryRoles = 'admin.holdfast_roles';

const usersAndRoles: ReadonlyMap<string, string> = new Map([
  ['admin.system.users', temporaryUsers],
  ['admin.system.roles', temporaryRoles],
]);

/** Server-private collections of admin: their content belongs to the server that wrote it (consistency rule 19). */
const neverCarried: ReadonlySet<string> = new Set([
  'admin.system.keys',
  'admin.system.version',
  'admin.system.new_users',
  'admin.system.backup_users',
]);

/**
 * Where a collection of the source goes in the target: its own name for nearly all; a temporary one for users and
 * roles; undefined for what is never carried to a running replica set: `local`, `config`, the server's own (rule 19), and the
 * mark that a restore which did not finish left in the source.
 * @param users whether users and roles are restored
 */
export function targetNamespace(ns: string, users: boolean): string | undefined {
  const { db, coll } = splitNamespace(ns);
  if (db === 'local' || db === 'config' || db === markDatabase || neverCarried.has(ns) || coll === 'system.profile')
    return undefined;
  const temporary = usersAndRoles.get(ns);
  if (temporary !== undefined) return users ? temporary : undefined;
  return ns;
}
