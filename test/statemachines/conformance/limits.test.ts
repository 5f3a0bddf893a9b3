import { describe, expect, it } from 'vitest';

import { errorOf, invoke, machineOf, outputOf, runMachine, startMachine } from '../../support/run-machine.ts';

/** A text whose JSON has exactly so many bytes. */
const jsonOf = (bytes: number) => 'x'.repeat(bytes - 2);
const limit = 262_144;

describe('256 KiB of data', () => {
  it.each([
    [limit, 'SUCCEEDED'],
    [limit + 1, 'FAILED'],
  ])('an output of %i bytes: %s', async (bytes, status) => {
    const text = machineOf({ A: { Type: 'Pass', Result: jsonOf(bytes), End: true } });
    const { result } = await runMachine(text);
    expect(result.status).toBe(status);
    if (result.status === 'FAILED') expect(result.error).toBe('States.DataLimitExceeded');
  });

  it('counts UTF-8 bytes, not characters', async () => {
    const text = machineOf({ A: { Type: 'Pass', Result: 'é'.repeat(140_000), End: true } });
    expect(await errorOf(text)).toBe('States.DataLimitExceeded');
  });

  it('holds for a task’s result, even when ResultSelector would make it small', async () => {
    const text = machineOf({ A: invoke('big', { ResultSelector: { ok: true }, End: true }) });
    const { result, events } = await runMachine(text, { functions: { big: () => jsonOf(limit) } });
    expect(result).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
    expect(events.map(({ type }) => type)).toContain('TaskFailed');
    expect(events.map(({ type }) => type)).not.toContain('TaskSucceeded');
  });

  it('holds for what Parameters make', async () => {
    const Parameters = { FunctionName: 'f', Payload: { 'a.$': '$.x', 'b.$': '$.x' } };
    const text = machineOf({ A: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', Parameters, End: true } });
    expect(await errorOf(text, { input: { x: jsonOf(200_000) }, functions: { f: () => 1 } })).toBe(
      'States.DataLimitExceeded',
    );
  });

  it('holds for what the Parameters of a Parallel make', async () => {
    const inside = { StartAt: 'B', States: { B: invoke('f', { ResultPath: null, OutputPath: '$.small', End: true }) } };
    const Parameters = { 'a.$': '$.x', 'b.$': '$.x', small: 1 };
    const text = machineOf({ P: { Type: 'Parallel', Parameters, Branches: [inside], End: true } });
    const { result, calls } = await runMachine(text, { input: { x: jsonOf(200_000) }, functions: { f: () => 1 } });
    expect(result).toMatchObject({ error: 'States.DataLimitExceeded' });
    expect(calls).toEqual([]);
  });

  it('holds for the joined outputs of a Map', async () => {
    const inside = { A: { Type: 'Pass', Result: jsonOf(100_000), End: true } };
    const text = machineOf({ M: { Type: 'Map', ItemProcessor: { StartAt: 'A', States: inside }, End: true } });
    expect(await errorOf(text, { input: [1, 2, 3] })).toBe('States.DataLimitExceeded');
  });

  it('an execution’s input beyond it is refused at the start', () => {
    expect(() => startMachine(machineOf({ A: { Type: 'Succeed' } }), { input: jsonOf(limit + 1) })).toThrow(
      expect.objectContaining({ name: 'InvalidInput' }) as Error,
    );
  });
});

describe('25,000 events', () => {
  it('end the execution, past Catch and Retry, with the 25,000th', async () => {
    const text = machineOf({
      P: {
        Type: 'Parallel',
        Branches: [
          {
            StartAt: 'A',
            States: {
              A: { Type: 'Pass', Next: 'B' },
              B: { Type: 'Choice', Choices: [{ Variable: '$.stop', IsPresent: true, Next: 'C' }], Default: 'A' },
              C: { Type: 'Succeed' },
            },
          },
        ],
        Retry: [{ ErrorEquals: ['States.ALL'] }],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'D' }],
        End: true,
      },
      D: invoke('cleanup'),
    });
    const run = await runMachine(text);
    expect(run.result).toEqual({
      status: 'FAILED',
      error: 'States.Runtime',
      cause: 'The execution reached the maximum number of history events (25000).',
    });
    expect(run.events).toHaveLength(25_000);
    expect(run.events.at(-1)?.type).toBe('ExecutionFailed');
    expect(run.calls).toEqual([]);
  });
});

describe('start', () => {
  it.each(['', 'a b', 'a/b', '../x', 'a:b', 'a*', 'x'.repeat(81)])('refuses the name %j', (name) => {
    const { executions } = startMachine(machineOf({ A: { Type: 'Succeed' } }));
    const machine = { name: 'M', StartAt: 'A', States: { A: { Type: 'Succeed' as const } } };
    expect(() => executions.start(machine, name, {})).toThrow(
      expect.objectContaining({ name: 'InvalidInput' }) as Error,
    );
  });

  it('refuses a name that was used', () => {
    const { executions } = startMachine(machineOf({ A: { Type: 'Succeed' } }));
    const machine = { name: 'M', StartAt: 'A', States: { A: { Type: 'Succeed' as const } } };
    expect(() => executions.start(machine, 'run', {})).toThrow(expect.objectContaining({ name: 'Duplicate' }) as Error);
  });

  it('copies the input', async () => {
    const input = { a: 1 };
    const text = machineOf({ W: { Type: 'Wait', Seconds: 1, End: true } });
    const run = outputOf(text, { input });
    input.a = 2;
    expect(await run).toEqual({ a: 1 });
  });
});
