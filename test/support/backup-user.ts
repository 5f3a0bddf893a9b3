import type { MongoClient } from 'mongodb';
import { backupRole, type RoleDefinition } from '../../src/domain/privileges.ts';

export interface TestUser {
  readonly username: string;
  readonly password: string;
  /** As a config's environment variable holds it. */
  readonly text: string;
}

/** Creates a role and a user that has it and nothing else, on as many members as `w` says. */
export async function createUserWithRole(
  root: MongoClient,
  username: string,
  role: RoleDefinition = backupRole(),
  w: number | 'majority' = 'majority',
): Promise<TestUser> {
  const admin = root.db('admin');
  const { privileges, roles } = role;
  const password = 'a:p@ss/word';
  await admin.command({ createRole: `${username}Role`, privileges, roles });
  const writeConcern = { w };
  await admin.command({ createUser: username, pwd: password, roles: [`${username}Role`], writeConcern });
  return { username, password, text: `${username}:${password}` };
}
