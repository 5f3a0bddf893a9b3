import type { Source } from '../source/member-state.ts';
import { sourceError } from '../source/source-errors.ts';
import { isDumped } from './list-namespaces.ts';

/** Collections of `config` that servers up to 8.0 make themselves; `system.*`, `cache.*` and those of resharding besides. */
const serverOwned: ReadonlySet<string> = new Set([
  ...['actionlog', 'analyzeShardKeySplitPoints', 'changelog', 'clusterParameters', 'external_validation_keys'],
  ...['image_collection', 'lockpings', 'locks', 'migrationCoordinators', 'migrations', 'mongos', 'placementHistory'],
  ...['queryAnalyzers', 'rangeDeletions', 'reshardingOperations', 'sampledQueries', 'sampledQueriesDiff'],
  ...['sharding_configsvr_coordinators', 'tenantMigrationDonors', 'tenantMigrationRecipients', 'tenantSplitDonors'],
  ...['transaction_coordinators', 'transactions', 'vectorClock'],
]);
const serverOwnedGroup = /^(system|cache|shard|csrs|localReshardingOperations|localReshardingConflictStash)\./;

/** @returns whether a collection of `config` was made by a user, and is in no backup */
export function isLeftOut(name: string): boolean {
  return !isDumped('config', name) && !serverOwned.has(name) && !serverOwnedGroup.test(name);
}

/**
 * A user may write to `config`, and what is there is never carried (consistency rule 19): it must not be missed only
 * when it is needed.
 * @returns a warning that names the collections, or none
 * @throws MissingPrivileges, SourceUnreachable, MemberStateChanged
 */
export async function findLeftOutCollections({ client, member, signal }: Source): Promise<string[]> {
  try {
    const listed = await client.db('config').listCollections({}, { nameOnly: true, signal }).toArray();
    const names = listed.map(({ name }) => name).filter(isLeftOut);
    if (names.length === 0) return [];
    const shown = names.slice(0, 10).map((name) => `config.${name}`);
    return [
      `The database config belongs to the server: ${shown.join(', ')}${names.length > 10 ? ', …' : ''} ${names.length === 1 ? 'is' : 'are'} not in the backup. Keep data of yours in a database of its own.`,
    ];
  } catch (error) {
    throw sourceError(error, member, 'listing the collections of config');
  }
}
