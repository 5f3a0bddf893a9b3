import { describe, expect, it } from 'vitest';

import { TaskTokenError } from '../../../local/states-language/executions.ts';
import {
  errorOf,
  invoke,
  machineOf,
  outputOf,
  runMachine,
  type TestFunction,
  untilAborted,
  waitForToken,
} from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const tokenOf = (payload: unknown) => (payload as { token: string }).token;

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

  it('an answer after the time is up is refused, also while the handler still cleans up', async () => {
    const refused: unknown[] = [];
    const launch: TestFunction = async (payload, { signal }, executions) => {
      await untilAborted(signal).catch(() => undefined);
      try {
        executions.sendTaskSuccess(tokenOf(payload), 'too late');
      } catch (error) {
        refused.push(error);
      }
    };
    const text = machineOf({ A: waitForToken('launch', { TimeoutSeconds: 60, End: true }) });
    expect(await errorOf(text, { functions: { launch } })).toBe('States.Timeout');
    expect(refused).toEqual([expect.objectContaining({ name: 'TaskTimedOut' })]);
  });

  it('a task that is over leaves no timer behind', async () => {
    const clock = new VirtualClock();
    const text = machineOf({
      A: invoke('f', { TimeoutSeconds: 600, Next: 'B' }),
      B: waitForToken('launch', { TimeoutSeconds: 600, HeartbeatSeconds: 60, End: true }),
    });
    const launch: TestFunction = (payload, _context, executions) => {
      executions.sendTaskSuccess(tokenOf(payload), 1);
    };
    await runMachine(text, { clock, functions: { f: () => 1, launch } });
    expect(clock.pending).toEqual([]);
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
