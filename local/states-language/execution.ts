import type { Json } from './json.ts';

/** How an execution ended. */
export type ExecutionResult =
  | { readonly status: 'SUCCEEDED'; readonly output: Json }
  | { readonly status: 'FAILED' | 'TIMED_OUT' | 'ABORTED'; readonly error: string; readonly cause: string };

export interface Execution {
  readonly name: string;
  readonly arn: string;
  /** Never rejects. */
  readonly result: Promise<ExecutionResult>;
  /** Names of the states it is in now: several inside a Map or Parallel, whose own name is among them. */
  currentStates(): readonly string[];
  /** StopExecution: ends it without Catch or Retry. Resolves with {@link result}; does nothing once it has ended. */
  abort(cause: string, error?: string): Promise<ExecutionResult>;
}
