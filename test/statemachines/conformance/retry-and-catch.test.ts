import { describe, expect, it } from 'vitest';

import { HoldfastError } from '../../../src/domain/errors.ts';
import { errorOf, invoke, machineOf, named, outputOf, runMachine } from '../../support/run-machine.ts';

/** A task that always fails with the errors in turn, and the times (seconds) of its attempts. */
async function attempts(retry: readonly object[], errors: readonly string[], random?: () => number) {
  let count = 0;
  const run = await runMachine(machineOf({ A: invoke('f', { Retry: retry, End: true }) }), {
    functions: {
      f: () => {
        const error = errors[Math.min(count, errors.length - 1)];
        count += 1;
        if (error !== undefined && error !== '') throw named(error);
      },
    },
    ...(random && { random }),
  });
  return { times: run.calls.map(({ at }) => at), result: run.result };
}

describe('Retry', () => {
  it.each<[string, object, readonly number[]]>([
    ['defaults: 3 retries after 1, 2, 4 seconds', {}, [0, 1, 3, 7]],
    ['IntervalSeconds and BackoffRate', { IntervalSeconds: 3, MaxAttempts: 3, BackoffRate: 1.5 }, [0, 3, 7.5, 14.25]],
    [
      'MaxDelaySeconds caps the growth',
      { IntervalSeconds: 10, MaxAttempts: 4, BackoffRate: 3, MaxDelaySeconds: 40 },
      [0, 10, 40, 80, 120],
    ],
    ['MaxAttempts 0 never retries', { MaxAttempts: 0 }, [0]],
    ['BackoffRate 1 keeps the interval', { IntervalSeconds: 5, MaxAttempts: 2, BackoffRate: 1 }, [0, 5, 10]],
    ['JitterStrategy NONE', { MaxAttempts: 1, JitterStrategy: 'NONE' }, [0, 1]],
    ['hours', { IntervalSeconds: 3600, MaxAttempts: 2 }, [0, 3600, 10_800]],
  ])('%s', async (_, fields, times) => {
    const run = await attempts([{ ErrorEquals: ['Busy'], ...fields }], ['Busy']);
    expect(run.times).toEqual(times);
    expect(run.result).toMatchObject({ status: 'FAILED', error: 'Busy' });
  });

  it('JitterStrategy FULL waits a random part of the delay', async () => {
    const parts = [0.5, 0.25];
    const { times } = await attempts(
      [{ ErrorEquals: ['Busy'], IntervalSeconds: 8, MaxAttempts: 2, JitterStrategy: 'FULL' }],
      ['Busy'],
      () => parts.shift() ?? 0,
    );
    expect(times).toEqual([0, 4, 8]);
  });

  it('every retrier counts for itself', async () => {
    // The specification's own example: the retriers' attempts do not add up.
    const retry = [
      { ErrorEquals: ['A', 'B'], IntervalSeconds: 1, BackoffRate: 2, MaxAttempts: 2 },
      { ErrorEquals: ['C'], IntervalSeconds: 5 },
    ];
    const { times, result } = await attempts(retry, ['A', 'B', 'C', 'C', 'B']);
    expect(times).toEqual([0, 1, 3, 8, 18]);
    expect(result).toMatchObject({ error: 'B' });
  });

  it('a retrier that is used up is not replaced by a later one that matches', async () => {
    const retry = [{ ErrorEquals: ['A'], MaxAttempts: 1 }, { ErrorEquals: ['States.ALL'] }];
    expect((await attempts(retry, ['A'])).times).toEqual([0, 1]);
  });

  it('ends with the first success', async () => {
    const { times, result } = await attempts([{ ErrorEquals: ['States.ALL'] }], ['A', 'B', '']);
    expect(times).toEqual([0, 1, 3]);
    expect(result.status).toBe('SUCCEEDED');
  });

  it('does not retry what no retrier names', async () => {
    expect((await attempts([{ ErrorEquals: ['A'] }], ['B'])).times).toEqual([0]);
  });

  it('counts afresh when the state is entered again', async () => {
    const text = machineOf({
      A: invoke('f', { Retry: [{ ErrorEquals: ['Busy'], MaxAttempts: 1 }], ResultPath: '$.r', Next: 'B' }),
      B: { Type: 'Choice', Choices: [{ Variable: '$.r.Payload', NumericLessThan: 2, Next: 'A' }], Default: 'C' },
      C: { Type: 'Succeed' },
    });
    const seen: number[] = [];
    let count = 0;
    await outputOf(text, {
      functions: {
        f: (_payload, { attempt }) => {
          seen.push(attempt);
          if (attempt === 1) throw named('Busy');
          count += 1;
          return count;
        },
      },
    });
    expect(seen).toEqual([1, 2, 1, 2]);
  });

  it('of a Map or Parallel runs it again from the start', async () => {
    let count = 0;
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [{ StartAt: 'A', States: { A: invoke('ok', { Next: 'B' }), B: invoke('flaky') } }],
        Retry: [{ ErrorEquals: ['Flaky'], IntervalSeconds: 10 }],
        End: true,
      },
    });
    const run = await runMachine(text, {
      functions: {
        ok: () => 1,
        flaky: () => {
          count += 1;
          if (count === 1) throw named('Flaky');
          return 2;
        },
      },
    });
    expect(run.calls.map(({ functionName, at }) => [functionName, at])).toEqual([
      ['ok', 0],
      ['flaky', 0],
      ['ok', 10],
      ['flaky', 10],
    ]);
    expect(run.result.status).toBe('SUCCEEDED');
  });
});

