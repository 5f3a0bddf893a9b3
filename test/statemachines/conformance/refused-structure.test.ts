import { describe, expect, it } from 'vitest';

import { pass, map, choice, catching, problemsOf } from '../../support/load-problems.ts';
import { machineOf } from '../../support/run-machine.ts';

describe('a machine whose structure is wrong is refused', () => {
  it.each<[string, string, string]>([
    ['text that is not JSON', '{"StartAt": }', '$: not JSON'],
    ['an array', '[]', '$: must be an object'],
    ['no states', '{"StartAt":"A","States":{}}', '$.States: must be an object with at least one state'],
    ['no StartAt', '{"States":{"A":{"Type":"Succeed"}}}', '$.StartAt: must be the name of a state'],
    [
      'a StartAt that is missing',
      '{"StartAt":"B","States":{"A":{"Type":"Succeed"}}}',
      '$.StartAt: there is no state "B"',
    ],
    ['a Next that is missing', machineOf({ A: { Type: 'Pass', Next: 'B' } }), '$.States.A.Next: there is no state "B"'],
    [
      'a Next into another block',
      machineOf({
        A: { Type: 'Map', ItemProcessor: { StartAt: 'I', States: { I: { Type: 'Pass', Next: 'B' } } }, Next: 'B' },
        B: { Type: 'Succeed' },
      }),
      '$.States.A.ItemProcessor.States.I.Next: there is no state "B"',
    ],
    ['a Catch to a state that is missing', catching({ Next: 'C' }), '$.States.A.Catch[0].Next: there is no state "C"'],
    [
      'a Choice to a state that is missing',
      choice({ Variable: '$.a', IsPresent: true, Next: 'C' }),
      '$.States.A.Choices[0].Next: there is no state "C"',
    ],
    [
      'a Default that is missing',
      machineOf({ A: { Type: 'Choice', Choices: [{ Variable: '$.a', IsPresent: true, Next: 'A' }], Default: 'C' } }),
      '$.States.A.Default: there is no state "C"',
    ],
    [
      'a state that cannot be reached',
      machineOf({ A: { Type: 'Succeed' }, 'B b': { Type: 'Succeed' } }),
      "$.States['B b']: no way from StartAt",
    ],
    [
      'a state that only an unreachable state leads to',
      machineOf({ A: { Type: 'Succeed' }, B: { Type: 'Pass', Next: 'C' }, C: { Type: 'Pass', Next: 'B' } }),
      '$.States.C: no way from StartAt',
    ],
    ['a block without end', machineOf({ A: { Type: 'Pass', Next: 'A' } }), '$: no state that ends this block'],
    [
      'neither Next nor End',
      machineOf({ A: { Type: 'Pass' }, B: { Type: 'Succeed' } }),
      '$.States.A: needs Next or End',
    ],
    [
      'Next and End',
      machineOf({ A: { Type: 'Pass', Next: 'B', End: true }, B: { Type: 'Succeed' } }),
      '$.States.A: has Next and End',
    ],
    ['End false', machineOf({ A: { Type: 'Pass', End: false } }), '$.States.A.End: must be true'],
    [
      'one name in two blocks',
      map({ ItemProcessor: { StartAt: 'A', States: { A: { Type: 'Succeed' } } } }),
      '$.States.A.ItemProcessor.States.A: a state of this name is at $.States.A',
    ],
    [
      'two members of one name',
      '{"StartAt":"A","States":{"A":{"Type":"Succeed"},"A":{"Type":"Fail"}}}',
      '$: line 1: two members of one object have the same name',
    ],
    [
      'a name that is too long',
      machineOf({ ['x'.repeat(81)]: { Type: 'Succeed' } }),
      'a state name has 1 to 80 characters',
    ],
    ['a version', machineOf({ A: { Type: 'Succeed' } }, { Version: '2.0' }), '$.Version: must be "1.0"'],
    [
      'no seconds for the machine',
      machineOf({ A: { Type: 'Succeed' } }, { TimeoutSeconds: 0 }),
      '$.TimeoutSeconds: must be an integer from 1',
    ],
    ['a path without $', pass({ InputPath: 'a' }), '$.States.A.InputPath: "a" is not a path'],
    [
      'a path with a wildcard for ResultPath',
      pass({ ResultPath: '$.a[*]' }),
      '$.States.A.ResultPath: must name one place',
    ],
    [
      'a ResultPath into the context object',
      pass({ ResultPath: '$$.State' }),
      '$.States.A.ResultPath: must not lead into the context object',
    ],
    ['a number as path', pass({ OutputPath: 1 }), '$.States.A.OutputPath: must be a path'],
    [
      'a template member that is no path',
      pass({ Parameters: { a: [{ 'b.$': 1 }] } }),
      "$.States.A.Parameters.a[0]['b.$']: must be a path or an intrinsic function",
    ],
    [
      'a member with and without .$',
      pass({ Parameters: { 'a.$': '$', a: 1 } }),
      "$.States.A.Parameters['a.$']: is there with and without",
    ],
    [
      'an intrinsic function that is not closed',
      pass({ Parameters: { 'a.$': 'States.Array(1' } }),
      'expected "," or ")"',
    ],
    ['text after an intrinsic function', pass({ Parameters: { 'a.$': 'States.UUID() + 1' } }), 'expected the end'],
    ['a word as argument', pass({ Parameters: { 'a.$': 'States.Array(hello)' } }), "expected a path, a 'text'"],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toContainEqual(expect.stringContaining(expected));
  });

  it('with all its problems at once', () => {
    const text = machineOf({
      A: { Type: 'Pass', Assign: {}, InputPath: 'x', Next: 'C' },
      B: { Type: 'Wait', End: true },
    });
    expect(problemsOf(text, { Unused: '' }).map((problem) => problem.split(': ')[0])).toEqual([
      '$',
      '$.States.A.Next',
      '$.States.B',
      '$',
      '$.States.A.Assign',
      '$.States.A.InputPath',
      '$.States.B',
    ]);
  });
});
