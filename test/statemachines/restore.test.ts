import { describe, expect, test } from 'vitest';
import type { FunctionName } from '../../statemachines/manifest.ts';
import { failing, namedError, restoreSummary, runWorkflow } from '../support/run-workflow.ts';

const cleanUp = ['Record Failure', 'Release Lease After Failure', 'Publish Failure'];
const steps: readonly [FunctionName, string][] = [
  ['PlanRestore', 'Plan Restore'],
  ['AcquireLease', 'Acquire Target Lease'],
  ['LaunchWorker', 'Restore Part'],
  ['CompleteRestore', 'Complete Restore'],
];
const request = { backup: 'orders', to: 'mongodb://127.0.0.1/' };

test('a restore plans, takes the target’s lease, restores each part and completes', async () => {
  const { result, calls, payloads } = await runWorkflow('restore', {}, request);
  expect(result).toEqual({ status: 'SUCCEEDED', output: restoreSummary });
  expect(calls).toEqual([...steps.map(([, name]) => name), 'Release Lease', 'Publish Outcome']);
  expect(payloads.find(({ state }) => state === 'Restore Part')).toMatchObject({ command: 'restore', part: 'rs0' });
});

test('a dry run ends with what was planned, and takes nothing', async () => {
  const planned = { status: 'planned', target: 'a new volume', estimate: { usd: 3 } };
  const PlanRestore = () => ({ backupId: 'b1', parts: [{ name: 'rs0' }], dryRun: true, planned });
  const { result, calls } = await runWorkflow('restore', { PlanRestore }, request);
  expect(result).toEqual({ status: 'SUCCEEDED', output: planned });
  expect(calls).toEqual(['Plan Restore']);
});

test('a volume that its task still holds is waited for, and looked at again', async () => {
  let looks = 0;
  const CompleteRestore = () => ({
    waitSeconds: ++looks < 3 ? 10 : 0,
    restored: { ...restoreSummary, documents: looks },
  });
  const { result, calls, seconds } = await runWorkflow('restore', { CompleteRestore }, request);
  expect(result).toMatchObject({ status: 'SUCCEEDED', output: { documents: 3 } });
  expect(calls.filter((call) => call.startsWith('Complete Restore'))).toHaveLength(3);
  expect(seconds).toBe(120);
});

describe.each(steps)('when %s fails', (functionName, stateName) => {
  test.each(['TargetNotEmpty', 'Cancelled'])(
    'with %s, the run is cleaned up and that error is raised',
    async (error) => {
      const { result, calls } = await runWorkflow('restore', failing(functionName, error), request);
      expect(result).toMatchObject({ status: 'FAILED', error });
      expect(calls.slice(-3)).toEqual(cleanUp);
      expect(calls).not.toContain(`${stateName}#2`);
    },
  );

  test('in passing, it is tried again', async () => {
    const { result, calls } = await runWorkflow('restore', failing(functionName, 'StorageUnavailable', 1), request);
    expect(result.status).toBe('SUCCEEDED');
    expect(calls).toContain(`${stateName}#2`);
  });

  test('for good, it is given up after a few tries', async () => {
    const { result, calls } = await runWorkflow('restore', failing(functionName, 'StorageUnavailable'), request);
    expect(result).toMatchObject({ status: 'FAILED', error: 'StorageUnavailable' });
    expect(calls.filter((call) => call.startsWith(stateName)).length).toBeGreaterThanOrEqual(3);
    expect(calls.slice(-3)).toEqual(cleanUp);
  });

  test('and the clean-up too, the first error is raised', async () => {
    const { result } = await runWorkflow('restore', {
      ...failing(functionName, 'RestoreRejected'),
      RecordFailure: () => {
        throw namedError('Internal');
      },
    });
    expect(result).toMatchObject({ status: 'FAILED', error: 'RestoreRejected' });
  });
});

test('a busy target ends the run before anything is written to it', async () => {
  const { result, calls } = await runWorkflow('restore', failing('AcquireLease', 'TargetBusy'), request);
  expect(result).toMatchObject({ status: 'FAILED', error: 'TargetBusy' });
  expect(calls).not.toContain('Restore Part');
});

test('a worker that falls silent or is killed is started again', async () => {
  let workers = 0;
  const { result, calls } = await runWorkflow('restore', {
    LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
      workers += 1;
      const worker = workers;
      void clock.sleep(1000).then(() => {
        // The first one says nothing at all.
        if (worker === 2) executions.sendTaskFailure(taskToken, 'WorkerLost', 'killed');
        if (worker === 3) executions.sendTaskSuccess(taskToken, {});
      });
      return {};
    },
  });
  expect(result.status).toBe('SUCCEEDED');
  expect(calls.filter((call) => call.startsWith('Restore Part'))).toHaveLength(3);
});
