import aslValidator from 'asl-validator';
import { describe, expect, it } from 'vitest';

import { loadStateMachine } from '../../../local/states-language/load-state-machine.ts';
import { pass, task, wait, problemsOf } from '../../support/load-problems.ts';
import { invoke, machineOf, waitForToken } from '../../support/run-machine.ts';

describe('substitutions', () => {
  const text = machineOf({ A: invoke('${Plan}', { Comment: 'calls ${Plan} of ${Stage}', End: true }) });

  it('are filled in every string', () => {
    const machine = loadStateMachine(text, { Plan: 'plan-backup', Stage: 'prod' });
    expect(machine.States['A']).toMatchObject({
      Comment: 'calls plan-backup of prod',
      Parameters: { FunctionName: 'plan-backup' },
    });
  });

  it('without a value are refused, each with its place', () => {
    expect(problemsOf(text, { Plan: 'x' })).toEqual([
      '$.States.A.Comment: nothing is bound to the substitution ${Stage}',
    ]);
    expect(problemsOf(text, { Stage: 'x' })).toEqual([
      '$.States.A.Parameters.FunctionName: nothing is bound to the substitution ${Plan}',
      '$.States.A.Comment: nothing is bound to the substitution ${Plan}',
    ]);
  });

  it('that the file does not use are refused', () => {
    expect(problemsOf(text, { Plan: 'x', Stage: 'x', Plna: 'x' })).toEqual([
      '$: the file does not use the substitution ${Plna}',
    ]);
  });

  it('cannot change the structure of the file', () => {
    const machine = loadStateMachine(text, { Plan: '","End":false,"x":"', Stage: '' });
    expect(machine.States['A']).toMatchObject({ Parameters: { FunctionName: '","End":false,"x":"' }, End: true });
  });
});

describe('a machine of everything that is implemented', () => {
  const states = {
    Everything: {
      ...waitForToken('f'),
      Comment: 'c',
      InputPath: '$.a',
      ResultSelector: { 'a.$': '$.b' },
      ResultPath: '$.r',
      OutputPath: '$',
      TimeoutSecondsPath: '$.t',
      HeartbeatSecondsPath: '$.h',
      Retry: [
        {
          ErrorEquals: ['E'],
          IntervalSeconds: 2,
          MaxAttempts: 0,
          BackoffRate: 1,
          MaxDelaySeconds: 9,
          JitterStrategy: 'FULL',
        },
      ],
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'Choose' }],
      End: undefined,
      Next: 'Choose',
    },
    Choose: {
      Type: 'Choice',
      Choices: [
        {
          And: [{ Variable: '$.a', IsPresent: true }, { Not: { Variable: '$.a', StringEqualsPath: '$.b' } }],
          Next: 'Side',
        },
      ],
      Default: 'Wait',
    },
    Side: {
      Type: 'Parallel',
      Branches: [
        {
          StartAt: 'Each',
          States: {
            Each: {
              Type: 'Map',
              ItemsPath: '$.x',
              MaxConcurrency: 2,
              ItemSelector: { 'v.$': '$$.Map.Item.Value' },
              ItemProcessor: {
                ProcessorConfig: { Mode: 'INLINE' },
                StartAt: 'Inner',
                States: { Inner: { Type: 'Succeed' } },
              },
              End: true,
            },
          },
        },
      ],
      Next: 'Wait',
    },
    Wait: { Type: 'Wait', TimestampPath: '$.t', Next: 'Broken' },
    Broken: { Type: 'Fail', ErrorPath: '$.e', CausePath: "States.Format('{}', $.c)" },
  };
  const text = machineOf(states, { Comment: 'c', Version: '1.0', TimeoutSeconds: 60, QueryLanguage: 'JSONPath' });

  it('loads, and cannot be changed afterwards', () => {
    const machine = loadStateMachine(text, {});
    expect(problemsOf(text)).toEqual([]);
    expect(machine.name).toBe('StateMachine');
    expect(() => Object.assign(machine.States['Choose'] ?? {}, { Default: 'Broken' })).toThrow(TypeError);
  });

  it('is right for asl-validator too, which also finds what we find', () => {
    expect(aslValidator(JSON.parse(text)).errors).toEqual([]);
    const wrong = [
      machineOf({ A: { Type: 'Pass', Next: 'B' } }),
      wait({}),
      task({ TimeoutSeconds: 0 }),
      pass({ InputPath: 'a' }),
    ];
    for (const each of wrong) {
      expect(aslValidator(JSON.parse(each)).isValid).toBe(false);
      expect(problemsOf(each)).not.toEqual([]);
    }
  });
});
