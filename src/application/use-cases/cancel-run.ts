import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { runIdPattern } from '../../domain/run.ts';
import { createDocument } from '../documents.ts';
import type { Clock } from '../ports/clock.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { RunHistory } from '../ports/run-history.ts';

export interface CancelRunDeps {
  readonly state: ObjectStore;
  readonly clock: Clock;
  readonly history: RunHistory;
}

/**
 * Asks a run to stop: every state looks for the request when it begins, the worker every second or so. Whether the run is
 * cancelled is decided by its clean-up: one that completes first stays complete. @throws UnknownRun
 */
export async function cancelRun(runId: string, deps: CancelRunDeps): Promise<void> {
  if (!runIdPattern.test(runId) || (await deps.history.find(runId)) === undefined) {
    throw new HoldfastError('UnknownRun', `there is no run ${runId} in ${deps.state.description}`);
  }
  await createDocument(deps.state, stateKeys.cancel(runId), { requestedAt: deps.clock.now().toISOString() });
}
