import { describe, expect, it } from 'vitest';
import {
  type AuthInfo,
  backupRole,
  missingPrivileges,
  type Privilege,
  requiredPrivileges,
  restoreRole,
  roleCommands,
} from '../../../src/domain/privileges.ts';

const authInfo = (...privileges: NonNullable<AuthInfo['authenticatedUserPrivileges']>): AuthInfo => ({
  authenticatedUsers: [{ user: 'b', db: 'admin' }],
  authenticatedUserPrivileges: privileges,
});
const needed = (db: string, collection: string): Privilege[] => [{ resource: { db, collection }, actions: ['find'] }];
const granted = (resource: Record<string, unknown>) => authInfo({ resource, actions: ['find'] });

describe('missingPrivileges', () => {
  it('finds nothing missing for the role itself', () => {
    expect(
      missingPrivileges(
        authInfo(...backupRole().privileges.map(({ resource, actions }) => ({ resource: { ...resource }, actions }))),
      ),
    ).toEqual([]);
  });

  it('names every privilege of a user that has none', () => {
    const count = requiredPrivileges().reduce((sum, { actions }) => sum + actions.length, 0);
    const missing = missingPrivileges({ authenticatedUsers: [] });
    expect(missing).toHaveLength(count);
    expect(new Set(missing).size).toBe(count);
    expect(missing).toContain('replSetGetStatus on the cluster');
    expect(missing).toContain('find on every database');
    expect(missing).toContain('find on system.js of every database');
    expect(missing).toContain('find on local.oplog.rs');
    expect(missing).toContain('listCollections on the database config');
    expect(missing).toContain('find on every time-series bucket collection (system_buckets)');
  });

  it.each<[string, Record<string, unknown>, [string, string], boolean]>([
    ['any resource', { anyResource: true }, ['local', 'system.rollback.id'], true],
    ['every database covers an ordinary collection', { db: '', collection: '' }, ['shop', 'orders'], true],
    ['every database covers no system collection', { db: '', collection: '' }, ['shop', 'system.js'], false],
    ['every database covers nothing of local', { db: '', collection: '' }, ['local', 'oplog.rs'], false],
    ['every database covers nothing of config', { db: '', collection: '' }, ['config', ''], false],
    ['one database covers its ordinary collections', { db: 'local', collection: '' }, ['local', 'oplog.rs'], true],
    [
      'one database covers no system collection',
      { db: 'local', collection: '' },
      ['local', 'system.rollback.id'],
      false,
    ],
    ['one database covers no other', { db: 'shop', collection: '' }, ['local', 'oplog.rs'], false],
    ['a collection by name in every database', { db: '', collection: 'system.js' }, ['shop', 'system.js'], true],
    ['a collection covers no other', { db: 'local', collection: 'startup_log' }, ['local', 'oplog.rs'], false],
    ['one database does not cover every', { db: 'shop', collection: '' }, ['', ''], false],
    ['the cluster covers no collection', { cluster: true }, ['shop', 'orders'], false],
    ['buckets cover no collection', { system_buckets: '' }, ['shop', 'orders'], false],
  ])('%s', (_name, resource, [db, collection], covered) => {
    expect(missingPrivileges(granted(resource), needed(db, collection))).toHaveLength(covered ? 0 : 1);
  });

  it('reads the two ways in which servers write the resource of all buckets', () => {
    const buckets: Privilege[] = [{ resource: { db: '', system_buckets: '' }, actions: ['find'] }];
    expect(missingPrivileges(granted({ system_buckets: '' }), buckets)).toEqual([]);
    expect(missingPrivileges(granted({ db: '', system_buckets: '' }), buckets)).toEqual([]);
    expect(missingPrivileges(granted({ db: 'shop', system_buckets: '' }), buckets)).toHaveLength(1);
  });

  it('accepts anyAction for any action, where the resource is covered', () => {
    expect(missingPrivileges(authInfo({ resource: { anyResource: true }, actions: ['anyAction'] }))).toEqual([]);
  });
});

describe('the roles', () => {
  it('let the backup user do nothing but read', () => {
    const actions = new Set(backupRole().privileges.flatMap((privilege) => [...privilege.actions]));
    expect(
      [...actions].filter(
        (action) =>
          !/^(find|list\w+|collStats|getParameter|replSetGet(Config|Status)|serverStatus|useUUID)$/.test(action),
      ),
    ).toEqual([]);
  });

  it('ask for serverStatus, which a backup can do without', () => {
    const actions = (privileges: readonly Privilege[]) => privileges.flatMap((privilege) => privilege.actions);
    expect(actions(backupRole().privileges)).toContain('serverStatus');
    expect(actions(requiredPrivileges())).not.toContain('serverStatus');
    expect(requiredPrivileges()).toHaveLength(backupRole().privileges.length - 1);
  });

  it('are printed as mongosh commands, without a password', () => {
    const text = roleCommands(backupRole(), 'holdfast-backup');
    expect(text).toContain('db.createRole({');
    expect(text).toContain('{ resource: {"db":"local","collection":"oplog.rs"}, actions: ["find","collStats"] }');
    expect(text).toContain(
      'db.createUser({ user: "holdfast-backup", pwd: passwordPrompt(), roles: ["holdfastBackup"] })',
    );
    expect(roleCommands(restoreRole(), 'r')).toContain('{ resource: {"anyResource":true}, actions: ["anyAction"] }');
  });
});
