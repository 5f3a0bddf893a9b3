import { describe, expect, it } from 'vitest';

import { errorOf, machineOf, outputOf } from '../../support/run-machine.ts';

const choose = (rule: object) =>
  machineOf({
    C: { Type: 'Choice', Choices: [{ ...rule, Next: 'Yes' }], Default: 'No' },
    Yes: { Type: 'Pass', Result: true, End: true },
    No: { Type: 'Pass', Result: false, End: true },
  });

const input = {
  s: 'mongo*db\\x',
  n: 5,
  t: true,
  f: false,
  z: null,
  when: '2026-03-01T12:00:00Z',
  same: '2026-03-01T13:00:00+01:00',
  later: '2026-03-01T12:00:00.000000001Z',
  a: 'a',
  b: 'b',
  six: 6,
  list: [1],
};

const v = (name: string, operator: string, operand: unknown) => ({ Variable: `$.${name}`, [operator]: operand });

describe('comparisons', () => {
  it.each<[object, boolean]>([
    [v('a', 'StringEquals', 'a'), true],
    [v('a', 'StringEquals', 'b'), false],
    [v('n', 'StringEquals', '5'), false],
    [v('a', 'StringLessThan', 'b'), true],
    [v('a', 'StringLessThan', 'B'), false],
    [v('b', 'StringGreaterThan', 'a'), true],
    [v('a', 'StringLessThanEquals', 'a'), true],
    [v('a', 'StringGreaterThanEquals', 'b'), false],
    [v('a', 'StringEqualsPath', '$.b'), false],
    [v('a', 'StringLessThanPath', '$.b'), true],
    [v('a', 'StringGreaterThanEqualsPath', '$.a'), true],
    [v('s', 'StringMatches', 'mongo*'), true],
    [v('s', 'StringMatches', 'mongo\\*db\\\\x'), true],
    [v('s', 'StringMatches', 'mongo\\*'), false],
    [v('a', 'StringMatches', '.'), false],
    [v('n', 'StringMatches', '*'), false],
    [v('n', 'NumericEquals', 5), true],
    [v('n', 'NumericEquals', 5.0000001), false],
    [v('a', 'NumericEquals', 5), false],
    [v('n', 'NumericLessThan', 6), true],
    [v('n', 'NumericGreaterThan', 5), false],
    [v('n', 'NumericLessThanEquals', 5), true],
    [v('n', 'NumericGreaterThanEquals', 6), false],
    [v('n', 'NumericLessThanPath', '$.six'), true],
    [v('n', 'NumericEqualsPath', '$.a'), false],
    [v('t', 'BooleanEquals', true), true],
    [v('f', 'BooleanEquals', true), false],
    [v('f', 'BooleanEquals', false), true],
    [v('z', 'BooleanEquals', false), false],
    [v('t', 'BooleanEqualsPath', '$.f'), false],
    [v('when', 'TimestampEquals', '2026-03-01T12:00:00.000Z'), true],
    [v('when', 'TimestampEqualsPath', '$.same'), true],
    [v('when', 'TimestampLessThanPath', '$.later'), true],
    [v('later', 'TimestampGreaterThan', '2026-03-01T12:00:00Z'), true],
    [v('when', 'TimestampLessThanEquals', '2026-03-01T12:00:00Z'), true],
    [v('when', 'TimestampGreaterThanEquals', '2026-03-01T12:00:01Z'), false],
    [v('a', 'TimestampEquals', '2026-03-01T12:00:00Z'), false],
    [v('s', 'IsString', true), true],
    [v('n', 'IsString', true), false],
    [v('n', 'IsString', false), true],
    [v('n', 'IsNumeric', true), true],
    [v('f', 'IsBoolean', true), true],
    [v('z', 'IsNull', true), true],
    [v('z', 'IsNull', false), false],
    [v('n', 'IsNull', true), false],
    [v('when', 'IsTimestamp', true), true],
    [v('a', 'IsTimestamp', true), false],
    [v('z', 'IsPresent', true), true],
    [v('nothing', 'IsPresent', true), false],
    [v('nothing', 'IsPresent', false), true],
    [v('list[1]', 'IsPresent', false), true],
    [v('toString', 'IsPresent', false), true],
    [{ Variable: '$$.Execution.Name', StringEquals: 'run' }, true],
  ])('%j is %s', async (rule, expected) => {
    expect(await outputOf(choose(rule), { input })).toBe(expected);
  });
});

describe('And, Or, Not', () => {
  const yes = v('t', 'BooleanEquals', true);
  const no = v('f', 'BooleanEquals', true);
  const broken = v('nothing', 'NumericEquals', 1);

  it.each<[string, object, boolean]>([
    ['And of both', { And: [yes, yes] }, true],
    ['And of one', { And: [yes, no] }, false],
    ['Or of one', { Or: [no, yes] }, true],
    ['Or of none', { Or: [no, no] }, false],
    ['Not', { Not: no }, true],
    ['nested', { Not: { And: [yes, { Or: [no, { Not: yes }] }] } }, true],
    ['And stops at the first that is false', { And: [no, broken] }, false],
    ['Or stops at the first that is true', { Or: [yes, broken] }, true],
    ['IsPresent guards what follows it', { And: [v('nothing', 'IsPresent', true), broken] }, false],
  ])('%s', async (_, rule, expected) => {
    expect(await outputOf(choose(rule), { input })).toBe(expected);
  });
});

describe('a Choice', () => {
  it.each(['NumericEquals', 'IsNull', 'IsString'])(
    'on a variable that is missing ends the execution (%s)',
    async (operator) => {
      const rule = v('nothing', operator, operator === 'NumericEquals' ? 1 : true);
      expect(await errorOf(choose(rule), { input })).toBe('States.Runtime');
    },
  );

  it('takes the first rule that holds', async () => {
    const text = machineOf({
      C: {
        Type: 'Choice',
        Choices: [
          { Variable: '$.n', NumericGreaterThan: 9, Next: 'A' },
          { Variable: '$.n', NumericGreaterThan: 1, Next: 'B' },
          { Variable: '$.n', NumericGreaterThan: 2, Next: 'A' },
        ],
      },
      A: { Type: 'Pass', Result: 'A', End: true },
      B: { Type: 'Pass', Result: 'B', End: true },
    });
    expect(await outputOf(text, { input })).toBe('B');
  });

  it('without a rule that holds and without Default fails as States.NoChoiceMatched', async () => {
    const text = machineOf({
      C: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericEquals: 1, Next: 'A' }] },
      A: { Type: 'Succeed' },
    });
    expect(await errorOf(text, { input })).toBe('States.NoChoiceMatched');
  });

  it('passes its input on, through InputPath and OutputPath', async () => {
    const text = machineOf({
      C: {
        Type: 'Choice',
        InputPath: '$.in',
        OutputPath: '$.x',
        Choices: [{ Variable: '$.x', NumericEquals: 1, Next: 'A' }],
      },
      A: { Type: 'Succeed' },
    });
    expect(await outputOf(text, { input: { in: { x: 1 } } })).toBe(1);
  });
});
