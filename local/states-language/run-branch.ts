import { placeResult, selectPath, withinLimit } from './data-flow.ts';
import type { Branch, ExecutionScope, Outcome, Visit } from './execution-scope.ts';
import { asStateFailure, ExecutionStopped, runtimeFailure } from './failures.ts';
import type { Json, JsonObject } from './json.ts';
import { findCatcher, RetryCounters } from './retry.ts';
import { runChoice } from './run-states/choice.ts';
import { runFail } from './run-states/fail.ts';
import { runMap } from './run-states/map.ts';
import { runParallel } from './run-states/parallel.ts';
import { runPass } from './run-states/pass.ts';
import { runTask } from './run-states/task.ts';
import { runWait } from './run-states/wait.ts';
import type { State, StatesBlock } from './state-machine.ts';
import { sleepUntil } from './waiting.ts';

/** Runs a block of states from its StartAt to an end state. @throws StateFailure; the signal's reason when aborted */
export async function runBranch(block: StatesBlock, input: Json, branch: Branch, scope: ExecutionScope): Promise<Json> {
  let name: string | undefined = block.StartAt;
  let data = input;
  while (name !== undefined) {
    const state: State | undefined = block.States[name];
    if (!state) throw runtimeFailure(`There is no state "${name}".`);
    const outcome: Outcome = await visitState(name, state, data, branch, scope);
    data = outcome.output;
    name = outcome.next;
  }
  return data;
}

async function visitState(
  name: string,
  state: State,
  rawInput: Json,
  branch: Branch,
  scope: ExecutionScope,
): Promise<Outcome> {
  branch.signal.throwIfAborted();
  const active = { stateName: name };
  scope.active.add(active);
  try {
    const enteredTime = scope.clock.now().toISOString();
    await scope.history.append(`${state.Type}StateEntered`, { name, input: JSON.stringify(rawInput) }, branch.cursor);
    const outcome = await attemptState(name, state, rawInput, enteredTime, branch, scope);
    branch.signal.throwIfAborted();
    await scope.history.append(
      `${state.Type}StateExited`,
      { name, output: JSON.stringify(outcome.output) },
      branch.cursor,
    );
    return outcome;
  } catch (error) {
    if (branch.signal.aborted && abortable.has(state.Type)) {
      await scope.history.append(`${state.Type}StateAborted`, undefined, branch.cursor);
    }
    throw error;
  } finally {
    scope.active.delete(active);
  }
}

const abortable: ReadonlySet<State['Type']> = new Set(['Task', 'Wait', 'Map', 'Parallel']);

async function attemptState(
  name: string,
  state: State,
  rawInput: Json,
  enteredTime: string,
  branch: Branch,
  scope: ExecutionScope,
): Promise<Outcome> {
  const counters = new RetryCounters('Retry' in state ? state.Retry : undefined, scope.random);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const context = contextOf(name, enteredTime, attempt, branch, scope);
      return await runState({ name, state, rawInput, attempt, branch, scope, roots: { data: rawInput, context } });
    } catch (error) {
      // An abort, a full history and a lost journal pass every Retry and Catch.
      branch.signal.throwIfAborted();
      if (error instanceof ExecutionStopped) throw error;
      const failure = asStateFailure(error);
      const delay = counters.next(failure);
      if (delay !== undefined) {
        await sleepUntil(scope.clock, scope.clock.now().getTime() + delay * 1000, branch.signal);
        continue;
      }
      const catcher = findCatcher('Catch' in state ? state.Catch : undefined, failure);
      if (!catcher) throw failure;
      const caught = { Error: failure.error, Cause: failure.failureCause };
      return {
        output: withinLimit(placeResult(catcher.ResultPath, rawInput, caught), `The output of the state '${name}'`),
        next: catcher.Next,
      };
    }
  }
}

function contextOf(
  name: string,
  enteredTime: string,
  attempt: number,
  branch: Branch,
  scope: ExecutionScope,
): JsonObject {
  return {
    ...scope.contextBase,
    State: { Name: name, EnteredTime: enteredTime, RetryCount: attempt - 1 },
    ...(branch.map && { Map: branch.map }),
  };
}

async function runState(visit: Visit): Promise<Outcome> {
  const { state, name } = visit;
  if (state.Type === 'Fail') return runFail({ ...visit, state });
  const data = selectPath(state.InputPath, visit.roots, 'InputPath');
  const roots = { data, context: visit.roots.context };
  const outcome = await runKind({ ...visit, roots });
  const output = selectPath(state.OutputPath, { data: outcome.output, context: roots.context }, 'OutputPath');
  return { output: withinLimit(output, `The output of the state '${name}'`), next: outcome.next };
}

async function runKind(visit: Visit): Promise<Outcome> {
  const { state, roots } = visit;
  switch (state.Type) {
    case 'Task':
      return { output: await runTask({ ...visit, state }), next: state.Next };
    case 'Map':
      return { output: await runMap({ ...visit, state }), next: state.Next };
    case 'Parallel':
      return { output: await runParallel({ ...visit, state }), next: state.Next };
    case 'Pass':
      return { output: runPass({ ...visit, state }), next: state.Next };
    case 'Wait':
      await runWait({ ...visit, state });
      return { output: roots.data, next: state.Next };
    case 'Choice':
      return { output: roots.data, next: runChoice({ ...visit, state }) };
    case 'Succeed':
      return { output: roots.data, next: undefined };
    case 'Fail':
      return runFail({ ...visit, state });
  }
}
