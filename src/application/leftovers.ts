import { HoldfastError } from '../domain/errors.ts';
import { stateKeys } from '../domain/names.ts';
import { type Outcome, runIdPattern } from '../domain/run.ts';
import type { StepDeps } from './bind.ts';
import { readOutcome } from './run-folder.ts';

export interface LeftoverDeps extends StepDeps {
  readonly isRunning: (runId: string) => Promise<boolean>;
}

/**
 * How a run ended that something outside of its folder is left of, known by the run's id in a tag (ADR 0043).
 * @returns undefined for one that runs, or whose outcome the sweep of runs has yet to decide
 * @throws UnknownRun when the state has nothing of it: what it left may be somebody's, and only people can tell
 */
export async function outcomeOfEnded(runId: string, { state, isRunning }: LeftoverDeps): Promise<Outcome | undefined> {
  if (!runIdPattern.test(runId)) throw unknownRun(runId);
  if (await isRunning(runId)) return undefined;
  const outcome = await readOutcome(state, runId);
  if (outcome !== undefined) return outcome;
  for await (const { key } of state.list(stateKeys.run(runId))) if (key !== '') return undefined;
  throw unknownRun(runId);
}

function unknownRun(runId: string): HoldfastError {
  return new HoldfastError('UnknownRun', `the state has no run ${JSON.stringify(runId)}: it stays.`, {
    next: 'Delete it when nobody needs it (runbook: something is left in AWS).',
  });
}
