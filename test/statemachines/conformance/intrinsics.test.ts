import { describe, expect, it } from 'vitest';

import { errorOf, machineOf, outputOf } from '../../support/run-machine.ts';

const pass = (expression: string) =>
  machineOf({ A: { Type: 'Pass', Parameters: { 'v.$': expression }, OutputPath: '$.v', End: true } });
const input = {
  name: 'Arnav',
  template: 'Hello, my name is {}.',
  json: '{"foo":"bar"}',
  o: { foo: 'bar' },
  a: { a: { a1: 1, a2: 2 }, b: 2 },
  b: { a: { a3: 1, a4: 2 }, c: 3 },
  list: [1, 2, 3, 4, 5, 6, 7, 8, 9],
  dup: [1, 2, 3, 3, '3', { x: 1 }, { x: 1 }, 3, null, null],
  odd: "it's {x} \\ ü",
  nine: 9,
};

// The first example of each function is the one of the developer guide, where it has one.
describe('intrinsic functions', () => {
  it.each<[string, unknown]>([
    ["States.Format('Hello, my name is {}.', $.name)", 'Hello, my name is Arnav.'],
    ['States.Format($.template, $.name)', 'Hello, my name is Arnav.'],
    ["States.Format('{}/{}/{}', 1, true, null)", '1/true/null'],
    ["States.Format('{} and \\{\\} and \\'{}\\'', 1, 2)", "1 and {} and '2'"],
    ["States.Format('plain')", 'plain'],
    ["States.Format('{}', $$.Execution.Name)", 'run'],
    ['States.StringToJson($.json)', { foo: 'bar' }],
    ['States.JsonToString($.o)', '{"foo":"bar"}'],
    ["States.Array('a', 2, $.nine, null, $.o)", ['a', 2, 9, null, { foo: 'bar' }]],
    ['States.Array()', []],
    ['States.ArrayPartition($.list,4)', [[1, 2, 3, 4], [5, 6, 7, 8], [9]]],
    ['States.ArrayContains($.list, 5)', true],
    ["States.ArrayContains($.list, '5')", false],
    ['States.ArrayContains($.dup, States.StringToJson(\'{"x":1}\'))', true],
    ['States.ArrayRange(1, 9, 2)', [1, 3, 5, 7, 9]],
    ['States.ArrayRange(5, 1, -2)', [5, 3, 1]],
    ['States.ArrayRange(5, 1, 1)', []],
    ['States.ArrayGetItem($.list, 5)', 6],
    ['States.ArrayGetItem($.dup, 8)', null],
    ['States.ArrayLength($.list)', 9],
    ['States.ArrayUnique($.dup)', [1, 2, 3, '3', { x: 1 }, null]],
    ["States.Base64Encode('Data to encode')", 'RGF0YSB0byBlbmNvZGU='],
    ["States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", 'Data to encode'],
    ['States.Base64Decode(States.Base64Encode($.odd))', input.odd],
    ["States.Hash('input data', 'SHA-1')", 'aaff4a450a104cd177d28d18d74485e8cae074b7'],
    ["States.Hash('abc', 'MD5')", '900150983cd24fb0d6963f7d28e17f72'],
    ["States.Hash('abc', 'SHA-256')", 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['States.JsonMerge($.a, $.b, false)', { a: { a3: 1, a4: 2 }, b: 2, c: 3 }],
    ['States.MathAdd(111, -1)', 110],
    ["States.StringSplit('1,2,3,4,5', ',')", ['1', '2', '3', '4', '5']],
    ["States.StringSplit('This.is+a,test=string', '.+,=')", ['This', 'is', 'a', 'test', 'string']],
    ["States.ArrayGetItem(States.StringSplit('x/y/z', '/'), States.MathAdd($.nine, -8))", 'y'],
    ["States.Format('{}', $['name'])", 'Arnav'],
    ["States.Format('{} {}', $.list[0], $.list[-1])", '1 9'],
  ])('%s', async (expression, expected) => {
    expect(await outputOf(pass(expression), { input })).toEqual(expected);
  });

  it('States.UUID makes another version 4 UUID every time', async () => {
    const text = machineOf({
      A: { Type: 'Pass', Parameters: { 'a.$': 'States.UUID()', 'b.$': 'States.UUID()' }, End: true },
    });
    const { a, b } = (await outputOf(text)) as { a: string; b: string };
    expect(a).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(a).not.toBe(b);
  });

  it('States.MathRandom stays from start to below end', async () => {
    const expression = 'States.MathRandom(1, 3)';
    const Parameters = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`n${index}.$`, expression]));
    const drawn = new Set(
      Object.values((await outputOf(machineOf({ A: { Type: 'Pass', Parameters, End: true } }))) as object),
    );
    expect([...drawn].sort()).toEqual([1, 2]);
  });

  it.each([
    "States.Format('{} {}', 1)",
    "States.Format('{}', 1, 2)",
    "States.Format('{}', $.o)",
    'States.Format($.nine)',
    'States.StringToJson($.name)',
    'States.StringToJson($.o)',
    'States.ArrayPartition($.list, 0)',
    'States.ArrayPartition($.o, 1)',
    'States.ArrayContains($.o, 1)',
    'States.ArrayRange(1, 5, 0)',
    'States.ArrayRange(1, 5000, 1)',
    'States.ArrayGetItem($.list, 9)',
    'States.ArrayGetItem($.list, -1)',
    'States.ArrayLength($.name)',
    'States.ArrayUnique($.o)',
    'States.Base64Encode($.o)',
    "States.Base64Decode('%%%')",
    "States.Hash('x', 'CRC32')",
    "States.Hash($.o, 'MD5')",
    'States.JsonMerge($.a, $.b, true)',
    'States.JsonMerge($.a, $.list, false)',
    "States.MathAdd('1', 2)",
    'States.MathAdd(2147483647, 1)',
    'States.MathRandom(5, 5)',
    "States.StringSplit($.list, ',')",
  ])('%s is States.IntrinsicFailure', async (expression) => {
    expect(await errorOf(pass(expression), { input })).toBe('States.IntrinsicFailure');
  });

  it('Base64Encode and Hash take 10,000 characters at most', async () => {
    expect(await errorOf(pass('States.Base64Encode($.x)'), { input: { x: 'x'.repeat(10_001) } })).toBe(
      'States.IntrinsicFailure',
    );
    expect(await outputOf(pass('States.Base64Encode($.x)'), { input: { x: 'x'.repeat(10_000) } })).toHaveLength(13_336);
  });
});
