import { describe, expect, it } from 'vitest';

import {
  errorOf,
  invoke,
  machineOf,
  named,
  outputOf,
  runMachine,
  type TestFunction,
  untilAborted,
} from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const block = (states: object) => ({ StartAt: Object.keys(states)[0], States: states });
const map = (states: object, more: object = {}) =>
  machineOf({ M: { Type: 'Map', ItemProcessor: block(states), End: true, ...more } });
const pass = { P: { Type: 'Pass', End: true } };

describe('Map', () => {
  it('returns the outputs in the order of the items, whatever finishes first', async () => {
    const text = map({ W: { Type: 'Wait', SecondsPath: '$', End: true } });
    const run = await runMachine(text, { input: [30, 10, 20] });
    expect(run.result).toEqual({ status: 'SUCCEEDED', output: [30, 10, 20] });
    expect(run.seconds).toBe(30);
  });

  it.each<[string, object, unknown]>([
    ['ItemsPath', { ItemsPath: '$.items' }, [1, 2]],
    [
      'ItemSelector makes each item’s input',
      { ItemsPath: '$.items', ItemSelector: { 'i.$': '$$.Map.Item.Index', 'v.$': '$$.Map.Item.Value', 'k.$': '$.k' } },
      [
        { i: 0, v: 1, k: 'x' },
        { i: 1, v: 2, k: 'x' },
      ],
    ],
    ['InputPath comes before ItemsPath', { InputPath: '$.deep', ItemsPath: '$.items' }, [9]],
    ['ResultSelector', { ItemsPath: '$.items', ResultSelector: { 'n.$': 'States.ArrayLength($)' } }, { n: 2 }],
    [
      'ResultPath',
      { ItemsPath: '$.items', ResultPath: '$.k' },
      { items: [1, 2], k: [1, 2], deep: { items: [9] }, none: [] },
    ],
    ['no items', { ItemsPath: '$.none' }, []],
  ])('%s', async (_, fields, expected) => {
    const input = { items: [1, 2], k: 'x', deep: { items: [9] }, none: [] };
    expect(await outputOf(map(pass, fields), { input })).toEqual(expected);
  });

  it('the older names Iterator and Parameters mean the same', async () => {
    const text = machineOf({
      M: { Type: 'Map', Iterator: block(pass), Parameters: { 'v.$': '$$.Map.Item.Value' }, End: true },
    });
    expect(await outputOf(text, { input: [1] })).toEqual([{ v: 1 }]);
  });

  it.each([
    ['an object', { items: {} }],
    ['nothing', {}],
  ])('over %s is States.Runtime', async (_, input) => {
    expect(await errorOf(map(pass, { ItemsPath: '$.items' }), { input })).toBe('States.Runtime');
  });

  it.each([
    [1, [0, 10, 20, 30]],
    [2, [0, 0, 10, 10]],
    [0, [0, 0, 0, 0]],
  ])('MaxConcurrency %i', async (limit, starts) => {
    const text = map(
      { A: invoke('note', { Next: 'W' }), W: { Type: 'Wait', Seconds: 10, End: true } },
      { MaxConcurrency: limit },
    );
    const run = await runMachine(text, { input: [1, 2, 3, 4], functions: { note: () => 0 } });
    expect(run.calls.map(({ at }) => at)).toEqual(starts);
  });

  it('MaxConcurrencyPath', async () => {
    const text = map(
      { W: { Type: 'Wait', Seconds: 10, End: true } },
      { ItemsPath: '$.items', MaxConcurrencyPath: '$.c' },
    );
    expect((await runMachine(text, { input: { items: [1, 2, 3], c: 2 } })).seconds).toBe(20);
  });

  it('runs 40 items at a time at most', async () => {
    const text = map({ W: { Type: 'Wait', Seconds: 10, End: true } });
    expect((await runMachine(text, { input: Array.from({ length: 41 }, () => 0) })).seconds).toBe(20);
  });

  it('the states inside see their item and the execution’s own input', async () => {
    const inside = {
      P: { Type: 'Pass', Parameters: { 'm.$': '$$.Map.Item', 'in.$': '$$.Execution.Input' }, End: true },
    };
    expect(await outputOf(map(inside), { input: ['a'] })).toEqual([{ m: { Index: 0, Value: 'a' }, in: ['a'] }]);
  });

  it('nested: the innermost item is seen', async () => {
    const inner = {
      M2: {
        Type: 'Map',
        ItemProcessor: block({ P: { Type: 'Pass', Parameters: { 'v.$': '$$.Map.Item.Value' }, End: true } }),
        End: true,
      },
    };
    expect(await outputOf(map(inner), { input: [[1, 2], [3]] })).toEqual([[{ v: 1 }, { v: 2 }], [{ v: 3 }]]);
  });

  it('a Catch inside keeps the failure inside its item', async () => {
    const states = {
      A: invoke('odd', { OutputPath: '$.Payload', Catch: [{ ErrorEquals: ['Even'], Next: 'C' }], End: true }),
      C: { Type: 'Pass', Result: 'caught', End: true },
    };
    const odd: TestFunction = (payload) => {
      if (Number(payload) % 2 === 0) throw named('Even');
      return payload;
    };
    expect(await outputOf(map(states), { input: [1, 2, 3], functions: { odd } })).toEqual([1, 'caught', 3]);
  });
});

