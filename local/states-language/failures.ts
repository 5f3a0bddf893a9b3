/**
 * An error in the sense of the States Language: a name that Retry and Catch match, and a cause. Not a HoldfastError:
 * its names are those of handlers and of the language, and it never leaves the engine but as an execution's result.
 */
export class StateFailure extends Error {
  override readonly name = 'StateFailure';
  readonly error: string;
  readonly failureCause: string;

  constructor(error: string, failureCause: string) {
    super(`${error}: ${failureCause}`);
    this.error = error;
    this.failureCause = failureCause;
  }
}

/** The reason of an aborted signal that ends the whole execution, past every Retry and Catch. */
export class ExecutionStopped extends Error {
  override readonly name = 'ExecutionStopped';
  readonly status: 'ABORTED' | 'TIMED_OUT' | 'FAILED';
  readonly error: string;
  readonly failureCause: string;

  constructor(status: 'ABORTED' | 'TIMED_OUT' | 'FAILED', error: string, failureCause: string) {
    super(`${status} ${error}: ${failureCause}`);
    this.status = status;
    this.error = error;
    this.failureCause = failureCause;
  }
}

/** The reason of the signal of Map items and Parallel branches when one of their siblings failed. */
export class SiblingFailed extends Error {
  override readonly name = 'SiblingFailed';
}

/** The answer to a task token that no task waits for, by the names of Step Functions' API. */
export class TaskTokenError extends Error {
  override readonly name: 'TaskTimedOut' | 'InvalidToken';

  constructor(name: 'TaskTimedOut' | 'InvalidToken', message: string) {
    super(message);
    this.name = name;
  }
}

/** Runtime errors end the execution whatever Catch says (Step Functions: error handling, States.Runtime). */
export function runtimeFailure(cause: string): StateFailure {
  return new StateFailure('States.Runtime', cause);
}

/** Anything thrown, as a StateFailure; what is not one already is a defect and is named as States.Runtime. */
export function asStateFailure(thrown: unknown): StateFailure {
  if (thrown instanceof StateFailure) return thrown;
  return runtimeFailure(thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown));
}
