import type { FailureRecord } from '../../domain/failure.ts';

/** What is kept of a workflow's execution (AWS: DescribeExecution and its history; embedded: the journal). */
export interface RunRecord {
  readonly workflow: 'backup' | 'restore';
  readonly startedAt: Date;
  /** Null while it runs, and when its process died. */
  readonly endedAt: Date | null;
  readonly status: 'running' | 'succeeded' | 'failed' | 'aborted';
  /** The state it is in, or ended in; the innermost one. */
  readonly state: string | null;
  readonly output: unknown;
  /** What the execution itself ended with; null unless it failed. */
  readonly error: FailureRecord | null;
}

/** Looks up how the execution of a run went. */
export interface RunHistory {
  /** @returns undefined when there was none, or nothing of it can be read. */
  find(runId: string): Promise<RunRecord | undefined>;
  /** @returns ids that hold the newest `count` runs, and perhaps others */
  newest(count: number): Promise<readonly string[]>;
}
