import type { RunStatus } from '../../src/application/ports/holdfast-client.ts';
import { failureText, progressText } from './progress-text.ts';
import { renderFacts, renderTable } from './tables.ts';
import { formatMoment, formatSeconds, momentLines } from './units.ts';

function duration({ startedAt, endedAt }: RunStatus): string {
  return endedAt === null ? '–' : formatSeconds((Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
}

function outcome({ status, error }: RunStatus): string {
  return error === null ? status : `${status} (${error.name})`;
}

/** The newest runs, in the order given. */
export function renderRunList(runs: readonly RunStatus[], timeZone?: string): string {
  if (runs.length === 0) return 'No runs yet. Start one with `holdfast backup`.';
  return renderTable(
    ['run', 'workflow', 'deployment', 'status', 'state', 'started', 'took'],
    runs.map((run) => [
      run.runId,
      run.workflow,
      run.deployment ?? '–',
      outcome(run),
      run.state ?? '–',
      momentLines(new Date(run.startedAt), timeZone),
      duration(run),
    ]),
  );
}

/** One run with its progress and how it ended. */
export function renderRun(run: RunStatus, timeZone?: string): string {
  const { error } = run;
  return renderFacts([
    ['run', run.runId],
    ['workflow', run.workflow],
    ['deployment', run.deployment ?? '–'],
    ['status', run.status],
    ['state', run.state ?? '–'],
    ['started', formatMoment(new Date(run.startedAt), timeZone)],
    ...(run.endedAt === null
      ? []
      : [['ended', `${formatMoment(new Date(run.endedAt), timeZone)}, after ${duration(run)}`] as const]),
    // The last progress of a run that succeeded says less than its result.
    ...(run.status === 'succeeded' ? [] : run.progress).map(
      (progress) => ['progress', progressText(progress)] as const,
    ),
    ...(run.lastFailure === undefined ? [] : [['waits', failureText(run.lastFailure)] as const]),
    ...(error === null
      ? []
      : ([
          ['error', error.message],
          ['next', error.next],
          ['code', `${error.code} ${error.name}`],
        ] as const)),
  ]);
}
