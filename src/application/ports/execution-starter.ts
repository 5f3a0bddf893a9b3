import type { RunRecord } from './run-history.ts';

/** Starts workflows by name (AWS: StartExecution; in embedded mode the process that asks runs them itself). */
export interface ExecutionStarter {
  /**
   * Starts the execution of a run, once: an execution of that name that there is, or was in the last 90 days, stays the only one.
   * @returns the input of the execution that has the name now
   */
  start(workflow: RunRecord['workflow'], runId: string, input: object): Promise<unknown>;
  /** @returns the input of an earlier execution; undefined when nothing is known of one */
  inputOf(workflow: RunRecord['workflow'], runId: string): Promise<unknown>;
}
