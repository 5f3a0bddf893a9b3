import { describe, expect, it } from 'vitest';

import {
  errorOf,
  invoke,
  machineOf,
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

  it.each([0, -1, 1.5, '30', null])('of %j from the input is States.Runtime', async (seconds) => {
    const text = machineOf({ A: invoke('hang', { TimeoutSecondsPath: '$.t', End: true }) });
    expect(await errorOf(text, { functions: { hang }, input: { t: seconds } })).toBe('States.Runtime');
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