/** The name of the catcher that catches what the function fails with, or the error that ends the execution. */
async function caughtBy(error: string, catchers: readonly (readonly string[])[], fields: object = {}): Promise<string> {
  const names = catchers.map((_, index) => `C${index}`);
  const text = machineOf({
    A: invoke('f', {
      Catch: catchers.map((errors, index) => ({ ErrorEquals: errors, Next: names[index] })),
      End: true,
      ...fields,
    }),
    ...Object.fromEntries(names.map((name) => [name, { Type: 'Pass', Result: name, End: true }])),
  });
  const functions = {
    f: () => {
      throw named(error);
    },
  };
  const { result } = await runMachine(text, { functions });
  return result.status === 'SUCCEEDED' ? (result.output as string) : result.error;
}

describe('which error Catch and Retry match', () => {
  it.each<[string, readonly (readonly string[])[], string]>([
    ['SnapshotFailed', [['SnapshotFailed']], 'C0'],
    ['SnapshotFailed', [['Other'], ['SnapshotFailed', 'X'], ['States.ALL']], 'C1'],
    ['SnapshotFailed', [['States.TaskFailed'], ['SnapshotFailed']], 'C0'],
    ['SnapshotFailed', [['States.Timeout'], ['States.ALL']], 'C1'],
    ['SnapshotFailed', [['snapshotfailed']], 'SnapshotFailed'],
    ['SnapshotFailed', [], 'SnapshotFailed'],
  ])('%s by %j: %s', async (error, catchers, expected) => {
    expect(await caughtBy(error, catchers)).toBe(expected);
  });

  it('States.Runtime ends the execution past States.ALL and States.TaskFailed', async () => {
    expect(await caughtBy('unused', [['States.TaskFailed'], ['States.ALL']], { InputPath: '$.missing' })).toBe(
      'States.Runtime',
    );
  });

  it.each<[readonly (readonly string[])[], string]>([
    [[['States.ALL']], 'States.DataLimitExceeded'],
    [[['States.TaskFailed']], 'States.DataLimitExceeded'],
    [[['States.DataLimitExceeded']], 'C0'],
  ])('States.DataLimitExceeded by %j: %s', async (catchers, expected) => {
    const text = machineOf({
      A: invoke('big', { Catch: catchers.map((errors) => ({ ErrorEquals: errors, Next: 'C0' })), End: true }),
      C0: { Type: 'Pass', Result: 'C0', End: true },
    });
    const { result } = await runMachine(text, { functions: { big: () => 'x'.repeat(262_144) } });
    expect(result.status === 'SUCCEEDED' ? result.output : result.error).toBe(expected);
  });

  it('an intrinsic function that fails can be caught', async () => {
    const fields = { ResultSelector: { 'x.$': "States.StringToJson('{')" } };
    const text = machineOf({
      A: invoke('f', { ...fields, Catch: [{ ErrorEquals: ['States.IntrinsicFailure'], Next: 'B' }], End: true }),
      B: { Type: 'Pass', Result: 'caught', End: true },
    });
    expect(await outputOf(text, { functions: { f: () => 1 } })).toBe('caught');
  });
});

describe('Catch', () => {
  const failing = {
    f: () => {
      throw new HoldfastError('DeploymentBusy', 'held by run 7');
    },
  };
  const catching = (fields: object, more: object = {}) =>
    machineOf({
      A: invoke('f', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B', ...fields }], End: true, ...more }),
      B: { Type: 'Succeed' },
    });

  it('gives Error and Cause, and the cause is the JSON that Lambda makes of an error', async () => {
    const output = (await outputOf(catching({}), { functions: failing, input: { a: 1 } })) as {
      Error: string;
      Cause: string;
    };
    expect(Object.keys(output)).toEqual(['Error', 'Cause']);
    expect(output.Error).toBe('DeploymentBusy');
    expect(JSON.parse(output.Cause)).toMatchObject({ errorType: 'DeploymentBusy', errorMessage: 'held by run 7' });
  });

  it('puts them into the raw input by ResultPath', async () => {
    const text = catching({ ResultPath: '$.error' }, { InputPath: '$.a', OutputPath: '$.StatusCode' });
    expect(await outputOf(text, { functions: failing, input: { a: 1 } })).toMatchObject({
      a: 1,
      error: { Error: 'DeploymentBusy' },
    });
  });

  it('with ResultPath null keeps the input', async () => {
    expect(await outputOf(catching({ ResultPath: null }), { functions: failing, input: { a: 1 } })).toEqual({ a: 1 });
  });

  it('comes after the last retry', async () => {
    const run = await runMachine(
      catching({ ResultPath: null }, { Retry: [{ ErrorEquals: ['DeploymentBusy'], MaxAttempts: 2 }] }),
      { functions: failing },
    );
    expect(run.calls.map(({ at }) => at)).toEqual([0, 1, 3]);
    expect(run.result.status).toBe('SUCCEEDED');
  });

  it('of a Parallel gets the error of the branch that failed', async () => {
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [{ StartAt: 'A', States: { A: { Type: 'Fail', Error: 'Broken', Cause: 'here' } } }],
        Catch: [{ ErrorEquals: ['Broken'], Next: 'B' }],
        End: true,
      },
      B: { Type: 'Succeed' },
    });
    expect(await outputOf(text)).toEqual({ Error: 'Broken', Cause: 'here' });
  });

  it('of a Fail state does not exist: it ends the execution', async () => {
    expect(await errorOf(machineOf({ F: { Type: 'Fail', Error: 'E' } }))).toBe('E');
  });

  it('something thrown that is no Error is still an error', async () => {
    const functions = {
      f: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a careless handler may do
        throw 'just text';
      },
    };
    expect(await outputOf(catching({}), { functions })).toMatchObject({ Error: 'Error' });
  });
});
