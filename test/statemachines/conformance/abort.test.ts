import { describe, expect, it } from 'vitest';

import { invoke, machineOf, named, startMachine, untilAborted, waitForToken } from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const all = {
  Retry: [{ ErrorEquals: ['States.ALL'], MaxAttempts: 5, IntervalSeconds: 10 }],
  Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B' }],
  End: true,
};
const aborted = { status: 'ABORTED', error: 'Aborted', cause: 'cancelled by ada' };

describe('abort', () => {
  it('of a task aborts its signal and runs no Retry and no Catch', async () => {
    const clock = new VirtualClock();
    const reasons: unknown[] = [];
    const { execution, calls, journal } = startMachine(machineOf({ A: invoke('hang', all), B: invoke('cleanup') }), {
      clock,
      functions: {
        hang: (_payload, { signal }) => {
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return untilAborted(signal);
        },
      },
    });
    await clock.settle();
    expect(execution.currentStates()).toEqual(['A']);
    expect(await execution.abort('cancelled by ada')).toEqual(aborted);
    expect(reasons).toEqual([expect.objectContaining({ name: 'ExecutionStopped', status: 'ABORTED' })]);
    expect(calls).toHaveLength(1);
    expect(execution.currentStates()).toEqual([]);
    expect(journal.events.map(({ type }) => type)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'TaskStateAborted',
      'ExecutionAborted',
    ]);
    expect(clock.pending).toEqual([]);
  });

  it('during a retry’s back-off calls the handler no more', async () => {
    const clock = new VirtualClock();
    const { execution, calls } = startMachine(machineOf({ A: invoke('busy', all), B: invoke('cleanup') }), {
      clock,
      functions: {
        busy: () => {
          throw named('Busy');
        },
      },
    });
    await clock.advance(5_000);
    expect(await execution.abort('cancelled by ada')).toEqual(aborted);
    await clock.advance(1_000_000);
    expect(calls).toHaveLength(1);
  });

  it('of a wait, of a token and inside a Map ends all of them', async () => {
    const clock = new VirtualClock();
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [
          { StartAt: 'W', States: { W: { Type: 'Wait', Seconds: 99_999, End: true } } },
          { StartAt: 'T', States: { T: waitForToken('launch') } },
          {
            StartAt: 'M',
            States: {
              M: {
                Type: 'Map',
                ItemsPath: '$.items',
                MaxConcurrency: 2,
                End: true,
                ItemProcessor: { StartAt: 'H', States: { H: invoke('hang') } },
              },
            },
          },
        ],
        End: true,
      },
    });
    let token = '';
    const { execution, executions, calls } = startMachine(text, {
      clock,
      input: { items: [1, 2, 3] },
      functions: {
        launch: (payload) => {
          token = (payload as { token: string }).token;
        },
        hang: (_payload, { signal }) => untilAborted(signal),
      },
    });
    await clock.settle();
    expect([...execution.currentStates()].sort()).toEqual(['H', 'H', 'M', 'P', 'T', 'W']);
    expect(await execution.abort('cancelled by ada')).toEqual(aborted);
    expect(calls.map(({ functionName }) => functionName).sort()).toEqual(['hang', 'hang', 'launch']);
    expect(() => {
      executions.sendTaskSuccess(token, 1);
    }).toThrow(expect.objectContaining({ name: 'TaskTimedOut' }) as Error);
    expect(clock.pending).toEqual([]);
  });

  it('waits until the handler has cleaned up', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    let clean = false;
    const { execution } = startMachine(machineOf({ A: invoke('hang') }), {
      clock,
      functions: {
        hang: async (_payload, { signal }) => {
          await untilAborted(signal).catch(() => undefined);
          await clock.sleep(4_000);
          clean = true;
        },
      },
    });
    await clock.settle();
    await execution.abort('cancelled by ada');
    expect(clean).toBe(true);
  });

  it('does not wait for a handler that ignores its signal', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    const { execution } = startMachine(machineOf({ A: invoke('deaf') }), {
      clock,
      functions: { deaf: () => new Promise(() => undefined) },
    });
    await clock.settle();
    const before = clock.now().getTime();
    expect(await execution.abort('cancelled by ada')).toEqual(aborted);
    expect(clock.now().getTime() - before).toBe(5_000);
  });

  it('before the first state enters none', async () => {
    const { execution, journal } = startMachine(machineOf({ A: invoke('f') }));
    expect(await execution.abort('cancelled by ada', 'Cancelled')).toEqual({ ...aborted, error: 'Cancelled' });
    expect(journal.events.map(({ type }) => type)).toEqual(['ExecutionStarted', 'ExecutionAborted']);
  });

  it('after the end changes nothing', async () => {
    const { execution, journal } = startMachine(machineOf({ A: { Type: 'Succeed' } }));
    const result = await execution.result;
    const events = journal.events.length;
    expect(await execution.abort('too late')).toBe(result);
    expect(journal.events).toHaveLength(events);
  });
});
