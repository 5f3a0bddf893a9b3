import { hasEbsVolumes, type VolumeSettings } from './ebs-settings.ts';

/** What the database users of Holdfast may do: exactly the actions used (each was run with nothing else on MongoDB 6.0). */

export type PrivilegeResource =
  | { readonly cluster: true }
  | { readonly anyResource: true }
  | { readonly db: string; readonly collection: string }
  | { readonly db: string; readonly system_buckets: string };

export interface Privilege {
  readonly resource: PrivilegeResource;
  readonly actions: readonly string[];
}

export interface RoleDefinition {
  readonly createRole: string;
  readonly privileges: readonly Privilege[];
  readonly roles: readonly [];
}

/** The part of `connectionStatus {showPrivileges: true}` that tells what the connected user may do. */
export interface AuthInfo {
  readonly authenticatedUsers: readonly { readonly user: string; readonly db: string }[];
  readonly authenticatedUserPrivileges?: readonly {
    readonly resource: Readonly<Record<string, unknown>>;
    readonly actions: readonly string[];
  }[];
}

const on = (db: string, collection: string, ...actions: string[]): Privilege => ({
  resource: { db, collection },
  actions,
});

/** The cache pressure of the member that is read is watched with it; a backup by a user without it is only less considerate. */
const watchCache: Privilege = { resource: { cluster: true }, actions: ['serverStatus'] };

/** Only for deployments with `lock: true`: to see a lock, to take it and to give it back. */
const lockPrivileges: readonly Privilege[] = [{ resource: { cluster: true }, actions: ['inprog', 'fsync', 'unlock'] }];

/** Only for deployments on EBS: where the data lies, so that a plan can tell what of it can be mounted. Without it nobody can. */
const seeDataPlace: Privilege = { resource: { cluster: true }, actions: ['hostInfo', 'getCmdLineOpts'] };

/** Likewise: how large the file system under the data is, which shows a volume that is not it. */
const seeFileSystem = on('local', '', 'dbStats');

/** What a deployment's settings ask of its backup user. */
export interface RoleOptions extends VolumeSettings {
  /** `lock: true`. */
  readonly lock?: boolean | undefined;
}

/** What a backup can't be taken without: of the backup role all but what makes it more considerate. */
export function requiredPrivileges(options: RoleOptions = {}): readonly Privilege[] {
  const dispensable = [watchCache.actions, seeDataPlace.actions, seeFileSystem.actions];
  return backupRole(options).privileges.filter(({ actions }) => !dispensable.includes(actions));
}

/**
 * The role of the backup user. `{db: '', collection: ''}` covers no system collection, nothing of local and nothing of
 * config, so each of those is named. No action writes or stops anything, and none locks unless the settings allow it.
 */
export function backupRole(options: RoleOptions = {}): RoleDefinition {
  return {
    createRole: 'holdfastBackup',
    privileges: [
      {
        resource: { cluster: true },
        // useUUID: collections are read by UUID, so that a rename meanwhile does not matter.
        actions: ['replSetGetConfig', 'replSetGetStatus', 'getParameter', 'listDatabases', 'useUUID'],
      },
      watchCache,
      on('', '', 'find', 'listCollections', 'listIndexes'),
      { resource: { db: '', system_buckets: '' }, actions: ['find', 'listIndexes'] },
      on('', 'system.js', 'find', 'listIndexes'),
      on('', 'system.views', 'find', 'listIndexes'),
      on('admin', 'system.users', 'find', 'listIndexes'),
      on('admin', 'system.roles', 'find', 'listIndexes'),
      on('admin', 'system.version', 'find', 'listIndexes'),
      on('config', '', 'find', 'listCollections', 'listIndexes'),
      // collStats: how full the oplog is tells how long it will hold an entry.
      on('local', 'oplog.rs', 'find', 'collStats'),
      on('local', 'system.rollback.id', 'find'),
      on('local', 'replset.initialSyncId', 'find'),
      ...(options.lock === true ? lockPrivileges : []),
      ...(hasEbsVolumes(options) ? [seeDataPlace, seeFileSystem] : []),
    ],
    roles: [],
  };
}