describe('the first item that fails', () => {
  const failing =
    (calls: unknown[]): TestFunction =>
    (payload) => {
      calls.push(payload);
      if (payload === 'bad') throw named('Broken');
      return payload;
    };

  it('lets no further item start', async () => {
    const calls: unknown[] = [];
    const text = map({ A: invoke('f') }, { MaxConcurrency: 1 });
    expect(await errorOf(text, { input: ['a', 'bad', 'c', 'd', 'e'], functions: { f: failing(calls) } })).toBe(
      'Broken',
    );
    expect(calls).toEqual(['a', 'bad']);
  });

  it('aborts its siblings, which are waited for and start no further state', async () => {
    const order: string[] = [];
    const clock = new VirtualClock({ autoAdvance: true });
    const text = machineOf({
      M: {
        Type: 'Map',
        ItemProcessor: block({ A: invoke('f', { Next: 'B' }), B: invoke('after') }),
        Catch: [{ ErrorEquals: ['Broken'], Next: 'C' }],
        End: true,
      },
      C: invoke('cleanup'),
    });
    const f: TestFunction = async (payload, { signal }) => {
      if (payload === 'bad') {
        await clock.sleep(1_000);
        throw named('Broken');
      }
      await untilAborted(signal).catch(() => undefined);
      await clock.sleep(2_000);
      order.push('sibling ended');
    };
    const run = await runMachine(text, {
      clock,
      input: ['a', 'bad'],
      functions: { f, after: () => order.push('after'), cleanup: () => order.push('cleanup') },
    });
    expect(run.result.status).toBe('SUCCEEDED');
    expect(order).toEqual(['sibling ended', 'cleanup']);
    expect(run.seconds).toBe(3);
  });

  it('a sibling that ignores its signal is left behind', async () => {
    const text = map({ A: invoke('f') });
    const run = await runMachine(text, {
      input: ['deaf', 'bad'],
      functions: {
        f: (payload) => {
          if (payload === 'bad') throw named('Broken');
          return new Promise(() => undefined);
        },
      },
    });
    expect(run.result).toMatchObject({ error: 'Broken' });
    expect(run.seconds).toBe(5);
  });

  it('ends the waits and back-offs of its siblings', async () => {
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [
          block({ W: { Type: 'Wait', Seconds: 86_400, End: true } }),
          block({
            R: invoke('busy', { Retry: [{ ErrorEquals: ['Busy'], IntervalSeconds: 3600, MaxAttempts: 5 }], End: true }),
          }),
          block({ V: { Type: 'Wait', Seconds: 10, Next: 'F' }, F: { Type: 'Fail', Error: 'Broken' } }),
        ],
        End: true,
      },
    });
    const run = await runMachine(text, {
      functions: {
        busy: () => {
          throw named('Busy');
        },
      },
    });
    expect(run.result).toMatchObject({ status: 'FAILED', error: 'Broken' });
    expect(run.seconds).toBe(10);
    expect(run.calls).toHaveLength(1);
    expect(run.clock.pending).toEqual([]);
  });
});

describe('Parallel', () => {
  const branches = (...states: object[]) => ({ Type: 'Parallel', Branches: states.map(block), End: true });

  it('gives every branch the same input and returns their outputs in order', async () => {
    const text = machineOf({
      P: branches(
        { A: { Type: 'Wait', Seconds: 5, End: true } },
        { B: { Type: 'Pass', Result: 2, ResultPath: '$.b', End: true } },
      ),
    });
    expect(await outputOf(text, { input: { a: 1 } })).toEqual([{ a: 1 }, { a: 1, b: 2 }]);
  });

  it('Parameters, ResultSelector and ResultPath', async () => {
    const text = machineOf({
      P: {
        ...branches({ A: { Type: 'Pass', End: true } }),
        Parameters: { 'x.$': '$.a' },
        ResultSelector: { 'first.$': '$[0].x' },
        ResultPath: '$.r',
      },
    });
    expect(await outputOf(text, { input: { a: 1 } })).toEqual({ a: 1, r: { first: 1 } });
  });

  it('runs its branches side by side', async () => {
    const wait = (name: string, seconds: number) => ({ [name]: { Type: 'Wait', Seconds: seconds, End: true } });
    expect((await runMachine(machineOf({ P: branches(wait('A', 100), wait('B', 60)) }))).seconds).toBe(100);
  });

  it('fails with the error of the branch that failed first', async () => {
    const fail = (name: string, seconds: number) => ({
      [`W${name}`]: { Type: 'Wait', Seconds: seconds, Next: name },
      [name]: { Type: 'Fail', Error: name },
    });
    expect(await errorOf(machineOf({ P: branches(fail('Late', 20), fail('Early', 10)) }))).toBe('Early');
  });

  it('inside a Map sees the item', async () => {
    const text = map({ P: branches({ A: { Type: 'Pass', Parameters: { 'v.$': '$$.Map.Item.Value' }, End: true } }) });
    expect(await outputOf(text, { input: [7] })).toEqual([[{ v: 7 }]]);
  });
});
