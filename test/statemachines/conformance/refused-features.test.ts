import { describe, expect, it } from 'vitest';

import { pass, task, map, catching, inner, problemsOf } from '../../support/load-problems.ts';
import { machineOf } from '../../support/run-machine.ts';

describe('what the engine does not implement is refused', () => {
  it.each<[string, string, string]>([
    [
      'JSONata',
      machineOf({ A: { Type: 'Succeed' } }, { QueryLanguage: 'JSONata' }),
      '$.QueryLanguage: only the JSONPath dialect',
    ],
    ['JSONata in one state', pass({ QueryLanguage: 'JSONata' }), '$.States.A.QueryLanguage: only the JSONPath dialect'],
    ['JSONata’s Output', pass({ Output: '{% 1 %}' }), '$.States.A.Output: is not a field'],
    ['JSONata’s Arguments', task({ Arguments: {} }), '$.States.A.Arguments: is not a field'],
    ['Assign', pass({ Assign: { x: 1 } }), '$.States.A.Assign: is not a field'],
    ['Assign in a Catch', catching({ Assign: {} }), '$.States.A.Catch[0].Assign: is not a field'],
    ['a variable', pass({ InputPath: '$x' }), '$.States.A.InputPath: "$x" is not a path'],
    ['ToleratedFailureCount', map({ ToleratedFailureCount: 1 }), '$.States.A.ToleratedFailureCount: is not a field'],
    [
      'ToleratedFailurePercentage',
      map({ ToleratedFailurePercentage: 1 }),
      '$.States.A.ToleratedFailurePercentage: is not a field',
    ],
    ['ItemBatcher', map({ ItemBatcher: { MaxItemsPerBatch: 1 } }), '$.States.A.ItemBatcher: is not a field'],
    ['ItemReader', map({ ItemReader: {} }), '$.States.A.ItemReader: is not a field'],
    ['ResultWriter', map({ ResultWriter: {} }), '$.States.A.ResultWriter: is not a field'],
    ['Label', map({ Label: 'x' }), '$.States.A.Label: is not a field'],
    [
      'a DISTRIBUTED Map',
      map({ ItemProcessor: { ...inner, ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } } }),
      '$.States.A.ItemProcessor.ProcessorConfig.Mode: only INLINE',
    ],
    [
      'an activity',
      task({ Resource: 'arn:aws:states:us-east-1:000000000000:activity:x' }),
      '$.States.A.Resource: is not a resource',
    ],
    [
      'a plain function ARN',
      task({ Resource: 'arn:aws:lambda:us-east-1:000000000000:function:x' }),
      '$.States.A.Resource: is not a resource',
    ],
    [
      'an SDK integration',
      task({ Resource: 'arn:aws:states:::aws-sdk:ec2:createSnapshot' }),
      '$.States.A.Resource: is not a resource',
    ],
    [
      'startExecution without waiting',
      task({ Resource: 'arn:aws:states:::states:startExecution' }),
      '$.States.A.Resource: is not a resource',
    ],
    ['Credentials', task({ Credentials: {} }), '$.States.A.Credentials: is not a field'],
    [
      'another parameter of lambda:invoke',
      task({ Parameters: { FunctionName: 'f', InvocationType: 'Event' } }),
      '$.States.A.Parameters: "InvocationType" is not a parameter',
    ],
    ['a filter', pass({ InputPath: '$.a[?(@.b == 1)]' }), '$.States.A.InputPath: "$.a[?(@.b == 1)]" is not a path'],
    ['recursive descent', pass({ InputPath: '$..a' }), '$.States.A.InputPath: "$..a" is not a path'],
    [
      'a union',
      pass({ Parameters: { 'x.$': '$.a[0,1]' } }),
      '$.States.A.Parameters[\'x.$\']: "$.a[0,1]" is not a path',
    ],
    [
      'a path function',
      pass({ Parameters: { 'x.$': '$.a.length()' } }),
      '$.States.A.Parameters[\'x.$\']: "$.a.length()" is not a path',
    ],
    [
      'an unknown intrinsic function',
      pass({ Parameters: { 'x.$': 'States.Reverse($.a)' } }),
      "$.States.A.Parameters['x.$']: States.Reverse is not an intrinsic function",
    ],
    [
      'an unknown one inside another',
      pass({ Parameters: { 'x.$': 'States.Array(States.Nope())' } }),
      "$.States.A.Parameters['x.$']: States.Nope is not an intrinsic function",
    ],
    [
      'a seed for MathRandom',
      pass({ Parameters: { 'x.$': 'States.MathRandom(1, 2, 3)' } }),
      "$.States.A.Parameters['x.$']: States.MathRandom takes 2 arguments, not 3",
    ],
    [
      'an unknown member of the context object',
      pass({ Parameters: { 'x.$': '$$.Execution.RedriveCount' } }),
      '$.States.A.Parameters[\'x.$\']: "$$.Execution.RedriveCount" is not in the context object',
    ],
    [
      'a token where there is none',
      task({ Parameters: { FunctionName: 'f', 'Payload.$': '$$.Task.Token' } }),
      "$.States.A.Parameters['Payload.$']: only a task that waits for a token",
    ],
    [
      'an item outside of a Map',
      pass({ Parameters: { 'x.$': '$$.Map.Item.Value' } }),
      "$.States.A.Parameters['x.$']: $$.Map exists only inside a Map",
    ],
    [
      'an unknown field of the machine',
      machineOf({ A: { Type: 'Succeed' } }, { Timeout: 5 }),
      '$.Timeout: is not a field',
    ],
    [
      'an unknown field of a branch',
      machineOf({ A: { Type: 'Parallel', Branches: [{ ...inner, TimeoutSeconds: 1 }], End: true } }),
      '$.States.A.Branches[0].TimeoutSeconds: is not a field',
    ],
    ['an unknown type', machineOf({ A: { Type: 'Loop', End: true } }), '$.States.A.Type: must be one of Task, Map'],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toContainEqual(expect.stringContaining(expected));
  });
});
