import { describe, expect, it } from 'vitest';

import { TaskTokenError } from '../../../local/states-language/executions.ts';
import {
  errorOf,
  invoke,
  machineOf,
  outputOf,
  runMachine,
  startMachine,
  type TestFunction,
  untilAborted,
  waitForToken,
} from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const tokenOf = (payload: unknown) => (payload as { token: string }).token;
const caught = { Type: 'Succeed' };

describe('TimeoutSeconds', () => {
  const hang: TestFunction = (_payload, { signal }) => untilAborted(signal);

  it('fails the task as States.Timeout and aborts its signal', async () => {
    const run = await runMachine(machineOf({ A: invoke('hang', { TimeoutSeconds: 30, End: true }) }), {
      functions: { hang },
    });
    expect(run.result).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
    expect(run.seconds).toBe(30);
    expect(run.events.map(({ type }) => type)).toContain('TaskTimedOut');
  });

  it('can come from the input', async () => {
    const run = await runMachine(machineOf({ A: invoke('hang', { TimeoutSecondsPath: '$.t', End: true }) }), {
      functions: { hang },
      input: { t: 45 },
    });
    expect(run.seconds).toBe(45);
  });

  it.each([
    ['States.Timeout', true],
    ['States.ALL', true],
    ['States.TaskFailed', false],
    ['States.HeartbeatTimeout', false],
  ])('is matched by %s: %s', async (name, matches) => {
    const text = machineOf({
      A: invoke('hang', { TimeoutSeconds: 30, Catch: [{ ErrorEquals: [name], Next: 'B' }], End: true }),
      B: caught,
    });
    const { result } = await runMachine(text, { functions: { hang } });
    expect(result.status === 'SUCCEEDED').toBe(matches);
  });

  it('is for every attempt afresh', async () => {
    const text = machineOf({
      A: invoke('hang', {
        TimeoutSeconds: 30,
        Retry: [{ ErrorEquals: ['States.Timeout'], MaxAttempts: 1, IntervalSeconds: 5 }],
        End: true,
      }),
    });
    const run = await runMachine(text, { functions: { hang } });
    expect(run.calls.map(({ at }) => at)).toEqual([0, 35]);
    expect(run.seconds).toBe(65);
  });

  it('a handler that ignores its signal is waited for 5 seconds and then left behind', async () => {
    const run = await runMachine(machineOf({ A: invoke('deaf', { TimeoutSeconds: 30, End: true }) }), {
      functions: { deaf: () => new Promise(() => undefined) },
    });
    expect(run.result).toMatchObject({ error: 'States.Timeout' });
    expect(run.seconds).toBe(35);
  });

  it('a handler that cleans up after its signal has ended before the machine goes on', async () => {
    const order: string[] = [];
    const text = machineOf({
      A: invoke('slow', { TimeoutSeconds: 30, Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'B' }], End: true }),
      B: invoke('next'),
    });
    const clock = new VirtualClock({ autoAdvance: true });
    await runMachine(text, {
      clock,
      functions: {
        slow: async (_payload, { signal }) => {
          await untilAborted(signal).catch(() => undefined);
          await clock.sleep(3_000);
          order.push('cleaned up');
        },
        next: () => order.push('next'),
      },
    });
    expect(order).toEqual(['cleaned up', 'next']);
  });
});

describe('task tokens', () => {
  const answerLater =
    (answer: TestFunction): TestFunction =>
    (payload, context, executions) => {
      setImmediate(() => answer(payload, context, executions));
      return 'submitted';
    };

  it('the token’s output is the task’s result, not the function’s', async () => {
    const launch = answerLater((payload, _context, executions) => {
      executions.sendTaskSuccess(tokenOf(payload), { bytes: 5 });
    });
    expect(await outputOf(machineOf({ A: waitForToken('launch') }), { functions: { launch } })).toEqual({ bytes: 5 });
  });

  it('an answer that comes before the function returned counts', async () => {
    const launch: TestFunction = (payload, _context, executions) => {
      executions.sendTaskSuccess(tokenOf(payload), 1);
      return 'submitted';
    };
    expect(await outputOf(machineOf({ A: waitForToken('launch') }), { functions: { launch } })).toBe(1);
  });

  it('sendTaskFailure fails the task with its error and cause', async () => {
    const launch = answerLater((payload, _context, executions) => {
      executions.sendTaskFailure(tokenOf(payload), 'WorkerLost', '{"errorMessage":"gone"}');
    });
    const { result } = await runMachine(machineOf({ A: waitForToken('launch') }), { functions: { launch } });
    expect(result).toEqual({ status: 'FAILED', error: 'WorkerLost', cause: '{"errorMessage":"gone"}' });
  });

  it('a function that fails fails the task at once', async () => {
    const launch = () => {
      throw Object.assign(new Error('no'), { name: 'LaunchFailed' });
    };
    expect(
      await errorOf(machineOf({ A: waitForToken('launch', { TimeoutSeconds: 60, End: true }) }), {
        functions: { launch },
      }),
    ).toBe('LaunchFailed');
  });

  it('are fresh for every attempt, and the earlier one is refused as TaskTimedOut', async () => {
    const tokens: string[] = [];
    const refused: unknown[] = [];
    const launch: TestFunction = (payload, _context, executions) => {
      tokens.push(tokenOf(payload));
      if (tokens.length === 1) return;
      try {
        executions.sendTaskSuccess(tokens[0] ?? '', 'late');
      } catch (error) {
        refused.push(error);
      }
      executions.sendTaskSuccess(tokens[1] ?? '', 'second');
    };
    const text = machineOf({
      A: waitForToken('launch', { TimeoutSeconds: 60, Retry: [{ ErrorEquals: ['States.Timeout'] }], End: true }),
    });
    expect(await outputOf(text, { functions: { launch } })).toBe('second');
    expect(new Set(tokens).size).toBe(2);
    expect(refused).toEqual([expect.objectContaining({ name: 'TaskTimedOut' })]);
  });

  it('an unknown token is InvalidToken, an answered one TaskTimedOut', async () => {
    const launch: TestFunction = (payload, _context, executions) => {
      executions.sendTaskSuccess(tokenOf(payload), tokenOf(payload));
    };
    const { result, executions } = await runMachine(machineOf({ A: waitForToken('launch') }), {
      functions: { launch },
    });
    const token = result.status === 'SUCCEEDED' ? (result.output as string) : '';
    const sends = (sent: string) => [
      () => {
        executions.sendTaskSuccess(sent, 1);
      },
      () => {
        executions.sendTaskFailure(sent, 'E', '');
      },
      () => {
        executions.sendTaskHeartbeat(sent);
      },
    ];
    for (const send of sends(token)) expect(send).toThrow(expect.objectContaining({ name: 'TaskTimedOut' }) as Error);
    for (const send of sends('nobody'))
      expect(send).toThrow(expect.objectContaining({ name: 'InvalidToken' }) as Error);
    for (const send of sends('nobody')) expect(send).toThrow(TaskTokenError);
  });
});

