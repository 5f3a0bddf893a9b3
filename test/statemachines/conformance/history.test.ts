import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { EmbeddedExecutions } from '../../../local/states-language/executions.ts';
import {
  FileJournal,
  type HistoryEvent,
  type Journal,
  MemoryJournal,
  parseJournal,
  readJournal,
} from '../../../local/states-language/journal.ts';
import { loadStateMachine } from '../../../local/states-language/load-state-machine.ts';
import { invoke, machineOf, named, runMachine, waitForToken } from '../../support/run-machine.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('the history', () => {
  it('of a task that fails, is retried and succeeds has Step Functions’ events', async () => {
    const text = machineOf({
      A: invoke('f', { TimeoutSeconds: 60, Retry: [{ ErrorEquals: ['Busy'] }], Next: 'B' }),
      B: { Type: 'Succeed' },
    });
    const { events } = await runMachine(text, {
      input: { a: 1 },
      functions: {
        f: (_payload, { attempt }) => {
          if (attempt === 1) throw named('Busy', 'try later');
          return 1;
        },
      },
    });
    expect(events.map(({ id, previousEventId, type }) => [id, previousEventId, type])).toEqual([
      [1, 0, 'ExecutionStarted'],
      [2, 1, 'TaskStateEntered'],
      [3, 2, 'TaskScheduled'],
      [4, 3, 'TaskStarted'],
      [5, 4, 'TaskFailed'],
      [6, 5, 'TaskScheduled'],
      [7, 6, 'TaskStarted'],
      [8, 7, 'TaskSucceeded'],
      [9, 8, 'TaskStateExited'],
      [10, 9, 'SucceedStateEntered'],
      [11, 10, 'SucceedStateExited'],
      [12, 11, 'ExecutionSucceeded'],
    ]);
    expect(events[1]).toEqual({
      id: 2,
      previousEventId: 1,
      timestamp: '2026-01-01T00:00:00.000Z',
      type: 'TaskStateEntered',
      stateEnteredEventDetails: { name: 'A', input: '{"a":1}' },
    });
    expect(events[2]).toMatchObject({
      taskScheduledEventDetails: {
        resourceType: 'lambda',
        resource: 'invoke',
        parameters: '{"FunctionName":"f","Payload":{"a":1}}',
        timeoutInSeconds: 60,
      },
    });
    expect(events[4]).toMatchObject({
      taskFailedEventDetails: { error: 'Busy', cause: expect.stringContaining('try later') as string },
    });
    expect(events[8]).toMatchObject({
      stateExitedEventDetails: { name: 'A', output: '{"Payload":1,"StatusCode":200}' },
    });
    expect(events[11]).toMatchObject({ executionSucceededEventDetails: { output: '{"Payload":1,"StatusCode":200}' } });
  });

  it('of a Map leads every event back to the start of its item', async () => {
    const text = machineOf({
      M: {
        Type: 'Map',
        ItemProcessor: { StartAt: 'W', States: { W: { Type: 'Wait', SecondsPath: '$', End: true } } },
        End: true,
      },
    });
    const { events } = await runMachine(text, { input: [20, 10] });
    const path = (event: HistoryEvent | undefined): string[] =>
      event === undefined ? [] : [...path(events[event.previousEventId - 1]), event.type];
    const ends = events.filter(({ type }) => type === 'MapIterationSucceeded');
    expect(ends.map((event) => event['mapIterationSucceededEventDetails'])).toEqual([
      { name: 'M', index: 1 },
      { name: 'M', index: 0 },
    ]);
    for (const end of ends) {
      expect(path(end)).toEqual([
        'ExecutionStarted',
        'MapStateEntered',
        'MapStateStarted',
        'MapIterationStarted',
        'WaitStateEntered',
        'WaitStateExited',
        'MapIterationSucceeded',
      ]);
    }
    expect(events.map(({ id }) => id)).toEqual(events.map((_, index) => index + 1));
  });

  it('holds no task token in full, wherever it travels', async () => {
    const token = 'AAAABBBBCCCCDDDDEEEEFFFF';
    const text = machineOf({ A: waitForToken('launch', { Next: 'B' }), B: invoke('echo') });
    const { events, result } = await runMachine(text, {
      newToken: () => token,
      functions: {
        launch: (_payload, _context, executions) => {
          executions.sendTaskSuccess(token, { echoed: `token ${token}` });
        },
        echo: (payload) => payload,
      },
    });
    expect(JSON.stringify(result)).toContain(token);
    expect(JSON.stringify(events)).not.toContain(token);
    expect(JSON.stringify(events)).toContain('AAAABBBB…');
  });

  it('starts with the facts of the process', async () => {
    const journal = new MemoryJournal();
    const executions = new EmbeddedExecutions({
      clock: new VirtualClock(),
      tasks: () => Promise.resolve(),
      journal: () => journal,
      processFacts: { pid: 4711, processStartedAt: '2026-01-01T00:00:00Z' },
    });
    await executions.start(loadStateMachine(machineOf({ A: { Type: 'Succeed' } }), {}), 'run', {}).result;
    expect(journal.events[0]).toMatchObject({
      executionStartedEventDetails: { pid: 4711, processStartedAt: '2026-01-01T00:00:00Z', input: '{}' },
    });
  });
});

