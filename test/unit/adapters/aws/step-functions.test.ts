import {
  DescribeExecutionCommand,
  SendTaskFailureCommand,
  SendTaskHeartbeatCommand,
  SendTaskSuccessCommand,
  SFNClient,
} from '@aws-sdk/client-sfn';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { SfnExecutions } from '../../../../src/adapters/aws/sfn-executions.ts';
import { SfnTaskCallbacks } from '../../../../src/adapters/aws/sfn-task-callbacks.ts';

const sfn = mockClient(SFNClient);
const client = new SFNClient({ region: 'eu-central-1' });
const named = (name: string): Error => Object.assign(new Error(name), { name });
const machine = (name: string): string => `arn:aws:states:eu-central-1:1:stateMachine:holdfast-prod-${name}`;
const execution = (name: string): string => `arn:aws:states:eu-central-1:1:execution:holdfast-prod-${name}:run-1`;

beforeEach(() => {
  sfn.reset();
});

describe('SfnTaskCallbacks', () => {
  const callbacks = new SfnTaskCallbacks(client);

  it('answers with JSON', async () => {
    sfn.on(SendTaskSuccessCommand).resolves({});
    await callbacks.success('t', { part: 'rs0' });
    expect(sfn.commandCalls(SendTaskSuccessCommand)[0]?.args[0].input).toEqual({
      taskToken: 't',
      output: '{"part":"rs0"}',
    });
  });

  it.each(['TaskTimedOut', 'TaskDoesNotExist', 'InvalidToken'])('takes %s for "no longer wanted"', async (name) => {
    sfn.on(SendTaskHeartbeatCommand).rejects(named(name));
    sfn.on(SendTaskFailureCommand).rejects(named(name));
    sfn.on(SendTaskSuccessCommand).rejects(named(name));
    expect(await callbacks.heartbeat('t')).toBe(false);
    await callbacks.failure('t', 'WorkerLost', '{}');
    // Work that is done and not wanted is no success.
    await expect(callbacks.success('t', {})).rejects.toThrow(name);
  });

  it('does not take a service that fails for a refusal', async () => {
    sfn.on(SendTaskHeartbeatCommand).rejects(named('ThrottlingException'));
    sfn.on(SendTaskFailureCommand).rejects(named('ThrottlingException'));
    await expect(callbacks.heartbeat('t')).rejects.toThrow('ThrottlingException');
    await expect(callbacks.failure('t', 'WorkerLost', '{}')).rejects.toThrow('ThrottlingException');
  });
});

describe('SfnExecutions', () => {
  const executions = new SfnExecutions(client, [machine('backup'), machine('restore')]);

  it('finds the run in whichever machine runs it', async () => {
    sfn.on(DescribeExecutionCommand, { executionArn: execution('backup') }).rejects(named('ExecutionDoesNotExist'));
    sfn.on(DescribeExecutionCommand, { executionArn: execution('restore') }).resolves({ status: 'RUNNING' });
    expect(await executions.isRunning('run-1')).toBe(true);
  });

  it('takes none for an execution that ended, or is not there', async () => {
    sfn.on(DescribeExecutionCommand, { executionArn: execution('backup') }).resolves({ status: 'ABORTED' });
    sfn.on(DescribeExecutionCommand, { executionArn: execution('restore') }).rejects(named('ExecutionDoesNotExist'));
    expect(await executions.isRunning('run-1')).toBe(false);
  });

  it('does not guess when it can’t ask', async () => {
    sfn.on(DescribeExecutionCommand).rejects(named('AccessDeniedException'));
    await expect(executions.isRunning('run-1')).rejects.toThrow('AccessDeniedException');
  });
});
