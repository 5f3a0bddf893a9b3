import { describe, expect, it } from 'vitest';

import { errorOf, invoke, machineOf, outputOf, runMachine } from '../../support/run-machine.ts';

const pass = (fields: object) => machineOf({ A: { Type: 'Pass', ...fields, End: true } });
const input = { title: 'x', address: { city: 'Oslo', zip: '0150' }, list: [{ n: 1 }, { n: 2 }, { m: 3 }], none: null };

describe('InputPath, Parameters, ResultPath, OutputPath', () => {
  it.each([
    ['no field passes the input on', {}, input],
    ['InputPath selects a part', { InputPath: '$.address' }, input.address],
    ['InputPath null stands for an empty object', { InputPath: null }, {}],
    ['OutputPath selects a part of the output', { OutputPath: '$.address.city' }, 'Oslo'],
    ['OutputPath null discards the output', { OutputPath: null }, {}],
    ['Result replaces the input', { Result: { a: 1 } }, { a: 1 }],
    ['a Result that is null is a result', { Result: null }, null],
    ['a Result is no template', { Result: { 'a.$': '$.b' } }, { 'a.$': '$.b' }],
    ['ResultPath puts the result into the input', { Result: 1, ResultPath: '$.a.b' }, { ...input, a: { b: 1 } }],
    ['ResultPath null keeps the input', { Result: 1, ResultPath: null }, input],
    ['ResultPath $ replaces the input', { Result: 1, ResultPath: '$' }, 1],
    [
      'ResultPath keeps the members beside it',
      { Result: 1, ResultPath: '$.address.zip' },
      { ...input, address: { city: 'Oslo', zip: 1 } },
    ],
    [
      'ResultPath into an item of an array',
      { Result: 1, ResultPath: '$.list[1].n' },
      { ...input, list: [{ n: 1 }, { n: 1 }, { m: 3 }] },
    ],
    [
      'ResultPath combines with the raw input, not with InputPath’s part',
      { InputPath: '$.address', ResultPath: '$.copy' },
      { ...input, copy: input.address },
    ],
    [
      'Parameters are filled from the effective input',
      { InputPath: '$.address', Parameters: { 'c.$': '$.city', fixed: [1, { 'z.$': '$.zip' }] } },
      { c: 'Oslo', fixed: [1, { z: '0150' }] },
    ],
    ['Parameters may copy null', { Parameters: { 'n.$': '$.none' } }, { n: null }],
    ['bracket paths', { Parameters: { 'c.$': "$['address']['city']", 'l.$': '$.list[-1].m' } }, { c: 'Oslo', l: 3 }],
    [
      'a wildcard makes a list and leaves out what has no match',
      { Parameters: { 'n.$': '$.list[*].n' } },
      { n: [1, 2] },
    ],
    ['a wildcard without matches makes an empty list', { Parameters: { 'n.$': '$.list[*].q' } }, { n: [] }],
    ['a slice makes a list', { Parameters: { 'n.$': '$.list[0:2]' } }, { n: [{ n: 1 }, { n: 2 }] }],
  ])('%s', async (_, fields, expected) => {
    expect(await outputOf(pass(fields), { input })).toEqual(expected);
  });

  it.each([
    ['InputPath', { InputPath: '$.missing' }],
    ['OutputPath', { OutputPath: '$.missing' }],
    ['Parameters', { Parameters: { 'a.$': '$.missing' } }],
    ['Parameters before a wildcard', { Parameters: { 'a.$': '$.missing[*].n' } }],
    ['an intrinsic function', { Parameters: { 'a.$': "States.Format('{}', $.missing)" } }],
    ['an index beyond the end', { Parameters: { 'a.$': '$.list[3]' } }],
  ])('a path to nothing in %s is States.Runtime', async (_, fields) => {
    expect(await errorOf(pass(fields), { input })).toBe('States.Runtime');
  });

  it.each([
    ['a member of a text', '$.title.b'],
    ['a member of null', '$.none.b'],
    ['an item beyond the end', '$.list[9]'],
    ['an item of an object', '$.address[0]'],
  ])('ResultPath to %s is States.ResultPathMatchFailure', async (_, path) => {
    expect(await errorOf(pass({ Result: 1, ResultPath: path }), { input })).toBe('States.ResultPathMatchFailure');
  });

  it('a member named like a member of Object.prototype is not found, and can be written', async () => {
    expect(await errorOf(pass({ InputPath: '$.constructor' }))).toBe('States.Runtime');
    const written = (await outputOf(pass({ Result: 1, ResultPath: '$.__proto__' }))) as object;
    expect(Object.keys(written)).toEqual(['__proto__']);
  });
});

