import type { Clock } from '../../src/application/ports/clock.ts';
import type { Cursor, History } from './history.ts';
import type { Roots } from './intrinsics.ts';
import type { Json, JsonObject } from './json.ts';
import type { State, StatesBlock } from './state-machine.ts';
import type { TaskTokens } from './task-tokens.ts';

/**
 * What a task calls: a function by its name, with the payload that its Parameters made. The result becomes `{ Payload, StatusCode: 200 }`;
 * a rejection becomes the error's `name` and, as cause, JSON of `{ errorType, errorMessage, trace }`, like Lambda's.
 * A handler should end soon after its signal is aborted: it is waited for, 5 seconds of the clock at most.
 */
export type TaskHandler = (
  functionName: string,
  payload: unknown,
  context: {
    readonly signal: AbortSignal;
    readonly stateName: string;
    /** From 1; counts the attempts of one visit of the state. */
    readonly attempt: number;
    readonly executionName: string;
  },
) => Promise<unknown>;

/** What a nested execution came to, in the members of DescribeExecution. */
export interface NestedResult {
  readonly succeeded: boolean;
  readonly description: JsonObject;
}

/** One execution, as its states see it. */
export interface ExecutionScope {
  readonly name: string;
  readonly clock: Clock;
  readonly history: History;
  readonly handler: TaskHandler;
  readonly tokens: TaskTokens;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  /** $$.Execution and $$.StateMachine. */
  readonly contextBase: JsonObject;
  readonly active: Set<{ readonly stateName: string }>;
  readonly startNested: (parameters: JsonObject, signal: AbortSignal) => Promise<NestedResult>;
  readonly runBranch: (block: StatesBlock, input: Json, branch: Branch, scope: ExecutionScope) => Promise<Json>;
}

/** One path through the machine: the main one, or one Map item or Parallel branch. */
export interface Branch {
  readonly signal: AbortSignal;
  readonly cursor: Cursor;
  /** $$.Map of the innermost Map around. */
  readonly map?: JsonObject;
}

/** One attempt of one visit of a state. */
export interface Visit<S extends State = State> {
  readonly name: string;
  readonly state: S;
  readonly rawInput: Json;
  readonly attempt: number;
  readonly branch: Branch;
  readonly scope: ExecutionScope;
  /** After InputPath, with the context object of the attempt. */
  readonly roots: Roots;
}

/** What a state leads to; without `next` its path ends. */
export interface Outcome {
  readonly output: Json;
  readonly next: string | undefined;
}