/** The role of the restore user: applyOps with UUIDs and _mergeAuthzCollections need anyAction (consistency rule 18). */
export function restoreRole(): RoleDefinition {
  return {
    createRole: 'holdfastRestore',
    privileges: [{ resource: { anyResource: true }, actions: ['anyAction'] }],
    roles: [],
  };
}

/** What inspecting a standalone needs: it has neither a replica set nor an oplog to read. */
export function standalonePrivileges({ lock = false }: RoleOptions = {}): readonly Privilege[] {
  return [{ resource: { cluster: true }, actions: ['getParameter'] }, ...(lock ? lockPrivileges : [])];
}

const ordinary = (db: string, collection: string) =>
  !collection.startsWith('system.') && db !== 'local' && db !== 'config';

function coversNamespace(granted: Readonly<Record<string, unknown>>, db: string, collection: string): boolean {
  if (granted['system_buckets'] !== undefined || typeof granted['collection'] !== 'string') return false;
  if (granted['db'] === '' && granted['collection'] === '') return ordinary(db, collection);
  if (granted['db'] !== '' && granted['db'] !== db) return false;
  return granted['collection'] === collection || (granted['collection'] === '' && !collection.startsWith('system.'));
}

/** Whether a privilege on the resource `granted`, as the server reports it, covers the resource `needed`. */
function covers(granted: Readonly<Record<string, unknown>>, needed: PrivilegeResource): boolean {
  if (granted['anyResource'] === true) return true;
  if ('cluster' in needed) return granted['cluster'] === true;
  if ('anyResource' in needed) return false;
  if ('system_buckets' in needed) {
    const sameBuckets = granted['system_buckets'] === '' || granted['system_buckets'] === needed.system_buckets;
    // 6.0.5 leaves db out of the answer where it is "".
    return sameBuckets && ['', undefined, needed.db].includes(granted['db'] as string | undefined);
  }
  return coversNamespace(granted, needed.db, needed.collection);
}

/** `find on every system.js`, `replSetGetStatus on the cluster`: a privilege as a message names it. */
export function describeResource(resource: PrivilegeResource): string {
  if ('cluster' in resource) return 'the cluster';
  if ('anyResource' in resource) return 'any resource';
  if ('system_buckets' in resource) return 'every time-series bucket collection (system_buckets)';
  const { db, collection } = resource;
  if (db === '') return collection === '' ? 'every database' : `${collection} of every database`;
  return collection === '' ? `the database ${db}` : `${db}.${collection}`;
}

/**
 * The privileges of `needed` that the connected user lacks, as `<action> on <resource>`; empty when it has them all.
 * @param authInfo of `connectionStatus {showPrivileges: true}`.
 */
export function missingPrivileges(authInfo: AuthInfo, needed: readonly Privilege[] = requiredPrivileges()): string[] {
  const granted = authInfo.authenticatedUserPrivileges ?? [];
  return needed.flatMap(({ resource, actions }) =>
    actions
      .filter(
        (action) =>
          !granted.some(
            (privilege) =>
              covers(privilege.resource, resource) &&
              (privilege.actions.includes(action) || privilege.actions.includes('anyAction')),
          ),
      )
      .map((action) => `${action} on ${describeResource(resource)}`),
  );
}

/** The users that the commands for people create; any name will do. */
export const suggestedUsers = { backup: 'holdfast-backup', restore: 'holdfast-restore' } as const;

/** The commands for mongosh that make a role and its user; the password is asked for, never part of the text. */
export function roleCommands(role: RoleDefinition, user: string): string {
  const privileges = role.privileges.map(
    ({ resource, actions }) => `    { resource: ${JSON.stringify(resource)}, actions: ${JSON.stringify(actions)} },`,
  );
  return [
    'use admin',
    'db.createRole({',
    `  role: ${JSON.stringify(role.createRole)},`,
    '  privileges: [',
    ...privileges,
    '  ],',
    '  roles: [],',
    '})',
    `db.createUser({ user: ${JSON.stringify(user)}, pwd: passwordPrompt(), roles: [${JSON.stringify(role.createRole)}] })`,
  ].join('\n');
}
