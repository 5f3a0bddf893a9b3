import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { asHoldfastError } from '../domain/failure.ts';
import { artifactKeys, stateKeys } from '../domain/names.ts';
import {
  type LeftCollections,
  type RestorePlan,
  restorePlanSchema,
  type SweptCollections,
} from '../domain/run-documents.ts';
import type { StorageSettings } from '../domain/settings.ts';
import type { StepDeps } from './bind.ts';
import { createDocument, readDocument } from './documents.ts';
import { type OpenStorage, readConfig, storageOf } from './run-folder.ts';
import { discardUnfinished } from './stored-objects.ts';

/**
 * Collections of a kept snapshot on their way to a running server. The volume is as full as its owner left it, and its file
 * system does not grow with it: they lie in the storage of the backup meanwhile, and are deleted with the outcome.
 */

/** What is left is tried again for so long: a user who may not delete would be told of it for ever. */
const givenUpDays = 30;

/** Whether the collections of a restore lie in the storage. */
export const hasStoredCollections = ({ scratch }: Pick<RestorePlan, 'scratch'>): boolean =>
  scratch !== undefined && scratch.snapshot !== null;

/** A folder of the storage for each worker: what another one had begun is none of its business. */
export function collectionsStorage(storage: StorageSettings, runId: string, attempt: number): StorageSettings {
  if (storage.type === 's3')
    return { ...storage, prefix: `${storage.prefix}${artifactKeys.collections(runId)}${attempt}/` };
  throw new HoldfastError('Internal', `the storage ${storage.name} is no place for the collections of ${runId}`);
}

type CollectionsDeps = StepDeps & { readonly openStorage: OpenStorage };

/** Deletes what any worker of a run that is over has left there. Re-entrant; nothing there is no fault. @throws the storage's errors */
async function deleteCollections({ runId, storage: name }: RestorePlan, deps: CollectionsDeps): Promise<void> {
  const storage = deps.openStorage(storageOf(await readConfig(deps.state, runId), name));
  const prefix = artifactKeys.collections(runId);
  try {
    const keys: string[] = [];
    for await (const { key } of storage.list(prefix)) keys.push(key);
    await storage.delete(keys);
  } catch (error) {
    // They went with their bucket.
    if (isHoldfastError(error, 'StorageNotFound')) return;
    throw error;
  }
  await discardUnfinished({ runId, prefix }, storage, deps);
}

/**
 * Deletes them when the outcome is decided. What can't be deleted now is written down, and the sweep's: no reason to keep back
 * how the run ended.
 * @returns what is left, in words
 */
export async function settleCollections(plan: RestorePlan, deps: CollectionsDeps): Promise<string | undefined> {
  if (!hasStoredCollections(plan)) return undefined;
  try {
    await deleteCollections(plan, deps);
    return undefined;
  } catch (error) {
    const { runId } = plan;
    const left = describeLeft(plan, error);
    deps.logger.warn(left, { runId });
    const record: LeftCollections = { schemaVersion: 1, at: deps.clock.now().toISOString(), reason: left };
    await createDocument(deps.state, stateKeys.leftCollections(runId), record);
    return left;
  }
}

const describeLeft = ({ runId, storage }: RestorePlan, error: unknown): string =>
  `collections of the restore are left in the storage ${storage}, below ${artifactKeys.collections(runId)} (${asHoldfastError(error).message}): the sweep tries again, and they may be deleted by hand`;

/**
 * Deletes what {@link settleCollections} had to leave. After a month nobody tries any more, and an error in the log says so.
 * @throws the storage's errors, until then
 */
export async function sweepCollections(runId: string, deps: CollectionsDeps): Promise<void> {
  const plan = await readDocument(deps.state, stateKeys.plan(runId), restorePlanSchema);
  try {
    await deleteCollections(plan, deps);
  } catch (error) {
    const age = deps.clock.now().getTime() - Date.parse(plan.createdAt);
    if (age < givenUpDays * 24 * 60 * 60 * 1000) throw error;
    deps.logger.error('collections of a restore are given up: delete them by hand', {
      ...{
        runId,
        storage: plan.storage,
        prefix: artifactKeys.collections(runId),
        reason: asHoldfastError(error).message,
      },
    });
  }
  const record: SweptCollections = { schemaVersion: 1, at: deps.clock.now().toISOString() };
  await createDocument(deps.state, stateKeys.sweptCollections(runId), record);
}
