import { join } from 'node:path';
import { collectionsStorage, hasStoredCollections } from '../src/application/restore-collections.ts';
import { storageOf } from '../src/application/run-folder.ts';
import type { WorkerDeps } from '../src/composition/compose-worker.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import type { RestorePlan } from '../src/domain/run-documents.ts';
import type { Settings } from '../src/domain/settings.ts';
import { type Workplace, workplaceIn } from '../src/engine/recover/workplace.ts';

/** Where a worker makes collections of files: in a folder, or on the volume of a kept snapshot, from which they go to the storage. */
export async function openWorkplace(
  plan: RestorePlan,
  { attempt, settings }: { readonly attempt: number; readonly settings: Settings },
  { volumePath, makeTemporaryFolder, openStorage }: WorkerDeps,
): Promise<Workplace> {
  const { scratch, runId, storage } = plan;
  if (scratch === undefined || !hasStoredCollections(plan)) return workplaceIn(await makeTemporaryFolder());
  if (volumePath === undefined) throw new HoldfastError('Internal', 'a worker without a volume recovers no snapshot');
  return {
    directory: join(volumePath, scratch.dataPath),
    inPlace: true,
    store: openStorage(collectionsStorage(storageOf(settings, storage), runId, attempt)),
    // Both go with the run: the volume by its task, the collections with the outcome.
    remove: () => Promise.resolve(),
  };
}
