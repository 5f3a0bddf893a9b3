import type { Timestamp } from '../../src/domain/timestamp.ts';
import { type DeploymentState, readDeploymentState } from '../proof/deployment-state.ts';
import { findDifferences } from '../proof/differences.ts';
import type { MongoClient } from 'mongodb';
import type { Screen } from './screen.ts';
import { formatCount, formatMoment } from './units.ts';

export interface Proof {
  readonly differences: readonly string[];
  readonly summary: string;
}

const number = (value: unknown): number => Number((value as { $numberInt?: string } | undefined)?.$numberInt ?? 0);

function rowsOf(source: DeploymentState, restored: DeploymentState): string[][] {
  return Object.entries(source.databases).flatMap(([db, database]) =>
    Object.entries(database.collections).map(([name, collection]) => {
      const hash = database.collectionHashes[name];
      const other = restored.databases[db]?.collectionHashes[name];
      // Views have no contents of their own; those of a time-series are its buckets.
      const short = (text: string | undefined) => text?.slice(0, 12) ?? '-';
      const { type, count, indexes = [] } = collection;
      const counts = type === 'view' ? ['view', ''] : [formatCount(number(count)), String(indexes.length)];
      return [`${db}.${name}`, ...counts, short(hash), short(other), hash === other ? 'equal' : 'DIFFERENT'];
    }),
  );
}

function summarise(source: DeploymentState): string {
  const collections = Object.values(source.databases).flatMap(({ collections }) => Object.entries(collections));
  // The buckets of a time-series are its storage: its documents are counted once.
  const own = collections.filter(([name]) => !name.startsWith('system.'));
  const documents = own.reduce((sum, [, { count }]) => sum + number(count), 0);
  const indexes = own.reduce((sum, [, collection]) => sum + (collection.indexes?.length ?? 0), 0);
  const [users, roles] = [source.users ?? {}, source.roles ?? {}].map((rows) => Object.keys(rows).length);
  return `${formatCount(documents)} documents in ${own.length} collections, ${indexes} indexes, ${users ?? 0} users, ${roles ?? 0} roles`;
}

/** Compares contents, options, indexes, users and roles of two servers, and shows the hashes side by side. */
export async function prove(
  screen: Screen,
  frozen: MongoClient,
  restored: MongoClient,
  restorer: { readonly user: string; readonly role: string },
): Promise<Proof> {
  const [source, target] = await Promise.all([
    readDeploymentState(frozen),
    readDeploymentState(restored, { withoutUsers: [restorer.user], withoutRoles: [restorer.role] }),
  ]);
  screen.table(['collection', 'documents', 'indexes', 'source at T', 'restored', ''], rowsOf(source, target));
  return { differences: findDifferences(source, target), summary: summarise(source) };
}

/** How the state of the source at a past moment is known. */
export function explainFreezing(time: Timestamp): string {
  return [
    `The source went on writing, so T = ${formatMoment(time)} was made again without Holdfast:`,
    "an ordinary member's files from before the backup, and MongoDB's own recovery of them with the set's oplog up to T.",
  ].join('\n');
}
