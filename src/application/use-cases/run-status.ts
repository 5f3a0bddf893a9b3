import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import { type Outcome, progressSchema, runIdPattern } from '../../domain/run.ts';
import { planSchema, runRequestSchema } from '../../domain/run-documents.ts';
import { findDocument } from '../documents.ts';
import type { Executions } from '../ports/executions.ts';
import type { RunStatus } from '../ports/holdfast-client.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { RunHistory, RunRecord } from '../ports/run-history.ts';
import { readOutcome } from '../run-folder.ts';

/** How many runs are shown when none is named. */
const shownRuns = 20;

export interface RunStatusDeps {
  readonly state: ObjectStore;
  readonly history: RunHistory;
  readonly executions: Executions;
}

/** One run, or the newest twenty, newest first; of whatever process. @throws UnknownRun */
export async function runStatus(runId: string | undefined, deps: RunStatusDeps): Promise<readonly RunStatus[]> {
  if (runId !== undefined) return [await statusOf(runId, deps)];
  const runs = [...(await listRuns(deps.state))];
  const known = await Promise.all(runs.map((run) => describeRun(run, deps)));
  return known
    .filter((status) => status !== undefined)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt))
    .slice(0, shownRuns);
}

export async function listRuns(state: ObjectStore): Promise<ReadonlySet<string>> {
  const runs = new Set<string>();
  for await (const { key } of state.list(stateKeys.runs())) {
    const [runId] = key.slice(stateKeys.runs().length).split('/', 1);
    if (runId !== undefined && runIdPattern.test(runId)) runs.add(runId);
  }
  return runs;
}

async function statusOf(runId: string, deps: RunStatusDeps): Promise<RunStatus> {
  const status = runIdPattern.test(runId) ? await describeRun(runId, deps) : undefined;
  if (status === undefined)
    throw new HoldfastError('UnknownRun', `there is no run ${runId} in ${deps.state.description}`);
  return status;
}

async function describeRun(runId: string, deps: RunStatusDeps): Promise<RunStatus | undefined> {
  const record = await deps.history.find(runId);
  if (record === undefined) return undefined;
  const running = record.endedAt === null && (await deps.executions.isRunning(runId));
  const request = await findDocument(deps.state, stateKeys.runRequest(runId), runRequestSchema);
  const plan = await findDocument(deps.state, stateKeys.plan(runId), planSchema);
  const progress = await findDocument(deps.state, stateKeys.progress(runId), progressSchema);
  const outcome = await readOutcome(deps.state, runId);
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
    output: record.output ?? null,
    error: outcome?.error ?? (status === 'succeeded' ? null : record.error),
  };
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
