import { describe, expect, it } from 'vitest';

import { loadStateMachine } from '../../../local/states-language/load-state-machine.ts';
import {
  errorOf,
  invoke,
  machineOf,
  named,
  outputOf,
  runMachine,
  startMachine,
  untilAborted,
} from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const child = (states: object, top: object = {}) => loadStateMachine(machineOf(states, top), {}, 'Child');
const start = (more: object = { End: true }, parameters: object = {}) => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::states:startExecution.sync:2',
  Parameters: { StateMachineArn: 'child', Input: { 'n.$': '$.n' }, Name: 'inner', ...parameters },
  ...more,
});

describe('states:startExecution.sync:2', () => {
  it('answers like DescribeExecution, with Output as JSON', async () => {
    const machines = {
      child: child({
        W: { Type: 'Wait', Seconds: 60, Next: 'P' },
        P: { Type: 'Pass', ResultPath: '$.done', Result: true, End: true },
      }),
    };
    expect(await outputOf(machineOf({ S: start() }), { machines, input: { n: 1 } })).toEqual({
      ExecutionArn: 'arn:aws:states:local:000000000000:execution:Child:inner',
      Input: { n: 1 },
      InputDetails: { Included: true },
      Name: 'inner',
      Output: { n: 1, done: true },
      OutputDetails: { Included: true },
      StartDate: Date.parse('2026-01-01T00:00:00Z'),
      StateMachineArn: 'child',
      Status: 'SUCCEEDED',
      StopDate: Date.parse('2026-01-01T00:01:00Z'),
    });
  });

  it.each<[string, ReturnType<typeof child>, object]>([
    [
      'failed',
      child({ F: { Type: 'Fail', Error: 'Broken', Cause: 'here' } }),
      { Status: 'FAILED', Error: 'Broken', Cause: 'here' },
    ],
    [
      'timed out',
      child({ W: { Type: 'Wait', Seconds: 60, End: true } }, { TimeoutSeconds: 5 }),
      { Status: 'TIMED_OUT', Error: 'States.Timeout' },
    ],
  ])('an execution that %s is States.TaskFailed with its description as cause', async (_, machine, expected) => {
    const text = machineOf({
      S: start({ Catch: [{ ErrorEquals: ['States.TaskFailed'], Next: 'C' }], End: true }),
      C: { Type: 'Pass', Parameters: { 'error.$': '$.Error', 'cause.$': 'States.StringToJson($.Cause)' }, End: true },
    });
    expect(await outputOf(text, { machines: { child: machine }, input: { n: 1 } })).toMatchObject({
      error: 'States.TaskFailed',
      cause: expected,
    });
  });

  it('a machine that is not there', async () => {
    expect(await errorOf(machineOf({ S: start() }), { input: { n: 1 } })).toBe(
      'StepFunctions.StateMachineDoesNotExistException',
    );
  });

  it('a name that was used', async () => {
    const machines = { child: child({ A: { Type: 'Succeed' } }) };
    expect(await errorOf(machineOf({ S: start({ End: true }, { Name: 'run' }) }), { machines, input: { n: 1 } })).toBe(
      'StepFunctions.ExecutionAlreadyExistsException',
    );
  });

  it('calls the same functions, and can itself be retried under another name', async () => {
    let count = 0;
    const machines = { child: child({ A: invoke('f') }) };
    const text = machineOf({
      S: start(
        { Retry: [{ ErrorEquals: ['States.TaskFailed'] }], OutputPath: '$.Output.Payload', End: true },
        { Name: undefined },
      ),
    });
    const run = await runMachine(text, {
      machines,
      input: { n: 1 },
      functions: {
        f: () => {
          count += 1;
          if (count === 1) throw named('Flaky');
          return count;
        },
      },
    });
    expect(run.result).toEqual({ status: 'SUCCEEDED', output: 2 });
  });

  it.each([
    ['an abort', {}, 0],
    ['a timeout of the task', { TimeoutSeconds: 30 }, 30_000],
  ])('%s stops the nested execution too', async (_, fields, milliseconds) => {
    const clock = new VirtualClock();
    const reasons: unknown[] = [];
    const { execution } = startMachine(machineOf({ S: start({ ...fields, End: true }) }), {
      clock,
      machines: { child: child({ A: invoke('hang') }) },
      input: { n: 1 },
      functions: {
        hang: (_payload, { signal }) => {
          signal.addEventListener('abort', () => reasons.push((signal.reason as { status: string }).status));
          return untilAborted(signal);
        },
      },
    });
    await clock.advance(milliseconds);
    if (milliseconds === 0) await execution.abort('stop');
    expect((await execution.result).status).toBe(milliseconds === 0 ? 'ABORTED' : 'FAILED');
    expect(reasons).toEqual(['ABORTED']);
  });
});
