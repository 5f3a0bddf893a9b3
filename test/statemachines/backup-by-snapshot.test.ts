import { expect, test } from 'vitest';
import { HoldfastError } from '../../src/domain/errors.ts';
import { failing, planOf, runWorkflow } from '../support/run-workflow.ts';

const upToTheBases = ['Inspect Deployment', 'Plan Backup', 'Acquire Lease'];
/** At once, before anything else of the run is looked at. */
const unlock = 'Ensure Unlocked';
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

test('a kept snapshot that cannot be looked at for a moment, right before the end, is no fault of the backup', async () => {
  const { result, calls } = await runWorkflow('backup', {
    PlanBackup: () => planOf('snapshot'),
    ...failing('CompleteBackup', 'SnapshotFailed', 1),
  });
  expect(result.status).toBe('SUCCEEDED');
  expect(calls).toContain('Complete Backup#2');
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

test('a snapshot that failed is unlocked at once, before the run is cleaned up, and fails under its own name', async () => {
  const cause = JSON.stringify({ code: 'HF-1', message: 'it was too slow', next: 'wait' });
  const { result, calls, payloads } = await runWorkflow('backup', {
    PlanBackup: () => planOf('physical'),
    SnapshotMember: () => Promise.reject(new HoldfastError('VolumeLayoutUnsupported', cause)),
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'VolumeLayoutUnsupported' });
  expect(calls.slice(-5)).toEqual(['Snapshot Member', unlock, ...cleanUp]);
  expect(payloads.find(({ state }) => state === unlock)).toMatchObject({ part: 'rs0', retry: 0 });
  expect(payloads.find(({ state }) => state === 'Record Failure')).toMatchObject({
    failure: { Error: 'VolumeLayoutUnsupported', Cause: expect.stringContaining('it was too slow') as string },
  });
});

test('a function that died while it held the lock is no error of the product, and is unlocked after all', async () => {
  const died = Object.assign(new Error('RequestId: 1 Error: Runtime exited'), { name: 'Runtime.ExitError' });
  const { result, calls } = await runWorkflow('backup', {
    PlanBackup: () => planOf('snapshot'),
    SnapshotMember: () => Promise.reject(died),
  });
  expect(result.status).toBe('FAILED');
  expect(calls.slice(-5)).toEqual(['Snapshot Member', unlock, ...cleanUp]);
});

test('a snapshot that does not end in its time is unlocked, too', async () => {
  const { result, calls, seconds } = await runWorkflow('backup', {
    PlanBackup: () => planOf('physical'),
    SnapshotMember: () => new Promise(() => undefined),
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'WorkerLost' });
  expect(calls.slice(-4)).toEqual([unlock, ...cleanUp]);
  expect(seconds).toBeGreaterThanOrEqual(620);
});

test('a lock that cannot be given back is tried again, and never hides why the snapshot failed', async () => {
  const { result, calls } = await runWorkflow('backup', {
    PlanBackup: () => planOf('physical'),
    ...failing('SnapshotMember', 'LeaseLost'),
    ...failing('EnsureUnlocked', 'SourceUnreachable'),
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'LeaseLost' });
  const tries = calls.filter((call) => call.startsWith(unlock));
  expect(tries).toEqual([unlock, ...[2, 3, 4, 5].map((attempt) => `${unlock}#${attempt}`)]);
  expect(calls.slice(-3)).toEqual(cleanUp);
});
