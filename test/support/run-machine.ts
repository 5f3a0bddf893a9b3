import {
  EmbeddedExecutions,
  type Execution,
  type ExecutionResult,
  type TaskHandler,
} from '../../local/states-language/executions.ts';
import { type HistoryEvent, MemoryJournal } from '../../local/states-language/journal.ts';
import { loadStateMachine } from '../../local/states-language/load-state-machine.ts';
import type { StateMachine } from '../../local/states-language/state-machine.ts';
import { VirtualClock } from './virtual-clock.ts';

type HandlerContext = Parameters<TaskHandler>[2];
/** A function of a test machine: what it returns becomes the Payload. */
export type TestFunction = (payload: unknown, context: HandlerContext, executions: EmbeddedExecutions) => unknown;

export interface MachineOptions {
  readonly input?: unknown;
  readonly functions?: Readonly<Record<string, TestFunction>>;
  readonly machines?: Readonly<Record<string, StateMachine>>;
  readonly random?: () => number;
  readonly newToken?: () => string;
  readonly clock?: VirtualClock;
}

interface Call {
  readonly functionName: string;
  readonly payload: unknown;
  readonly attempt: number;
  /** Seconds after the start. */
  readonly at: number;
}

export interface StartedMachine {
  readonly clock: VirtualClock;
  readonly executions: EmbeddedExecutions;
  readonly execution: Execution;
  readonly calls: Call[];
  readonly journal: MemoryJournal;
}

export interface MachineRun extends StartedMachine {
  readonly result: ExecutionResult;
  readonly events: readonly HistoryEvent[];
  /** Seconds of the clock from start to end. */
  readonly seconds: number;
}

/** A machine that starts at its first state. */
export function machineOf(states: object, top: object = {}): string {
  return JSON.stringify({ StartAt: Object.keys(states)[0], States: states, ...top });
}

/** Starts a machine with test functions, named in it by FunctionName, on a clock that advances by itself unless one is given. */
export function startMachine(text: string, options: MachineOptions = {}): StartedMachine {
  const clock = options.clock ?? new VirtualClock({ autoAdvance: true });
  const start = clock.now().getTime();
  const journal = new MemoryJournal();
  const calls: Call[] = [];
  const executions: EmbeddedExecutions = new EmbeddedExecutions({
    clock,
    journal: (name) => (name === 'run' ? journal : new MemoryJournal()),
    tasks: async (functionName, payload, context) => {
      calls.push({ functionName, payload, attempt: context.attempt, at: (clock.now().getTime() - start) / 1000 });
      const run = options.functions?.[functionName];
      if (!run) throw named('UnboundFunction', functionName);
      return await run(payload, context, executions);
    },
    ...(options.machines && { machines: options.machines }),
    ...(options.random && { random: options.random }),
    ...(options.newToken && { newToken: options.newToken }),
  });
  const execution = executions.start(loadStateMachine(text, {}, 'Test'), 'run', options.input ?? {});
  return { clock, executions, execution, calls, journal };
}

/** Runs a machine to its end. */
export async function runMachine(text: string, options: MachineOptions = {}): Promise<MachineRun> {
  const started = startMachine(text, options);
  const begin = started.clock.now().getTime();
  const result = await started.execution.result;
  return {
    ...started,
    result,
    events: started.journal.events,
    seconds: (started.clock.now().getTime() - begin) / 1000,
  };
}

/** The output of a run that must succeed. */
export async function outputOf(text: string, options: MachineOptions = {}): Promise<unknown> {
  const { result } = await runMachine(text, options);
  if (result.status !== 'SUCCEEDED') throw new Error(`${result.status} ${result.error}: ${result.cause}`);
  return result.output;
}

/** The error name of a run that must fail, with its status in front when that is not FAILED. */
export async function errorOf(text: string, options: MachineOptions = {}): Promise<string> {
  const { result } = await runMachine(text, options);
  if (result.status === 'SUCCEEDED') throw new Error(`succeeded: ${JSON.stringify(result.output)}`);
  return result.status === 'FAILED' ? result.error : `${result.status} ${result.error}`;
}

export function named(name: string, message = name): Error {
  return Object.assign(new Error(message), { name });
}

/** A promise that rejects when the signal is aborted, and never before. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

/** A Task that calls a test function with its whole input. */
export function invoke(functionName: string, more: object = { End: true }): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke',
    Parameters: { FunctionName: functionName, 'Payload.$': '$' },
    ...more,
  };
}

/** A Task that passes its token to a test function and waits for the answer. */
export function waitForToken(functionName: string, more: object = { End: true }): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
    Parameters: { FunctionName: functionName, Payload: { 'token.$': '$$.Task.Token' } },
    ...more,
  };
}
