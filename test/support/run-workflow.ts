import {
  EmbeddedExecutions,
  type Execution,
  type ExecutionResult,
  type TaskHandler,
  TaskTokenError,
} from '../../local/states-language/executions.ts';
import { type HistoryEvent, MemoryJournal } from '../../local/states-language/journal.ts';
import { loadWorkflow } from '../../local/bindings.ts';
import type { CompleteBackupOutput } from '../../src/application/use-cases/complete-backup.ts';
import type { CompleteRestoreOutput } from '../../src/application/use-cases/complete-restore.ts';
import type { Method } from '../../src/domain/manifest.ts';
import type { FunctionName, WorkflowName } from '../../statemachines/manifest.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface StepPayload {
  readonly runId: string;
  readonly state: string;
  readonly retry: number;
  readonly taskToken?: string;
  readonly part?: string;
  readonly failure?: { readonly Error: string; readonly Cause?: string };
}

export interface StepTools {
  readonly clock: VirtualClock;
  readonly executions: EmbeddedExecutions;
  readonly signal: AbortSignal;
}

/** A function of the product, replaced. */
export type FakeFunction = (payload: StepPayload, tools: StepTools) => unknown;
export type FakeFunctions = Readonly<Partial<Record<FunctionName, FakeFunction>>>;

export interface WorkflowRun {
  readonly result: ExecutionResult;
  /** `State` for the first try, `State#2` for the second, in the order of the calls. */
  readonly calls: readonly string[];
  readonly payloads: readonly StepPayload[];
  readonly events: readonly HistoryEvent[];
  /** Of the clock, from start to end. */
  readonly seconds: number;
}

export function namedError(name: string, message = `${name} happened`): Error {
  return Object.assign(new Error(message), { name });
}

const summary = {
  ...{ deployment: 'orders', backupId: 'b1', restoreTime: { t: 9, i: 1 }, restoreTimeWall: '1970-01-01T00:00:09.000Z' },
  ...{ documents: 3, rawBytes: 30, durationSeconds: 155, manifest: 's3://bucket/manifest.json', warnings: [] },
};
/** What an execution that ends well says, whole. */
export const backupSummary: CompleteBackupOutput = { ...summary, method: 'logical', member: 'h:1', storedBytes: 10 };
export const restoreSummary: CompleteRestoreOutput['restored'] = {
  ...{ status: 'completed', ...summary, target: 'rs1', volume: null, steps: [] },
};

/** What a plan hands on, for the parts that are named. */
export const planOf = (method: Method, ...names: readonly string[]) => ({
  backupId: 'b1',
  parts: (names.length === 0 ? ['rs0'] : names).map((name) => ({ name, method })),
  captureWaitSeconds: 5,
});

/** What every function answers when all is well; the worker answers 100 s later. */
const wellBehaved: FakeFunctions = {
  InspectDeployment: () => ({ deployment: 'orders', duplicateOf: null }),
  PlanBackup: () => planOf('logical'),
  SnapshotMember: () => ({ taken: true }),
  AwaitSnapshot: () => ({ done: true, waitSeconds: 5 }),
  DeleteSnapshot: () => ({ deleted: true }),
  AcquireLease: () => ({ fence: 7 }),
  LaunchWorker: ({ taskToken = '', part }, { clock, executions }) => {
    void clock.sleep(100_000).then(() => {
      try {
        executions.sendTaskSuccess(taskToken, { part });
      } catch (error) {
        // The workflow ended meanwhile: a worker is told so by the refusal of its answer.
        if (!(error instanceof TaskTokenError)) throw error;
      }
    });
    return { attempt: 1 };
  },
  CaptureOplog: (_payload, { clock }) => ({ done: clock.now().getTime() > start + 130_000, waitSeconds: 30 }),
  CompleteBackup: () => backupSummary,
  PlanRestore: () => ({ backupId: 'b1', parts: [{ name: 'rs0' }], dryRun: false, planned: {} }),
  CompleteRestore: () => ({ waitSeconds: 0, restored: restoreSummary }),
  ReleaseLease: () => ({ released: true }),
  PublishOutcome: () => ({ detailType: 'Backup completed' }),
  RecordFailure: ({ failure }) => ({
    outcome: 'failed',
    error: failure?.Error.startsWith('States.') ? 'WorkerLost' : failure?.Error,
    cause: 'for people',
  }),
};

const start = new Date('2026-11-22T10:00:00Z').getTime();

export interface StartedWorkflow {
  readonly execution: Execution;
  readonly clock: VirtualClock;
  readonly ended: Promise<WorkflowRun>;
}

/** Starts a state machine of the product on a clock that moves by itself, with functions that behave unless replaced. */
export function startWorkflow(
  workflow: WorkflowName,
  functions: FakeFunctions = {},
  input: unknown = {},
): StartedWorkflow {
  const clock = new VirtualClock({ start: new Date(start), autoAdvance: true });
  const journal = new MemoryJournal();
  const calls: string[] = [];
  const payloads: StepPayload[] = [];
  const tasks: TaskHandler = async (functionName, payload, { signal, stateName, attempt }) => {
    calls.push(attempt === 1 ? stateName : `${stateName}#${attempt}`);
    payloads.push(payload as StepPayload);
    const fake = { ...wellBehaved, ...functions }[functionName as FunctionName];
    return await fake?.(payload as StepPayload, { clock, executions, signal });
  };
  const executions = new EmbeddedExecutions({ clock, tasks, journal: () => journal, random: () => 0.5 });
  const execution = executions.start(loadWorkflow(workflow), 'run-1', input);
  const ended = execution.result.then((result) => ({
    result,
    calls,
    payloads,
    events: journal.events,
    seconds: (clock.now().getTime() - start) / 1000,
  }));
  return { execution, clock, ended };
}

export function runWorkflow(workflow: WorkflowName, functions?: FakeFunctions, input?: unknown): Promise<WorkflowRun> {
  return startWorkflow(workflow, functions, input).ended;
}

/** Fails the first `times` tries with the error, then behaves. */
export function failing(functionName: FunctionName, error: string, times = Infinity): FakeFunctions {
  let tries = 0;
  return {
    [functionName]: (payload: StepPayload, tools: StepTools) => {
      tries += 1;
      if (tries <= times) throw namedError(error);
      return wellBehaved[functionName]?.(payload, tools);
    },
  };
}
