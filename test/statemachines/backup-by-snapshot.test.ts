import { expect, test } from 'vitest';
import { failing, planOf, runWorkflow } from '../support/run-workflow.ts';

const upToTheBases = ['Inspect Deployment', 'Plan Backup', 'Acquire Lease'];
const cleanUp = ['Record Failure', 'Release Lease After Failure', 'Publish Failure'];

test('a physical base is a snapshot that is waited for, copied and deleted', async () => {
  let looks = 0;
  const { result, calls, payloads, seconds } = await runWorkflow('backup', {
    PlanBackup: () => planOf('physical'),
    AwaitSnapshot: () => ({ done: (looks += 1) === 3, waitSeconds: 20 }),
  });
  expect(result.status).toBe('SUCCEEDED');
  expect(calls.filter((call) => !call.startsWith('Capture'))).toEqual([
    ...upToTheBases,
    'Snapshot Member',
    ...Array<string>(3).fill('Look At Snapshot'),
    'Copy Files',
    'Delete Temporary Snapshot',
    'Complete Backup',
    'Release Lease',
    'Publish Outcome',
  ]);
  expect(payloads.find(({ state }) => state === 'Copy Files')).toMatchObject({ command: 'copy-files', part: 'rs0' });
  expect(seconds).toBeGreaterThanOrEqual(2 * 20 + 100);
});

test('a snapshot that is kept is neither copied nor deleted', async () => {
  const { result, calls } = await runWorkflow('backup', { PlanBackup: () => planOf('snapshot') });
  expect(result.status).toBe('SUCCEEDED');
  expect(calls).toContain('Snapshot Member');
  expect(calls).toContain('Look At Snapshot');
  expect(calls).not.toContain('Copy Files');
  expect(calls).not.toContain('Delete Temporary Snapshot');
});

test('a temporary snapshot that cannot be deleted now is no fault of the backup', async () => {
  const { result, calls } = await runWorkflow('backup', {
    PlanBackup: () => planOf('physical'),
    ...failing('DeleteSnapshot', 'SnapshotFailed'),
  });
  expect(result.status).toBe('SUCCEEDED');
  expect(calls).toContain('Delete Temporary Snapshot#2');
});

test.each([
  ['SnapshotMember', 'Snapshot Member'],
  ['AwaitSnapshot', 'Look At Snapshot'],
  ['LaunchWorker', 'Copy Files'],
] as const)('when %s fails for good, a physical backup is cleaned up', async (functionName, state) => {
  const { result, calls } = await runWorkflow('backup', {
    ...failing(functionName, 'LeaseLost'),
    PlanBackup: () => planOf('physical'),
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'LeaseLost' });
  expect(calls).toContain(state);
  expect(calls.slice(-3)).toEqual(cleanUp);
});