async function runWith(journal: Journal, text: string): Promise<unknown> {
  const executions = new EmbeddedExecutions({
    clock: new VirtualClock({ autoAdvance: true }),
    tasks: () => Promise.resolve(1),
    journal: () => journal,
  });
  return executions.start(loadStateMachine(text, {}), 'run', {}).result;
}

describe('a journal that cannot be written', () => {
  it.each([0, 3])('after %i events ends the execution, past Catch', async (good) => {
    let written = 0;
    const journal = {
      append: () => {
        if (written >= good) throw new Error('ENOSPC');
        written += 1;
      },
    };
    const text = machineOf({
      A: invoke('f', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'B' }], End: true }),
      B: { Type: 'Succeed' },
    });
    expect(await runWith(journal, text)).toEqual({
      status: 'FAILED',
      error: 'States.Runtime',
      cause: 'The journal could not be written: ENOSPC',
    });
  });

  it('at the last event never yields a success', async () => {
    const journal = {
      append: (event: HistoryEvent) => {
        if (event.type === 'ExecutionSucceeded') throw new Error('ENOSPC');
      },
    };
    expect(await runWith(journal, machineOf({ A: { Type: 'Succeed' } }))).toMatchObject({ status: 'FAILED' });
  });

  it('is waited for before a task is called', async () => {
    const order: string[] = [];
    const executions = new EmbeddedExecutions({
      clock: new VirtualClock(),
      tasks: () => {
        order.push('called');
        return Promise.resolve();
      },
      journal: () => ({
        append: async (event) => {
          await new Promise((resolve) => setImmediate(resolve));
          order.push(event.type);
        },
      }),
    });
    await executions.start(loadStateMachine(machineOf({ A: invoke('f') }), {}), 'run', {}).result;
    expect(order.slice(0, 5)).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'called',
    ]);
  });
});

describe('the file journal', () => {
  let directory: string;
  let path: string;
  const text = machineOf({ A: invoke('f', { Next: 'B' }), B: { Type: 'Succeed' } });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-journal-'));
    path = join(directory, 'journal.ndjson');
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('holds one event a line, readable by its owner only', async () => {
    await runWith(new FileJournal(path), text);
    const events = readJournal(path);
    expect(events.map(({ type }) => type).at(-1)).toBe('ExecutionSucceeded');
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(events.length);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is readable up to a torn last line, wherever it is torn', async () => {
    await runWith(new FileJournal(path), text);
    const whole = readFileSync(path, 'utf8');
    const events = readJournal(path);
    for (let length = whole.length - 1; length >= 0; length -= 7) {
      truncateSync(path, length);
      const lines = whole.slice(0, length).split('\n').length - 1;
      expect(readJournal(path)).toEqual(events.slice(0, lines));
    }
  });

  it('ends where a line is not an event or the numbers have a hole', () => {
    const line = (id: number) =>
      `${JSON.stringify({ id, previousEventId: id - 1, timestamp: '2026-11-22T10:00:00.000Z', type: 'X' })}\n`;
    expect(parseJournal(`${line(1)}nonsense\n${line(2)}`)).toHaveLength(1);
    expect(parseJournal(`${line(1)}${line(3)}`)).toHaveLength(1);
    expect(parseJournal(`${line(1)}null\n`)).toHaveLength(1);
    expect(parseJournal('')).toEqual([]);
  });

  it('refuses a file that exists: the execution fails before its first state', async () => {
    appendFileSync(path, '');
    expect(await runWith(new FileJournal(path), text)).toMatchObject({
      status: 'FAILED',
      cause: expect.stringContaining('EEXIST') as string,
    });
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});