describe('a Task’s result', () => {
  const functions = { size: () => ({ bytes: 7, name: 'pack' }), nothing: () => undefined };

  it('is wrapped as lambda:invoke wraps it', async () => {
    expect(await outputOf(machineOf({ A: invoke('size') }), { functions })).toEqual({
      Payload: { bytes: 7, name: 'pack' },
      StatusCode: 200,
    });
  });

  it('is null when the function returns nothing', async () => {
    expect(await outputOf(machineOf({ A: invoke('nothing') }), { functions })).toEqual({
      Payload: null,
      StatusCode: 200,
    });
  });

  it('passes ResultSelector, then ResultPath, then OutputPath', async () => {
    const text = machineOf({
      A: invoke('size', {
        ResultSelector: { 'b.$': '$.Payload.bytes', 's.$': '$$.State.Name' },
        ResultPath: '$.r',
        OutputPath: '$.r',
        End: true,
      }),
    });
    expect(await outputOf(text, { functions, input: { a: 1 } })).toEqual({ b: 7, s: 'A' });
  });

  it('that is not JSON fails the task as Lambda does', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(await errorOf(machineOf({ A: invoke('cycle') }), { functions: { cycle: () => cycle } })).toBe(
      'Runtime.MarshalError',
    );
  });

  it('does not share memory with the next state', async () => {
    const kept = { list: [1] };
    const text = machineOf({
      A: invoke('give', { OutputPath: '$.Payload', Next: 'B' }),
      B: invoke('take', { ResultPath: '$.b', End: true }),
    });
    const functions2 = {
      give: () => kept,
      take: (payload: unknown) => {
        (payload as { list: number[] }).list.push(2);
        kept.list.push(3);
        return null;
      },
    };
    expect(await outputOf(text, { functions: functions2 })).toMatchObject({ list: [1] });
  });

  it('a Payload of null is null', async () => {
    const { calls } = await runMachine(machineOf({ A: invoke('size', { InputPath: '$.none', End: true }) }), {
      functions,
      input: { none: null },
    });
    expect(calls).toMatchObject([{ payload: null }]);
  });

  it('without a Payload parameter the function gets an empty object', async () => {
    const task = {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'size' },
      End: true,
    };
    const { calls } = await runMachine(machineOf({ A: task }), { functions });
    expect(calls).toEqual([{ functionName: 'size', payload: {}, attempt: 1, at: 0 }]);
  });
});

describe('the context object', () => {
  it('says execution, machine, state and attempt', async () => {
    const text = machineOf({
      A: { Type: 'Wait', Seconds: 60, Next: 'B' },
      B: { Type: 'Pass', Parameters: { 'all.$': '$$' }, End: true },
    });
    expect(await outputOf(text, { input: { q: 1 } })).toEqual({
      all: {
        Execution: {
          Id: 'arn:aws:states:local:000000000000:execution:Test:run',
          Input: { q: 1 },
          Name: 'run',
          RoleArn: 'arn:aws:iam::000000000000:role/embedded',
          StartTime: '2026-01-01T00:00:00.000Z',
        },
        State: { Name: 'B', EnteredTime: '2026-01-01T00:01:00.000Z', RetryCount: 0 },
        StateMachine: { Id: 'arn:aws:states:local:000000000000:stateMachine:Test', Name: 'Test' },
      },
    });
  });

  it('counts the retries of the state, and EnteredTime stays', async () => {
    const text = machineOf({
      A: {
        Type: 'Task',
        Resource: 'arn:aws:states:::lambda:invoke',
        Parameters: { FunctionName: 'f', Payload: { 'n.$': '$$.State.RetryCount', 'at.$': '$$.State.EnteredTime' } },
        Retry: [{ ErrorEquals: ['Again'] }],
        End: true,
      },
    });
    const { calls } = await runMachine(text, {
      functions: {
        f: (payload) => {
          if ((payload as { n: number }).n < 2) throw Object.assign(new Error('no'), { name: 'Again' });
        },
      },
    });
    expect(calls.map(({ payload, attempt }) => ({ payload, attempt }))).toEqual(
      [0, 1, 2].map((n) => ({ payload: { n, at: '2026-01-01T00:00:00.000Z' }, attempt: n + 1 })),
    );
  });
});
