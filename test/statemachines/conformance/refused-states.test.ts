import { describe, expect, it } from 'vitest';

import {
  pass,
  task,
  map,
  wait,
  fail,
  choice,
  retry,
  catching,
  inner,
  problemsOf,
} from '../../support/load-problems.ts';
import { invoke, machineOf, waitForToken } from '../../support/run-machine.ts';

describe('a state that is wrong is refused', () => {
  it.each<[string, string, string]>([
    ['no Resource', machineOf({ A: { Type: 'Task', Parameters: {}, End: true } }), '$.States.A.Resource: is missing'],
    ['no Parameters', task({ Parameters: undefined }), '$.States.A.Parameters: is missing'],
    ['no FunctionName', task({ Parameters: { Payload: {} } }), '$.States.A.Parameters: needs FunctionName'],
    [
      'a token nobody gets',
      machineOf({ A: waitForToken('f', { Parameters: { FunctionName: 'f' }, End: true }) }),
      '$.States.A.Parameters: does not pass $$.Task.Token',
    ],
    [
      'HeartbeatSeconds without a token',
      task({ TimeoutSeconds: 9, HeartbeatSeconds: 5 }),
      '$.States.A.HeartbeatSeconds: only a task that waits for a token',
    ],
    [
      'HeartbeatSeconds beyond TimeoutSeconds',
      machineOf({ A: waitForToken('f', { TimeoutSeconds: 9, HeartbeatSeconds: 9, End: true }) }),
      '$.States.A.HeartbeatSeconds: must be smaller',
    ],
    [
      'TimeoutSeconds twice',
      task({ TimeoutSeconds: 9, TimeoutSecondsPath: '$.t' }),
      '$.States.A: has TimeoutSeconds and TimeoutSecondsPath',
    ],
    ['seconds that are no integer', task({ TimeoutSeconds: 1.5 }), '$.States.A.TimeoutSeconds: must be an integer'],
    ['no ErrorEquals', task({ Retry: [{}] }), '$.States.A.Retry[0].ErrorEquals: must be an array'],
    [
      'States.ALL with others',
      retry({ ErrorEquals: ['E', 'States.ALL'] }),
      '$.States.A.Retry[0].ErrorEquals: States.ALL must stand alone',
    ],
    [
      'States.ALL before the last',
      task({ Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['E'] }] }),
      '$.States.A.Retry[0].ErrorEquals: States.ALL must be in the last entry',
    ],
    [
      'a reserved name that does not exist',
      retry({ ErrorEquals: ['States.TimeOut'] }),
      '$.States.A.Retry[0].ErrorEquals: there is no error States.TimeOut',
    ],
    [
      'States.Runtime, which nothing catches',
      catching({ ErrorEquals: ['States.Runtime'] }),
      '$.States.A.Catch[0].ErrorEquals: States.Runtime always ends',
    ],
    ['BackoffRate below 1', retry({ BackoffRate: 0.5 }), '$.States.A.Retry[0].BackoffRate: must be'],
    ['IntervalSeconds 0', retry({ IntervalSeconds: 0 }), '$.States.A.Retry[0].IntervalSeconds: must be'],
    ['MaxAttempts below 0', retry({ MaxAttempts: -1 }), '$.States.A.Retry[0].MaxAttempts: must be'],
    [
      'MaxDelaySeconds up to IntervalSeconds',
      retry({ IntervalSeconds: 5, MaxDelaySeconds: 5 }),
      '$.States.A.Retry[0].MaxDelaySeconds: must be greater',
    ],
    [
      'a jitter strategy',
      retry({ JitterStrategy: 'HALF' }),
      '$.States.A.Retry[0].JitterStrategy: must be FULL or NONE',
    ],
    ['an unknown field of a retrier', retry({ Interval: 1 }), '$.States.A.Retry[0].Interval: is not a field'],
    [
      'a Catch without Next',
      machineOf({ A: invoke('f', { Catch: [{ ErrorEquals: ['E'] }], End: true }) }),
      '$.States.A.Catch[0].Next: is missing',
    ],
    ['Retry on a Pass', pass({ Retry: [] }), '$.States.A.Retry: is not a field'],
    ['a Wait for nothing', wait({}), '$.States.A: needs Seconds or SecondsPath'],
    ['a Wait for two things', wait({ Seconds: 1, TimestampPath: '$.t' }), '$.States.A: has Seconds and TimestampPath'],
    ['a timestamp without time', wait({ Timestamp: '2026-01-01' }), '$.States.A.Timestamp: must be an RFC 3339'],
    [
      'a Choice without rules',
      machineOf({ A: { Type: 'Choice', Choices: [], Default: 'B' }, B: { Type: 'Succeed' } }),
      '$.States.A.Choices: must be an array',
    ],
    ['a rule that is no object', choice(1), '$.States.A.Choices[0]: must be an object'],
    [
      'a Next in a Choice',
      machineOf({
        A: { Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, Next: 'B' }], Next: 'B' },
        B: { Type: 'Succeed' },
      }),
      '$.States.A.Next: is not a field',
    ],
    [
      'a rule without comparison',
      choice({ Variable: '$.a', Next: 'B' }),
      '$.States.A.Choices[0]: needs exactly one comparison',
    ],
    [
      'a rule with two comparisons',
      choice({ Variable: '$.a', IsNull: true, IsString: true, Next: 'B' }),
      '$.States.A.Choices[0]: needs exactly one comparison',
    ],
    ['a rule without Next', choice({ Variable: '$.a', IsNull: true }), '$.States.A.Choices[0].Next: is missing'],
    [
      'a Next in an inner rule',
      choice({ Not: { Variable: '$.a', IsNull: true, Next: 'B' }, Next: 'B' }),
      '$.States.A.Choices[0].Not.Next: may stand in the outermost rule only',
    ],
    ['a rule without Variable', choice({ IsNull: true, Next: 'B' }), '$.States.A.Choices[0].Variable: is missing'],
    [
      'an unknown comparison',
      choice({ Variable: '$.a', NumericNotEquals: 1, Next: 'B' }),
      '$.States.A.Choices[0].NumericNotEquals: is not a comparison',
    ],
    [
      'BooleanLessThan',
      choice({ Variable: '$.a', BooleanLessThan: true, Next: 'B' }),
      '$.States.A.Choices[0].BooleanLessThan: is not a comparison',
    ],
    [
      'an operand of another type',
      choice({ And: [{ Variable: '$.a', NumericEquals: '1' }], Next: 'B' }),
      '$.States.A.Choices[0].And[0].NumericEquals: must be a number',
    ],
    [
      'a timestamp operand',
      choice({ Variable: '$.a', TimestampEquals: 'noon', Next: 'B' }),
      '$.States.A.Choices[0].TimestampEquals: must be an RFC 3339',
    ],
    ['an empty And', choice({ And: [], Next: 'B' }), '$.States.A.Choices[0].And: must be an array'],
    ['Error and ErrorPath', fail({ Error: 'E', ErrorPath: '$.e' }), '$.States.A: has Error and ErrorPath'],
    [
      'a function that makes no string in CausePath',
      fail({ CausePath: 'States.Array($.e)' }),
      '$.States.A.CausePath: States.Array cannot stand here',
    ],
    ['InputPath in a Fail', fail({ InputPath: '$.a' }), '$.States.A.InputPath: is not a field'],
    ['a Map without processor', map({ ItemProcessor: undefined }), '$.States.A: needs ItemProcessor or Iterator'],
    ['a Map with both', map({ Iterator: inner }), '$.States.A: has ItemProcessor and Iterator'],
    [
      'ItemSelector and Parameters',
      map({ ItemSelector: {}, Parameters: {} }),
      '$.States.A: has ItemSelector and Parameters',
    ],
    ['ItemsPath with a wildcard', map({ ItemsPath: '$.a[*]' }), '$.States.A.ItemsPath: must name one place'],
    [
      'no Branches',
      machineOf({ A: { Type: 'Parallel', Branches: [], End: true } }),
      '$.States.A.Branches: must be an array',
    ],
    [
      'what is wrong deep inside',
      machineOf({
        A: {
          Type: 'Parallel',
          Branches: [
            {
              StartAt: 'M',
              States: {
                M: {
                  Type: 'Map',
                  ItemProcessor: { StartAt: 'D', States: { D: { Type: 'Pass', InputPath: 1, End: true } } },
                  End: true,
                },
              },
            },
          ],
          End: true,
        },
      }),
      '$.States.A.Branches[0].States.M.ItemProcessor.States.D.InputPath: must be a path',
    ],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toContainEqual(expect.stringContaining(expected));
  });
});
