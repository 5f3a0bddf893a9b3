import type { DatabaseState } from '../../../local/proof/deployment-state.ts';
import type { Expected } from './exactness.ts';

/** What an operation in progress makes and then renames: `$out`, convertToCapped. */
const isTemporary = (options: unknown): boolean => (options as { readonly temp?: unknown } | null)?.temp === true;

function without(database: DatabaseState, names: ReadonlySet<string>): DatabaseState {
  const kept = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !names.has(name)));
  // The hash of the database is of all its collections: each of them is compared by itself.
  const { collectionHashes, collections } = database;
  return { collectionHashes: kept(collectionHashes), collections: kept(collections) };
}

/**
 * A server that starts alone drops the temporary collections of its files (mongod's startup_recovery.cpp, 6.0): restored
 * files are compared with what the source held but for these. Found files lose nothing else by this: a collection that is
 * temporary in the source alone is expected no more, and one that is in the files is still a difference.
 */
export function withoutTemporaryCollections(
  expected: Expected,
  found: Expected,
): [expected: Expected, found: Expected] {
  const [wanted, actual] = [{ ...expected.state.databases }, { ...found.state.databases }];
  const identities = { ...expected.identities };
  for (const [name, database] of Object.entries(wanted)) {
    const { collections } = database;
    const temporary = Object.keys(collections).filter((each) => isTemporary(collections[each]?.options));
    if (temporary.length === 0) continue;
    for (const each of temporary) Reflect.deleteProperty(identities, `${name}.${each}`);
    wanted[name] = without(database, new Set(temporary));
    const there = actual[name];
    if (there) actual[name] = without(there, new Set());
    else if (temporary.length === Object.keys(collections).length) Reflect.deleteProperty(wanted, name);
  }
  return [
    { state: { ...expected.state, databases: wanted }, identities },
    { state: { ...found.state, databases: actual }, identities: found.identities },
  ];
}
