/**
 * What other engines get wrong (aws-local-stepfunctions 3.0.0 and moto 5.2.1, found by running them) and a backup product is
 * hurt by. Each case is what Step Functions does.
 */
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
  type TestFunction,
  untilAborted,
  waitForToken,
} from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const pass = (fields: object) => machineOf({ A: { Type: 'Pass', ...fields, End: true } });
const block = (states: object) => ({ StartAt: Object.keys(states)[0], States: states });

describe('aws-local-stepfunctions', () => {
  it('after one Map item fails, queued items do not run', async () => {
    const calls: unknown[] = [];
    const f: TestFunction = (payload) => {
      calls.push(payload);
      throw named('Broken');
    };
    const text = machineOf({
      M: { Type: 'Map', MaxConcurrency: 1, ItemProcessor: block({ A: invoke('f') }), End: true },
    });
    expect(await errorOf(text, { input: [0, 1, 2, 3, 4], functions: { f } })).toBe('Broken');
    expect(calls).toEqual([0]);
  });

  it('a shard that fails runs exactly the shards before it', async () => {
    const f: TestFunction = (payload) => {
      if (payload === 'shard1') throw named('ShardFailed');
      return payload;
    };
    const text = machineOf({
      M: { Type: 'Map', MaxConcurrency: 1, ItemProcessor: block({ A: invoke('f') }), End: true },
    });
    const run = await runMachine(text, { input: ['shard0', 'shard1', 'shard2'], functions: { f } });
    expect(run.calls.map(({ payload }) => payload)).toEqual(['shard0', 'shard1']);
  });

  it('an abort during a retry’s back-off does not call the handler again', async () => {
    const clock = new VirtualClock();
    const text = machineOf({ A: invoke('f', { Retry: [{ ErrorEquals: ['States.ALL'], MaxAttempts: 5 }], End: true }) });
    const { execution, calls } = startMachine(text, {
      clock,
      functions: {
        f: () => {
          throw named('Busy');
        },
      },
    });
    await clock.advance(500);
    await execution.abort('stop');
    await clock.advance(100_000);
    expect(calls).toHaveLength(1);
  });

  it('IsPresent: false on a missing field is true', async () => {
    const text = machineOf({
      C: { Type: 'Choice', Choices: [{ Variable: '$.a.b.c', IsPresent: false, Next: 'Yes' }], Default: 'No' },
      Yes: { Type: 'Pass', Result: true, End: true },
      No: { Type: 'Pass', Result: false, End: true },
    });
    expect(await outputOf(text, { input: {} })).toBe(true);
    expect(await outputOf(text, { input: { a: { b: { c: null } } } })).toBe(false);
  });

  it('an explicit ResultPath "$" replaces the input', async () => {
    expect(await outputOf(pass({ Result: { r: 1 }, ResultPath: '$' }), { input: { a: 1 } })).toEqual({ r: 1 });
  });

  it('bracket paths mean the same as dotted ones, also in ResultPath', async () => {
    expect(await outputOf(pass({ Result: 1, ResultPath: "$['a b']['c.d']" }), { input: { k: 0 } })).toEqual({
      k: 0,
      'a b': { 'c.d': 1 },
    });
    expect(await outputOf(pass({ InputPath: "$['a b'].c" }), { input: { 'a b': { c: 2 } } })).toBe(2);
  });

  it('a Task without TimeoutSeconds has no time limit of 60 seconds', async () => {
    const clock = new VirtualClock({ autoAdvance: true });
    const slow = () => clock.sleep(3_600_000);
    const run = await runMachine(machineOf({ A: invoke('slow') }), { clock, functions: { slow } });
    expect(run.result.status).toBe('SUCCEEDED');
    expect(run.seconds).toBe(3600);
  });

  it.each([99_999_999, 2_147_484])('TimeoutSeconds %i does not fire at once', async (seconds) => {
    const hang: TestFunction = (_payload, { signal }) => untilAborted(signal);
    const run = await runMachine(machineOf({ A: invoke('hang', { TimeoutSeconds: seconds, End: true }) }), {
      functions: { hang },
    });
    expect(run.result).toMatchObject({ error: 'States.Timeout' });
    expect(run.seconds).toBe(seconds);
  });

  it('inside a Map there is $$.Map.Item, and $$.Execution.Input is the execution’s', async () => {
    const Parameters = {
      'index.$': '$$.Map.Item.Index',
      'value.$': '$$.Map.Item.Value',
      'input.$': '$$.Execution.Input',
    };
    const text = machineOf({
      M: {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemProcessor: block({ A: { Type: 'Pass', Parameters, End: true } }),
        End: true,
      },
    });
    expect(await outputOf(text, { input: { items: ['x'] } })).toEqual([
      { index: 0, value: 'x', input: { items: ['x'] } },
    ]);
  });

  it('States.JsonMerge changes neither of its arguments', async () => {
    const text = machineOf({
      A: {
        Type: 'Pass',
        Parameters: { 'm.$': 'States.JsonMerge($.a, $.b, false)', 'a.$': '$.a', 'b.$': '$.b' },
        End: true,
      },
    });
    const input = { a: { x: 1 }, b: { x: 2, y: 3 } };
    expect(await outputOf(text, { input })).toEqual({ m: { x: 2, y: 3 }, ...input });
  });

  it('Base64 is of UTF-8', async () => {
    expect(await outputOf(pass({ Parameters: { 'v.$': "States.Base64Encode('ü→🔒')" }, OutputPath: '$.v' }))).toBe(
      'w7zihpLwn5SS',
    );
    expect(
      await outputOf(pass({ Parameters: { 'v.$': "States.Base64Decode('w7zihpLwn5SS')" }, OutputPath: '$.v' })),
    ).toBe('ü→🔒');
  });

  it('intrinsic functions work in CausePath', async () => {
    const text = machineOf({
      F: { Type: 'Fail', Error: 'BackupFailed', CausePath: "States.Format('{}: {}', $.error.Error, $.error.Cause)" },
    });
    const { result } = await runMachine(text, { input: { error: { Error: 'DeploymentBusy', Cause: 'run 7' } } });
    expect(result).toEqual({ status: 'FAILED', error: 'BackupFailed', cause: 'DeploymentBusy: run 7' });
  });

  it('there is $$.State', async () => {
    const text = pass({ Parameters: { 's.$': '$$.State' }, OutputPath: '$.s' });
    expect(await outputOf(text)).toEqual({ Name: 'A', EnteredTime: '2026-01-01T00:00:00.000Z', RetryCount: 0 });
  });

  it.each<[string, object]>([
    ['JSONata', { Type: 'Pass', QueryLanguage: 'JSONata', Output: '{% 1 %}', End: true }],
    ['Assign', { Type: 'Pass', Assign: { 'x.$': '$' }, End: true }],
    ...['ToleratedFailureCount', 'ToleratedFailurePercentage', 'ItemBatcher', 'ItemReader'].map(
      (field): [string, object] => [
        field,
        { Type: 'Map', [field]: {}, ItemProcessor: block({ B: { Type: 'Succeed' } }), End: true },
      ],
    ),
  ])('%s is not ignored silently', (_, state) => {
    expect(() => loadStateMachine(machineOf({ A: state }), {})).toThrow(
      expect.objectContaining({ name: 'InvalidStateMachine' }) as Error,
    );
  });

  it('a handler gets an AbortSignal that its timeout aborts', async () => {
    const seen: boolean[] = [];
    const f: TestFunction = (_payload, { signal }) => {
      seen.push(signal.aborted);
      signal.addEventListener('abort', () => seen.push(signal.aborted));
      return untilAborted(signal);
    };
    await runMachine(machineOf({ A: invoke('f', { TimeoutSeconds: 1, End: true }) }), { functions: { f } });
    expect(seen).toEqual([false, true]);
  });

  it('a machine costs far less than 100 ms', async () => {
    const text = machineOf({ A: invoke('f', { Next: 'B' }), B: { Type: 'Succeed' } });
    const start = performance.now();
    for (let run = 0; run < 100; run += 1) await outputOf(text, { functions: { f: () => 1 } });
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe('moto', () => {
  it('startExecution.sync:2 works', async () => {
    const child = loadStateMachine(machineOf({ A: { Type: 'Pass', Result: 'done', End: true } }), {}, 'Child');
    const parameters = { StateMachineArn: 'child', Input: {} };
    const text = machineOf({
      S: {
        Type: 'Task',
        Resource: 'arn:aws:states:::states:startExecution.sync:2',
        Parameters: parameters,
        OutputPath: '$.Output',
        End: true,
      },
    });
    expect(await outputOf(text, { machines: { child } })).toBe('done');
  });

  it('a stop while a token is waited for ends as ABORTED', async () => {
    const clock = new VirtualClock();
    const { execution } = startMachine(machineOf({ A: waitForToken('launch', { TimeoutSeconds: 60, End: true }) }), {
      clock,
      functions: { launch: () => 0 },
    });
    await clock.settle();
    expect(await execution.abort('stop')).toEqual({ status: 'ABORTED', error: 'Aborted', cause: 'stop' });
  });

  it('a lost heartbeat is States.HeartbeatTimeout for Catch', async () => {
    const text = machineOf({
      A: waitForToken('launch', {
        TimeoutSeconds: 60,
        HeartbeatSeconds: 10,
        Catch: [{ ErrorEquals: ['States.HeartbeatTimeout'], Next: 'B' }],
        End: true,
      }),
      B: { Type: 'Pass', Result: 'caught', End: true },
    });
    expect(await outputOf(text, { functions: { launch: () => 0 } })).toBe('caught');
  });
});

describe('prototypes of this engine', () => {
  it('a handler that rejects after its task is over leaves no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const clock = new VirtualClock({ autoAdvance: true });
    const late: TestFunction = async () => {
      await clock.sleep(60_000);
      throw named('TooLate');
    };
    const answered: TestFunction = (payload, _context, executions) => {
      executions.sendTaskSuccess((payload as { token: string }).token, 1);
      return late(payload, _context, executions);
    };
    await errorOf(machineOf({ A: invoke('late', { TimeoutSeconds: 1, End: true }) }), { clock, functions: { late } });
    await outputOf(machineOf({ A: waitForToken('answered', { TimeoutSeconds: 600, End: true }) }), {
      clock,
      functions: { answered },
    });
    await clock.settle();
    await clock.advance(120_000);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('a Map of parts beside a loop that captures ends when both are done', async () => {
    let captured = 0;
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [
          block({
            Bases: { Type: 'Map', ItemsPath: '$.parts', ItemProcessor: block({ Dump: invoke('dump') }), End: true },
          }),
          block({
            Wait: { Type: 'Wait', Seconds: 60, Next: 'Capture' },
            Capture: invoke('capture', { ResultPath: '$.c', Next: 'Done?' }),
            'Done?': {
              Type: 'Choice',
              Choices: [{ Variable: '$.c.Payload.done', BooleanEquals: true, Next: 'Captured' }],
              Default: 'Wait',
            },
            Captured: { Type: 'Succeed' },
          }),
        ],
        End: true,
      },
    });
    const run = await runMachine(text, {
      input: { parts: ['rs0', 'rs1'] },
      functions: {
        dump: () => 'dumped',
        capture: () => {
          captured += 1;
          return { done: captured === 3 };
        },
      },
    });
    expect(run.result.status).toBe('SUCCEEDED');
    expect(run.seconds).toBe(180);
  });
});
