import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { loadWorkflow } from '../../local/bindings.ts';
import { type ErrorName, errorRegistry } from '../../src/domain/error-registry.ts';
import { isErrorName } from '../../src/domain/errors.ts';
import { workerLimitSeconds } from '../../src/domain/stage-sizes.ts';
import {
  type FunctionName,
  functions,
  isExpress,
  serviceErrors,
  stateMachines,
  type WorkflowName,
} from '../../statemachines/manifest.ts';
import { type FileBlock, type PlacedState, readWorkflowText, statesOf } from '../support/workflow-file.ts';

// The package has no types.
const validate = createRequire(import.meta.url)('asl-validator') as (definition: unknown) => unknown;

const workflows = Object.keys(stateMachines) as WorkflowName[];
/** States whose failure must not lead to the clean-up again: they are it, come when the run is complete, or are made good at its end. */
const afterTheDecision = new Map([
  ['Record Failure', 'Release Lease After Failure'],
  ['Release Lease After Failure', 'Publish Failure'],
  ['Publish Failure', 'Failed'],
  ['Release Lease', 'Publish Outcome'],
  ['Publish Outcome', 'Completed'],
  ['Delete Temporary Snapshot', 'Base Taken'],
  ['Ensure Unlocked', 'Is Cause Known'],
]);
/** States that leave something which cannot wait for the clean-up: this comes first, and raises their error again. */
const atOnce = new Map([['Snapshot Member', 'Ensure Unlocked']]);

const functionOf = ({ state }: PlacedState): FunctionName =>
  (state.Parameters?.FunctionName ?? '').replace(/^\$\{(\w+)\}$/, '$1') as FunctionName;
const isRetryable = (name: ErrorName) => errorRegistry[name].retryable;

test('the manifest names every file of statemachines/', () => {
  const files = readdirSync(new URL('../../statemachines', import.meta.url)).filter((name) =>
    name.endsWith('.asl.json'),
  );
  expect(Object.values(stateMachines).map(({ file }) => file)).toEqual(expect.arrayContaining(files));
  expect(files).toHaveLength(workflows.length);
});

