import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { MongoClient } from 'mongodb';
import type { RoleDefinition } from '../../src/domain/privileges.ts';

/**
 * Creates a role and a user that has nothing else, as the product's documentation tells administrators to, and writes
 * `user:password` to a file that only its owner can read.
 */
export async function createUserInFile(
  client: MongoClient,
  role: RoleDefinition,
  user: string,
  file: string,
): Promise<void> {
  const pwd = randomBytes(12).toString('hex');
  const admin = client.db('admin');
  await admin.command({ createRole: role.createRole, privileges: role.privileges, roles: role.roles });
  await admin.command({ createUser: user, pwd, roles: [role.createRole] });
  await writeFile(file, `${user}:${pwd}`, { mode: 0o600 });
}
