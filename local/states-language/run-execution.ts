import type { Clock } from '../../src/application/ports/clock.ts';
import type { ExecutionResult } from './execution.ts';
import type { ExecutionScope } from './execution-scope.ts';
import { asStateFailure, ExecutionStopped } from './failures.ts';
import { History } from './history.ts';
import type { Json, JsonObject } from './json.ts';
import type { Journal } from './journal.ts';
import { runBranch } from './run-branch.ts';
import type { StateMachine } from './state-machine.ts';
import { sleepUntil } from './waiting.ts';

export interface ExecutionStart extends Pick<
  ExecutionScope,
  'name' | 'clock' | 'handler' | 'tokens' | 'random' | 'active' | 'startNested'
> {
  readonly machine: StateMachine;
  readonly arn: string;
  readonly input: Json;
  readonly journal: Journal;
  readonly processFacts: JsonObject;
  /** Aborted with an ExecutionStopped to end the execution. */
  readonly stop: AbortController;
}

const roleArn = 'arn:aws:iam::000000000000:role/embedded';

/** Runs a machine from its first event to its last. Never rejects. */
export async function runExecution(start: ExecutionStart): Promise<ExecutionResult> {
  const { clock, input, stop } = start;
  const history = new History(clock, start.journal);
  const cursor = { previous: 0 };
  const timer = new AbortController();
  let result: ExecutionResult;
  try {
    // The caller has its Execution in hand before anything happens.
    await Promise.resolve();
    const startTime = clock.now();
    const details = { input: JSON.stringify(input), roleArn, stateMachine: start.machine.name, ...start.processFacts };
    await history.append('ExecutionStarted', details, cursor);
    void stopInTime(start.machine.TimeoutSeconds, startTime, clock, stop, timer.signal);
    const scope = { ...start, history, contextBase: contextBase(start, startTime), runBranch };
    result = {
      status: 'SUCCEEDED',
      output: await runBranch(start.machine, input, { signal: stop.signal, cursor }, scope),
    };
  } catch (error) {
    result = resultOf(stop.signal.aborted ? stop.signal.reason : error);
  } finally {
    timer.abort(new DOMException('The execution has ended.', 'AbortError'));
  }
  try {
    await history.appendLast(lastTypes[result.status], lastDetails(result), cursor);
  } catch (error) {
    // Without its last event the journal says "running": the caller must not hear of a success that is not on record.
    if (result.status === 'SUCCEEDED') result = resultOf(error);
  } finally {
    start.journal.close?.();
  }
  return result;
}

const lastTypes = {
  SUCCEEDED: 'ExecutionSucceeded',
  FAILED: 'ExecutionFailed',
  TIMED_OUT: 'ExecutionTimedOut',
  ABORTED: 'ExecutionAborted',
} as const;

function lastDetails(result: ExecutionResult): JsonObject {
  return result.status === 'SUCCEEDED'
    ? { output: JSON.stringify(result.output) }
    : { error: result.error, cause: result.cause };
}

function resultOf(thrown: unknown): ExecutionResult {
  if (thrown instanceof ExecutionStopped) {
    return { status: thrown.status, error: thrown.error, cause: thrown.failureCause };
  }
  const failure = asStateFailure(thrown);
  // The name States.HeartbeatTimeout exists inside Retry and Catch only (Step Functions developer guide, "Error names").
  const error = failure.error === 'States.HeartbeatTimeout' ? 'States.Timeout' : failure.error;
  return { status: 'FAILED', error, cause: failure.failureCause };
}

async function stopInTime(
  seconds: number | undefined,
  startTime: Date,
  clock: Clock,
  stop: AbortController,
  ended: AbortSignal,
): Promise<void> {
  if (seconds === undefined) return;
  try {
    await sleepUntil(clock, startTime.getTime() + seconds * 1000, ended);
    stop.abort(
      new ExecutionStopped('TIMED_OUT', 'States.Timeout', `The execution did not end within ${seconds} seconds.`),
    );
  } catch {
    // The execution ended first.
  }
}

function contextBase({ machine, name, arn, input }: ExecutionStart, startTime: Date): JsonObject {
  return {
    Execution: { Id: arn, Input: input, Name: name, RoleArn: roleArn, StartTime: startTime.toISOString() },
    StateMachine: { Id: `arn:aws:states:local:000000000000:stateMachine:${machine.name}`, Name: machine.name },
  };
}