describe.each(workflows)('%s', (workflow) => {
  const text = readWorkflowText(workflow);
  const file = JSON.parse(text) as FileBlock;
  const states = statesOf(file);
  const tasks = states.filter(({ state }) => state.Type === 'Task');
  /** An Express execution is no run: it has no folder, no outcome, and what it fails with is made good by the next one. */
  const ofRuns = (name: string, check: () => void) => {
    if (isExpress(workflow)) test.skip(`${name} (an Express execution is no run)`, check);
    else test(name, check);
  };

  test('has no problem that asl-validator knows of', () => {
    expect(validate(file)).toEqual(expect.objectContaining({ isValid: true, errors: [] }));
  });

  test('is implemented whole by the embedded engine', () => {
    expect(loadWorkflow(workflow).StartAt).toBe(file.StartAt);
  });

  test('names each state once, also across maps and branches', () => {
    const names = states.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('tells an operator what each state does', () => {
    expect(states.filter(({ state }) => (state.Comment ?? '').length < 20).map(({ name }) => name)).toEqual([]);
    expect(file.Comment).toContain('Input');
  });

  test('uses exactly the functions of the manifest, by placeholders inside strings', () => {
    const used = [...text.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]);
    expect(new Set(used)).toEqual(new Set(stateMachines[workflow].functions));
    expect(tasks.map(({ state }) => state.Parameters?.FunctionName)).toEqual(
      expect.arrayContaining(used.map((name) => `\${${name ?? ''}}`)),
    );
  });

  test('gives every task a time limit, and a heartbeat where it waits for a token', () => {
    for (const { name, state } of tasks) {
      expect(state.TimeoutSeconds, name).toBeGreaterThan(0);
      const waits = state.Resource?.endsWith('.waitForTaskToken') ?? false;
      expect(state.HeartbeatSeconds, name).toEqual(waits ? 300 : undefined);
      expect('taskToken.$' in (state.Parameters?.Payload ?? {}), name).toBe(waits);
      // A Lambda function lives 15 minutes at most; in embedded mode a function that reads a whole backup lives longer.
      if (!waits && name !== 'Complete Backup') expect(state.TimeoutSeconds, name).toBeLessThan(900);
    }
  });

  test('gives the worker of a restore what its plan says that it has', () => {
    const restored = tasks.find(({ name }) => name === 'Restore Part');
    expect(restored?.state.TimeoutSeconds ?? workerLimitSeconds).toBe(workerLimitSeconds);
    expect(restored !== undefined).toBe(workflow === 'restore');
  });

  test('gives the look at a whole backup time enough for two terabytes at 50 MB/s', () => {
    const state = file.States['Complete Backup'];
    if (state !== undefined) expect(state.TimeoutSeconds).toBeGreaterThan(2e12 / 50e6);
  });

  ofRuns('hands run, state and number of tries to every function', () => {
    for (const { name, state } of tasks) {
      expect(state.Parameters?.Payload, name).toMatchObject({
        'runId.$': '$.runId',
        'state.$': '$$.State.Name',
        'retry.$': '$$.State.RetryCount',
      });
    }
  });

  ofRuns('leads every failure to the one clean-up, with the error kept beside the data', () => {
    for (const { name, state, around } of tasks) {
      const [catcher, ...others] = [state, ...around.toReversed()].find((place) => place.Catch)?.Catch ?? [];
      expect(others, name).toEqual([]);
      expect(catcher?.ErrorEquals, name).toEqual(['States.ALL']);
      expect(catcher?.Next, name).toBe(afterTheDecision.get(name) ?? atOnce.get(name) ?? 'Record Failure');
      expect(catcher?.ResultPath === '$.failure', name).toBe(!afterTheDecision.has(name));
    }
  });

  ofRuns('raises the error that was kept', () => {
    expect(file.States['Failed']).toMatchObject({
      Type: 'Fail',
      ErrorPath: '$.failure.Error',
      CausePath: '$.failure.Cause',
    });
    for (const { name, state } of states.filter(({ state: { Type } }) => Type === 'Fail'))
      expect(state, name).toMatchObject({ ErrorPath: '$.failure.Error' });
  });

  test('matches only names that exist', () => {
    const names = states
      .flatMap(({ state }) => [...(state.Retry ?? []), ...(state.Catch ?? [])])
      .flatMap((rule) => rule.ErrorEquals);
    const known = ['States.ALL', 'States.HeartbeatTimeout', ...serviceErrors] as readonly string[];
    expect(names.filter((name) => !isErrorName(name) && !known.includes(name))).toEqual([]);
  });

  test('retries exactly the errors of a function that the registry calls retryable', () => {
    for (const task of tasks) {
      const retried = (task.state.Retry ?? []).flatMap((rule) => rule.ErrorEquals).filter((name) => isErrorName(name));
      const retryable = functions[functionOf(task)].errors.filter(isRetryable);
      expect([...retried].sort(), task.name).toEqual([...retryable].sort());
    }
  });

  test('retries throttling and faults of the functions’ service at every task, and a lost worker where there is one', () => {
    for (const { name, state } of tasks) {
      const retried = (state.Retry ?? []).flatMap((rule) => rule.ErrorEquals);
      expect(retried, name).toEqual(expect.arrayContaining([...serviceErrors]));
      expect(retried.includes('States.HeartbeatTimeout'), name).toBe(state.HeartbeatSeconds !== undefined);
      for (const rule of state.Retry ?? []) expect(rule.MaxAttempts, name).toBeGreaterThan(0);
    }
  });

  test('reaches every state', () => {
    const reached = new Set<string>();
    const visit = (block: FileBlock, name: string): void => {
      const state = block.States[name];
      if (state === undefined || reached.has(name)) return;
      reached.add(name);
      const next = [
        state.Next,
        state.Default,
        ...(state.Choices ?? []).map((choice) => choice.Next),
        ...(state.Catch ?? []).map((catcher) => catcher.Next),
      ];
      for (const following of next) if (following !== undefined) visit(block, following);
      for (const inner of [...(state.Branches ?? []), ...(state.ItemProcessor ? [state.ItemProcessor] : [])])
        visit(inner, inner.StartAt);
    };
    visit(file, file.StartAt);
    expect(states.map(({ name }) => name).filter((name) => !reached.has(name))).toEqual([]);
  });
});
