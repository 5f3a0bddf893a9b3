import { stateKeys } from '../../domain/names.ts';
import { releaseLease } from './release-lease.ts';
import { settleDeadRun, type SweepDeps } from './sweep-runs.ts';

/**
 * Cleans up after a run whose workflow has just ended: StopExecution and the machine's own timeout run no Catch. A run
 * that cleaned up itself is left alone; whatever fails here, the sweep does again.
 */
export async function settleEndedRun(runId: string, deps: SweepDeps): Promise<{ readonly settled: boolean }> {
  if (await deps.executions.isRunning(runId)) return { settled: false };
  if ((await deps.state.head(stateKeys.settled(runId))) !== undefined) return { settled: false };
  await settleDeadRun(runId, deps);
  await releaseLease({ runId, state: 'Settle Ended Run', retry: 0 }, deps);
  return { settled: true };
}
