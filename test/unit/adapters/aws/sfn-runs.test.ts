import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { SfnExecutionStarter } from '../../../../src/adapters/aws/sfn-execution-starter.ts';
import { SfnRunHistory } from '../../../../src/adapters/aws/sfn-run-history.ts';

const sfn = mockClient(SFNClient);
const client = new SFNClient({ region: 'eu-central-1' });
const named = (name: string): Error => Object.assign(new Error(name), { name });
const machine = (name: string): string => `arn:aws:states:eu-central-1:1:stateMachine:holdfast-prod-${name}`;
const execution = (name: string): string => `arn:aws:states:eu-central-1:1:execution:holdfast-prod-${name}:run-1`;

beforeEach(() => {
  sfn.reset();
  sfn.on(DescribeExecutionCommand).rejects(named('ExecutionDoesNotExist'));
  sfn.on(GetExecutionHistoryCommand).resolves({ events: [] });
});

describe('SfnExecutionStarter', () => {
  const starter = new SfnExecutionStarter(client, { backup: machine('backup') });

  it('starts an execution named after the run', async () => {
    sfn.on(StartExecutionCommand).resolves({});
    expect(await starter.start('backup', 'run-1', { deployment: 'orders' })).toEqual({ deployment: 'orders' });
    expect(sfn.commandCalls(StartExecutionCommand)[0]?.args[0].input).toEqual({
      ...{ stateMachineArn: machine('backup'), name: 'run-1', input: '{"deployment":"orders"}' },
    });
  });

  it('tells the input of the one that there is', async () => {
    sfn.on(StartExecutionCommand).rejects(named('ExecutionAlreadyExists'));
    sfn.on(DescribeExecutionCommand, { executionArn: execution('backup') }).resolves({ input: '{"a":1}' });
    expect(await starter.start('backup', 'run-1', {})).toEqual({ a: 1 });
    expect(await starter.inputOf('backup', 'run-2')).toBeUndefined();
  });

  it('starts nothing else, and hides no fault', async () => {
    sfn.on(StartExecutionCommand).rejects(named('ExecutionLimitExceeded'));
    await expect(starter.start('backup', 'run-1', {})).rejects.toThrow('ExecutionLimitExceeded');
    await expect(starter.start('restore', 'run-1', {})).rejects.toThrow('starts no restore');
  });
});

describe('SfnRunHistory', () => {
  const history = new SfnRunHistory(client, ['backup', 'restore', 'archive-oplog'].map(machine));
  const [startDate, stopDate] = [new Date('2026-11-22T10:00:00Z'), new Date('2026-11-22T11:00:00Z')];
  const dates = { startDate, stopDate };
  const describeAs = (more: object) =>
    sfn.on(DescribeExecutionCommand, { executionArn: execution('restore') }).resolves({
      ...{ executionArn: execution('restore'), stateMachineArn: machine('restore'), ...dates, ...more },
    });
  const entered = (id: number, name: string): HistoryEvent => ({
    ...{ id, type: 'TaskStateEntered', timestamp: startDate, stateEnteredEventDetails: { name } },
  });
  const exited = (id: number, name: string): HistoryEvent => ({
    ...{ id, type: 'TaskStateExited', timestamp: startDate, stateExitedEventDetails: { name } },
  });

  it('finds a run in whichever machine it runs, and none where none is', async () => {
    describeAs({ status: 'SUCCEEDED', output: '{"status":"completed"}' });
    expect(await history.find('run-1')).toEqual({
      ...{ workflow: 'restore', startedAt: startDate, endedAt: stopDate, status: 'succeeded', state: null },
      ...{ output: { status: 'completed' }, error: null },
    });
    expect(await history.find('run-2')).toBeUndefined();
  });

  it.each([
    [
      { status: 'RUNNING', stopDate: undefined },
      { status: 'running', endedAt: null, error: null },
    ],
    [{ status: 'PENDING_REDRIVE' }, { status: 'running', endedAt: null }],
    [{ status: 'ABORTED' }, { status: 'aborted', error: { name: 'Interrupted' } }],
    [{ status: 'TIMED_OUT' }, { status: 'failed', error: { name: 'StepTimedOut' } }],
    [
      { status: 'FAILED', error: 'LeaseLost', cause: '{"code":"HF-3003","message":"lost","next":"again"}' },
      { status: 'failed', error: { name: 'LeaseLost', code: 'HF-3003', message: 'lost', next: 'again' } },
    ],
  ])('reads %j', async (described, record) => {
    describeAs(described);
    expect(await history.find('run-1')).toMatchObject(record);
  });

  it('knows the state from the first and the last events of a long history', async () => {
    describeAs({ status: 'RUNNING' });
    sfn
      .on(GetExecutionHistoryCommand)
      .resolves({ events: [entered(1, 'Plan'), exited(2, 'Plan'), entered(3, 'Dump')], nextToken: 'more' })
      .on(GetExecutionHistoryCommand, { reverseOrder: true }, false)
      .resolves({ events: [exited(9001, 'Capture'), entered(9000, 'Capture'), entered(3, 'Dump')] });
    expect(await history.find('run-1')).toMatchObject({ state: 'Dump' });
    sfn
      .on(GetExecutionHistoryCommand, { reverseOrder: true }, false)
      .resolves({ events: [entered(9003, 'Complete'), exited(9002, 'Dump')] });
    expect(await history.find('run-1')).toMatchObject({ state: 'Complete' });
  });

  it('lists the newest runs of all machines', async () => {
    const run = (name: string, minute: number) => ({
      ...{ name, executionArn: name, stateMachineArn: 'm', status: 'SUCCEEDED' as const },
      startDate: new Date(Date.UTC(2026, 10, 22, 10, minute)),
    });
    sfn
      .on(ListExecutionsCommand, { stateMachineArn: machine('backup'), maxResults: 2 })
      .resolves({ executions: [run('b3', 3), run('b1', 1)] })
      .on(ListExecutionsCommand, { stateMachineArn: machine('restore'), maxResults: 2 })
      .resolves({ executions: [run('r2', 2)] });
    expect(await history.newest(2)).toEqual(['b3', 'r2']);
  });
});
