import { requireHeldLease } from '../src/application/leases.ts';
import type { ObjectStore } from '../src/application/ports/object-store.ts';
import { refuseWhenCancelled } from '../src/application/run-folder.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import { stateKeys } from '../src/domain/names.ts';
import type { BackupPlan } from '../src/domain/run.ts';
import type { WorkerTask } from '../src/domain/run-documents.ts';

/**
 * Before each pack and slice, and at the end: the run still goes on, holds its lease, and no later worker was started for
 * the part. @throws Cancelled, LeaseLost
 */
export async function requireStillWanted(task: WorkerTask, plan: BackupPlan, state: ObjectStore): Promise<void> {
  await refuseWhenCancelled(state, task.runId);
  await requireHeldLease(state, plan, task.fence);
  const later = stateKeys.task(task.runId, `${task.command}-${task.part}-${task.attempt + 1}`);
  if ((await state.head(later)) === undefined) return;
  throw new HoldfastError('LeaseLost', `a later worker took over the part ${task.part}`);
}
