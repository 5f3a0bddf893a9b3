import { describe, expect, it } from 'vitest';

import { errorOf, machineOf, outputOf, runMachine } from '../../support/run-machine.ts';

const wait = (fields: object) => machineOf({ W: { Type: 'Wait', ...fields, End: true } });

describe('Wait', () => {
  it.each<[string, object, object, number]>([
    ['Seconds', { Seconds: 7200 }, {}, 7200],
    ['Seconds 0', { Seconds: 0 }, {}, 0],
    ['SecondsPath', { SecondsPath: '$.s' }, { s: 90 }, 90],
    ['Timestamp', { Timestamp: '2026-01-01T01:00:00Z' }, {}, 3600],
    ['TimestampPath', { TimestampPath: '$.t' }, { t: '2026-01-01T02:00:00+01:00' }, 3600],
    ['a Timestamp in the past', { Timestamp: '2020-01-01T00:00:00Z' }, {}, 0],
    ['years, beyond what a timer can wait', { Seconds: 99_999_999 }, {}, 99_999_999],
  ])('%s', async (_, fields, input, seconds) => {
    const run = await runMachine(wait(fields), { input });
    expect(run.result).toEqual({ status: 'SUCCEEDED', output: input });
    expect(run.seconds).toBe(seconds);
  });

  it.each<[string, object, object]>([
    ['seconds that are a text', { SecondsPath: '$.s' }, { s: '90' }],
    ['negative seconds', { SecondsPath: '$.s' }, { s: -1 }],
    ['parts of seconds', { SecondsPath: '$.s' }, { s: 1.5 }],
    ['a path to nothing', { SecondsPath: '$.s' }, {}],
    ['a date without time', { TimestampPath: '$.t' }, { t: '2026-01-01' }],
    ['a number as time', { TimestampPath: '$.t' }, { t: 1 }],
  ])('%s is States.Runtime', async (_, fields, input) => {
    expect(await errorOf(wait(fields), { input })).toBe('States.Runtime');
  });
});

describe('Succeed and Fail', () => {
  it('Succeed ends with its filtered input', async () => {
    expect(
      await outputOf(machineOf({ S: { Type: 'Succeed', InputPath: '$.a', OutputPath: '$.b' } }), {
        input: { a: { b: 1 } },
      }),
    ).toBe(1);
  });

  it.each<[string, object, { error: string; cause: string }]>([
    ['fixed', { Error: 'E', Cause: 'why' }, { error: 'E', cause: 'why' }],
    ['empty', {}, { error: '', cause: '' }],
    ['from paths', { ErrorPath: '$.e', CausePath: '$.c' }, { error: 'Lost', cause: 'gone' }],
    ['from the context object', { Error: 'E', CausePath: '$$.Execution.Name' }, { error: 'E', cause: 'run' }],
    [
      'from intrinsic functions',
      { ErrorPath: "States.Format('{}Error', $.e)", CausePath: 'States.JsonToString($.d)' },
      { error: 'LostError', cause: '{"n":1}' },
    ],
  ])('Fail: %s', async (_, fields, expected) => {
    const { result } = await runMachine(machineOf({ F: { Type: 'Fail', ...fields } }), {
      input: { e: 'Lost', c: 'gone', d: { n: 1 } },
    });
    expect(result).toEqual({ status: 'FAILED', ...expected });
  });

  it.each<[string, object]>([
    ['to nothing', { ErrorPath: '$.x' }],
    ['to an object', { CausePath: '$.d' }],
  ])('Fail with a path %s is States.Runtime', async (_, fields) => {
    expect(await errorOf(machineOf({ F: { Type: 'Fail', ...fields } }), { input: { d: {} } })).toBe('States.Runtime');
  });
});
