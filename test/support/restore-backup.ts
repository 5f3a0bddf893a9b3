import { MongoClient } from 'mongodb';
import type { ObjectStore } from '../../src/application/ports/object-store.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { RestoreResult } from '../../src/domain/restore-result.ts';
import { removeMark } from '../../src/engine/restore/restore-mark.ts';
import { restorePart, type RestorePartInput } from '../../src/engine/restore/restore-part.ts';
import { onlyPart, silentLogger, systemClock } from './take-backup.ts';

/** The only part of a backup, as a worker restores it: afterwards the target carries the run's mark. */
export function restoreOnlyPart(
  client: MongoClient,
  store: ObjectStore,
  manifest: Manifest,
  input: Partial<RestorePartInput> = {},
): Promise<RestoreResult> {
  return restorePart(
    {
      runId: 'restore-1',
      manifest,
      part: onlyPart(manifest).name,
      restoreTime: manifest.restoreTime ?? { t: 0, i: 0 },
      parallel: 2,
      users: false,
      keepExpired: false,
      ...input,
    },
    {
      client,
      store,
      clock: systemClock,
      logger: silentLogger,
      signal: new AbortController().signal,
      onProgress: () => {},
    },
  );
}

/** A whole restore with the engine alone, as one that wins its outcome. */
export async function restoreBackup(...args: Parameters<typeof restoreOnlyPart>): Promise<RestoreResult> {
  const result = await restoreOnlyPart(...args);
  await removeMark(args[0], args[3]?.runId ?? 'restore-1');
  return result;
}

/** The mark that a run left in its target. */
export function markOf(client: MongoClient, run = 'restore-1') {
  return client.db('holdfast_restore').collection(run).findOne();
}

/** A user with the restore role and nothing else. @param root may create users there */
export async function connectRestorer(root: MongoClient, host: string): Promise<MongoClient> {
  const admin = root.db('admin');
  const anything = { resource: { anyResource: true }, actions: ['anyAction'] };
  await admin.command({ createRole: 'holdfastRestore', privileges: [anything], roles: [] });
  await admin.command({ createUser: 'restorer', pwd: 'for this test', roles: ['holdfastRestore'] });
  return new MongoClient(`mongodb://${host}/?directConnection=true`, {
    auth: { username: 'restorer', password: 'for this test' },
  });
}
