import { HoldfastError } from '../domain/errors.ts';
import { artifactKeys } from '../domain/names.ts';
import type { RestorePlan } from '../domain/run-documents.ts';
import type { StorageSettings } from '../domain/settings.ts';
import type { StepDeps } from './bind.ts';
import { type OpenStorage, readConfig, storageOf } from './run-folder.ts';

/**
 * Collections of a kept snapshot on their way to a running server. The volume is as full as its owner left it, and its file
 * system does not grow with it: they lie in the storage of the backup meanwhile, and are deleted with the outcome.
 */

/** Whether the collections of a restore lie in the storage. */
export const hasStoredCollections = ({ scratch }: Pick<RestorePlan, 'scratch'>): boolean =>
  scratch !== undefined && scratch.snapshot !== null;

/** A folder of the storage for each worker: what another one had begun is none of its business. */
export function collectionsStorage(storage: StorageSettings, runId: string, attempt: number): StorageSettings {
  if (storage.type === 's3')
    return { ...storage, prefix: `${storage.prefix}${artifactKeys.collections(runId)}${attempt}/` };
  throw new HoldfastError('Internal', `the storage ${storage.name} is no place for the collections of ${runId}`);
}

/** Deletes what any worker of a run that is over has left there. Re-entrant; nothing there is no fault. @throws the storage's errors */
export async function deleteCollections(
  plan: RestorePlan,
  deps: StepDeps & { readonly openStorage: OpenStorage },
): Promise<void> {
  if (!hasStoredCollections(plan)) return;
  const { runId, storage: name } = plan;
  const storage = deps.openStorage(storageOf(await readConfig(deps.state, runId), name));
  const prefix = artifactKeys.collections(runId);
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  await storage.delete(keys);
  await storage.discardUnfinished(prefix);
}
