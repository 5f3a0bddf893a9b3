import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { type Outcome, type Progress, progressSchema, runIdPattern } from '../../domain/run.ts';
import { planSchema, runRequestSchema, type StepError, stepErrorSchema } from '../../domain/run-documents.ts';
import { findDocument } from '../documents.ts';
import type { Executions } from '../ports/executions.ts';
import type { RunStatus } from '../ports/holdfast-client.ts';
import type { Logger } from '../ports/logger.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { RunHistory, RunRecord } from '../ports/run-history.ts';
import { readOutcome } from '../run-folder.ts';

/** How many runs are shown when none is named. */
const shownRuns = 20;

export interface RunStatusDeps {
  readonly state: ObjectStore;
  readonly history: RunHistory;
  readonly executions: Executions;
  readonly logger: Logger;
}

/** One run, or the newest twenty, newest first; of whatever process. @throws UnknownRun */
export async function runStatus(runId: string | undefined, deps: RunStatusDeps): Promise<readonly RunStatus[]> {
  if (runId !== undefined) return [await showRun(runId, deps)];
  const known: RunStatus[] = [];
  // One after the other: thousands of histories at once would use up the process's file handles.
  for (const run of await deps.history.newest(shownRuns)) {
    const status = await describeReadableRun(run, deps);
    if (status !== undefined) known.push(status);
  }
  return known.sort((a, b) => b.startedAt.localeCompare(a.startedAt)).slice(0, shownRuns);
}

/** For a list: a run that can't be read is told and left out, so that it does not hide the others. */
async function describeReadableRun(runId: string, deps: RunStatusDeps): Promise<RunStatus | undefined> {
  try {
    return await describeRun(runId, deps);
  } catch (error) {
    if (!isHoldfastError(error, 'CorruptObject', 'UnsupportedFormat')) throw error;
    deps.logger.error('a run can not be shown', { runId, reason: error.message });
    return undefined;
  }
}

/** @throws UnknownRun */
export async function showRun(runId: string, deps: RunStatusDeps): Promise<RunStatus> {
  const status = runIdPattern.test(runId) ? await describeRun(runId, deps) : undefined;
  if (status === undefined)
    throw new HoldfastError('UnknownRun', `there is no run ${runId} in ${deps.state.description}`);
  return status;
}

async function describeRun(runId: string, deps: RunStatusDeps): Promise<RunStatus | undefined> {
  const found = await findRecord(runId, deps);
  if (found === undefined) return undefined;
  const { record, running } = found;
  const request = await findDocument(deps.state, stateKeys.runRequest(runId), runRequestSchema);
  const plan = await findDocument(deps.state, stateKeys.plan(runId), planSchema);
  const progress = await findDocument(deps.state, stateKeys.progress(runId), progressSchema);
  const outcome = await readOutcome(deps.state, runId);
  const lastFailure = running ? await findLastFailure(runId, progress, deps) : undefined;
  const settled = (await deps.state.head(stateKeys.settled(runId))) !== undefined;
  const status = statusWord(record, running, outcome, settled);
  return {
    runId,
    workflow: record.workflow,
    deployment: plan?.deployment ?? (request?.workflow === 'backup' ? request.deployment : null),
    startedAt: record.startedAt.toISOString(),
    endedAt: endOf(record, running, outcome),
    status,
    state: record.state,
    progress: progress === undefined ? [] : [progress],
    ...lastFailure,
    output: record.output ?? null,
    error: outcome?.error ?? (status === 'succeeded' ? null : record.error),
  };
}

async function findRecord(
  runId: string,
  { history, executions }: RunStatusDeps,
): Promise<{ readonly record: RunRecord; readonly running: boolean } | undefined> {
  const record = await history.find(runId);
  if (record === undefined || record.endedAt !== null) return record && { record, running: false };
  if (await executions.isRunning(runId)) return { record, running: true };
  // One that ended between the two looks has an end and an output by now.
  return { record: (await history.find(runId)) ?? record, running: false };
}

/** A member that is away is waited for, for half an hour: who looks meanwhile sees why nothing moves. */
async function findLastFailure(
  runId: string,
  progress: Progress | undefined,
  { state }: RunStatusDeps,
): Promise<Pick<RunStatus, 'lastFailure'>> {
  let last: StepError | undefined;
  for await (const { key } of state.list(stateKeys.errors(runId))) {
    const failure = await findDocument(state, key, stepErrorSchema);
    if (failure !== undefined && failure.at > (last?.at ?? progress?.updatedAt ?? '')) last = failure;
  }
  return last === undefined
    ? {}
    : { lastFailure: { state: last.state, attempt: last.attempt, at: last.at, error: last.error } };
}

/** A run whose process died has ended when its outcome was decided. */
function endOf({ endedAt }: RunRecord, running: boolean, outcome: Outcome | undefined): string | null {
  if (endedAt !== null) return endedAt.toISOString();
  return running || outcome === undefined ? null : outcome.at;
}

/**
 * The outcome says how a run ended; while the workflow still cleans up after it, the run is running. One that is decided
 * as completed has succeeded only when its manifest is written too, which the next sweep tries again.
 */
function statusWord(
  record: RunRecord,
  running: boolean,
  outcome: Outcome | undefined,
  settled: boolean,
): RunStatus['status'] {
  if (running) return 'running';
  if (outcome !== undefined && outcome.status !== 'completed') return outcome.status;
  if (outcome !== undefined && settled) return 'succeeded';
  if (outcome !== undefined) return record.status === 'failed' ? 'failed' : 'interrupted';
  if (record.status === 'succeeded') return 'duplicate';
  return record.status === 'failed' ? 'failed' : 'interrupted';
}