describe('HeartbeatSeconds', () => {
  const waiting = (more: object) =>
    machineOf({ A: waitForToken('launch', { TimeoutSeconds: 3600, HeartbeatSeconds: 300, ...more }), B: caught });

  it('without a heartbeat the task fails in time', async () => {
    const run = await runMachine(
      waiting({ Catch: [{ ErrorEquals: ['States.HeartbeatTimeout'], Next: 'B' }], End: true }),
      {
        functions: { launch: () => 0 },
      },
    );
    expect(run.result).toMatchObject({ output: { Error: 'States.HeartbeatTimeout' } });
    expect(run.seconds).toBe(300);
  });

  it.each([
    ['States.Timeout', true],
    ['States.ALL', true],
    ['States.TaskFailed', false],
  ])('is matched by %s: %s', async (name, matches) => {
    const text = waiting({ Catch: [{ ErrorEquals: [name], Next: 'B' }], End: true });
    const { result } = await runMachine(text, { functions: { launch: () => 0 } });
    expect(result.status === 'SUCCEEDED').toBe(matches);
  });

  it('uncaught ends the execution as States.Timeout', async () => {
    // B is reachable through a catcher that does not match.
    const text = waiting({ Catch: [{ ErrorEquals: ['Other'], Next: 'B' }], End: true });
    expect(await errorOf(text, { functions: { launch: () => 0 } })).toBe('States.Timeout');
  });

  it('every heartbeat starts the time again, but not that of TimeoutSeconds', async () => {
    const clock = new VirtualClock();
    const text = machineOf({ A: waitForToken('launch', { TimeoutSeconds: 700, HeartbeatSeconds: 300, End: true }) });
    let token = '';
    const { execution, executions } = startMachine(text, {
      clock,
      functions: {
        launch: (payload) => {
          token = tokenOf(payload);
        },
      },
    });
    for (let beats = 0; beats < 3; beats += 1) {
      await clock.advance(200_000);
      executions.sendTaskHeartbeat(token);
    }
    expect(execution.currentStates()).toEqual(['A']);
    await clock.advance(99_000);
    expect(execution.currentStates()).toEqual(['A']);
    await clock.advance(1_000);
    expect(await execution.result).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
    expect(() => {
      executions.sendTaskHeartbeat(token);
    }).toThrow(expect.objectContaining({ name: 'TaskTimedOut' }) as Error);
  });

  it('can come from the input', async () => {
    const text = machineOf({
      A: waitForToken('launch', { TimeoutSeconds: 900, HeartbeatSecondsPath: '$.h', End: true }),
    });
    const run = await runMachine(text, { functions: { launch: () => 0 }, input: { h: 20 } });
    expect(run.seconds).toBe(20);
  });
});

describe('the execution’s TimeoutSeconds', () => {
  it('ends it as TIMED_OUT, without Catch and Retry', async () => {
    const text = machineOf(
      {
        A: invoke('hang', {
          Retry: [{ ErrorEquals: ['States.ALL'] }],
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B' }],
          End: true,
        }),
        B: invoke('cleanup'),
      },
      { TimeoutSeconds: 120 },
    );
    const run = await runMachine(text, {
      functions: { hang: (_payload, { signal }) => untilAborted(signal), cleanup: () => 1 },
    });
    expect(run.result).toMatchObject({ status: 'TIMED_OUT', error: 'States.Timeout' });
    expect(run.calls.map(({ functionName }) => functionName)).toEqual(['hang']);
    expect(run.seconds).toBe(120);
    expect(run.events.at(-1)?.type).toBe('ExecutionTimedOut');
  });

  it('of years does not fire at once, and leaves no timer behind', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    const run = await runMachine(
      machineOf({ A: { Type: 'Wait', Seconds: 5, End: true } }, { TimeoutSeconds: 99_999_999 }),
      { clock },
    );
    expect(run.result.status).toBe('SUCCEEDED');
    expect(run.seconds).toBe(5);
    expect(clock.pending).toEqual([]);
  });
});
