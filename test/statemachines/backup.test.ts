import { describe, expect, test } from 'vitest';
import type { FunctionName } from '../../statemachines/manifest.ts';
import { backupSummary, failing, namedError, planOf, runWorkflow, startWorkflow } from '../support/run-workflow.ts';

const upToTheBases = ['Inspect Deployment', 'Plan Backup', 'Acquire Lease'];
const cleanUp = ['Record Failure', 'Release Lease After Failure', 'Publish Failure'];
/** Each step of the main path that can fail, with the states that were called before its first failure. */
const steps: readonly [FunctionName, string][] = [
  ['InspectDeployment', 'Inspect Deployment'],
  ['PlanBackup', 'Plan Backup'],
  ['AcquireLease', 'Acquire Lease'],
  ['LaunchWorker', 'Dump Collections'],
  ['CaptureOplog', 'Capture Oplog'],
  ['CompleteBackup', 'Complete Backup'],
];

test('a backup takes bases and oplog side by side, then completes, releases and publishes', async () => {
  const { result, calls, payloads, seconds } = await runWorkflow('backup', {}, { deployment: 'orders' });
  expect(result).toEqual({ status: 'SUCCEEDED', output: { status: 'completed', ...backupSummary } });
  // Waits of 5, 30, 30, 30, 30, 30 s beside a dump of 100 s.
  const captures = Array<string>(6).fill('Capture Oplog');
  expect(calls).toEqual([
    ...upToTheBases,
    'Dump Collections',
    ...captures,
    'Complete Backup',
    'Release Lease',
    'Publish Outcome',
  ]);
  expect(seconds).toBe(155);
  expect(payloads[0]).toMatchObject({ runId: 'run-1', request: { deployment: 'orders' }, retry: 0 });
  expect(payloads.find(({ state }) => state === 'Complete Backup')).toMatchObject({ fence: 7 });
});

test('each part has its worker, with a token of its own', async () => {
  const { result, payloads } = await runWorkflow('backup', {
    PlanBackup: () => planOf('logical', 'rs0', 'rs1'),
  });
  const launched = payloads.filter(({ state }) => state === 'Dump Collections');
  expect(result.status).toBe('SUCCEEDED');
  expect(launched.map(({ part }) => part)).toEqual(['rs0', 'rs1']);
  expect(new Set(launched.map(({ taskToken }) => taskToken)).size).toBe(2);
});

test('a request that was accepted before ends well, as the duplicate of the run that answers it', async () => {
  const { result, calls } = await runWorkflow('backup', {
    InspectDeployment: () => ({ deployment: 'orders', duplicateOf: 'run-0' }),
  });
  expect(result).toEqual({
    status: 'SUCCEEDED',
    output: { status: 'duplicate', deployment: 'orders', duplicateOf: 'run-0' },
  });
  expect(calls).toEqual(['Inspect Deployment']);
});

describe.each(steps)('when %s fails for good', (functionName, stateName) => {
  test('the run is cleaned up and the original error is raised', async () => {
    const { result, calls, payloads } = await runWorkflow('backup', failing(functionName, 'LeaseLost'));
    expect(result).toMatchObject({ status: 'FAILED', error: 'LeaseLost', cause: 'for people' });
    expect(calls.slice(-3)).toEqual(cleanUp);
    expect(calls.filter((call) => call === stateName)).toHaveLength(1);
    expect(calls).not.toContain(`${stateName}#2`);
    expect(payloads.find(({ state }) => state === 'Record Failure')?.failure?.Error).toBe('LeaseLost');
  });

  test('a passing fault is made good by trying again', async () => {
    const { result, calls } = await runWorkflow('backup', failing(functionName, 'StorageUnavailable', 1));
    expect(result.status).toBe('SUCCEEDED');
    expect(calls).toContain(`${stateName}#2`);
  });

  test('a fault that stays is given up, and raised by its own name', async () => {
    const { result, calls } = await runWorkflow('backup', failing(functionName, 'StorageUnavailable'));
    expect(result).toMatchObject({ status: 'FAILED', error: 'StorageUnavailable' });
    const tries = calls.filter((call) => call.startsWith(stateName)).length;
    expect(tries).toBeGreaterThanOrEqual(3);
    expect(tries).toBeLessThanOrEqual(9);
    expect(calls.slice(-3)).toEqual(cleanUp);
  });

  test('a cancel at that step ends the run as cancelled, without another try', async () => {
    const { result, calls } = await runWorkflow('backup', {
      ...failing(functionName, 'Cancelled'),
      RecordFailure: () => ({ outcome: 'cancelled', error: 'Cancelled', cause: 'asked to stop' }),
    });
    expect(result).toMatchObject({ status: 'FAILED', error: 'Cancelled', cause: 'asked to stop' });
    expect(calls).not.toContain(`${stateName}#2`);
    expect(calls.slice(-3)).toEqual(cleanUp);
  });

  test('a clean-up that itself fails hides nothing: the original error is raised', async () => {
    const { result, calls } = await runWorkflow('backup', {
      ...failing(functionName, 'LeaseLost'),
      RecordFailure: () => {
        throw namedError('Internal', 'the clean-up broke');
      },
      ReleaseLease: () => {
        throw namedError('Internal', 'the release broke');
      },
      PublishOutcome: () => {
        throw namedError('Internal', 'the publisher broke');
      },
    });
    expect(result).toMatchObject({ status: 'FAILED', error: 'LeaseLost' });
    expect(calls.slice(-3)).toEqual(cleanUp);
  });
});

test('a held lease ends the run at once, before any member is read', async () => {
  const { result, calls } = await runWorkflow('backup', failing('AcquireLease', 'DeploymentBusy'));
  expect(result).toMatchObject({ status: 'FAILED', error: 'DeploymentBusy' });
  expect(calls).toEqual([...upToTheBases, ...cleanUp]);
});

describe('the worker', () => {
  test('that is killed is started again, with a token of its own', async () => {
    let workers = 0;
    const { result, calls, payloads } = await runWorkflow('backup', {
      LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
        workers += 1;
        const first = workers === 1;
        void clock.sleep(1000).then(() => {
          if (first) executions.sendTaskFailure(taskToken, 'WorkerLost', 'killed');
          else executions.sendTaskSuccess(taskToken, {});
        });
        return { attempt: workers };
      },
    });
    expect(result.status).toBe('SUCCEEDED');
    expect(calls.filter((call) => call.startsWith('Dump'))).toEqual(['Dump Collections', 'Dump Collections#2']);
    const tokens = payloads.filter(({ state }) => state === 'Dump Collections').map(({ taskToken }) => taskToken);
    expect(new Set(tokens).size).toBe(2);
  });

  test('that falls silent is lost after 300 s without a beat, and started again', async () => {
    const launchedAt: number[] = [];
    const { result } = await runWorkflow('backup', {
      LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
        launchedAt.push(clock.now().getTime() / 1000);
        if (launchedAt.length === 2) {
          void clock.sleep(1000).then(() => {
            executions.sendTaskSuccess(taskToken, {});
          });
        }
        return { attempt: launchedAt.length };
      },
      CaptureOplog: () => ({ done: launchedAt.length === 2, waitSeconds: 60 }),
    });
    expect(result.status).toBe('SUCCEEDED');
    const [first = 0, second = 0] = launchedAt;
    expect(second - first).toBeGreaterThanOrEqual(300);
    expect(second - first).toBeLessThan(310);
  });

  test('that beats is waited for, however long it takes', async () => {
    const { result, seconds } = await runWorkflow('backup', {
      LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
        void (async () => {
          for (let beat = 0; beat < 40; beat += 1) {
            await clock.sleep(200_000);
            executions.sendTaskHeartbeat(taskToken);
          }
          executions.sendTaskSuccess(taskToken, {});
        })();
        return { attempt: 1 };
      },
    });
    expect(result.status).toBe('SUCCEEDED');
    expect(seconds).toBeGreaterThanOrEqual(8000);
  });

  describe.each(['SourceUnreachable', 'MemberStateChanged'])('whose member is away (%s)', (name) => {
    test('waits for it for half an hour', async () => {
      const { result, seconds } = await runWorkflow('backup', failing('LaunchWorker', name, 20));
      expect(result.status).toBe('SUCCEEDED');
      expect(seconds).toBeGreaterThan(1800);
    });

    test('for good ends the run by that name, and within the hour', async () => {
      const { result, calls, seconds } = await runWorkflow('backup', failing('LaunchWorker', name));
      expect(result).toMatchObject({ status: 'FAILED', error: name });
      expect(calls.slice(-3)).toEqual(cleanUp);
      expect(seconds).toBeLessThan(3600);
    });

    test('waits for as long while the rest of the oplog is captured', async () => {
      const { result, seconds } = await runWorkflow('backup', failing('CaptureOplog', name, 20));
      expect(result.status).toBe('SUCCEEDED');
      expect(seconds).toBeGreaterThan(1800);
    });
  });

  test('that is lost every time ends the run as WorkerLost after five tries', async () => {
    const { result, calls } = await runWorkflow('backup', failing('LaunchWorker', 'WorkerLost'));
    expect(result).toMatchObject({ status: 'FAILED', error: 'WorkerLost' });
    expect(calls.filter((call) => call.startsWith('Dump Collections'))).toHaveLength(5);
  });

  test('whose failure is not retryable stops the capture loop beside it', async () => {
    const { result, calls, seconds } = await runWorkflow('backup', {
      LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
        void clock.sleep(20_000).then(() => {
          executions.sendTaskFailure(taskToken, 'CorruptSource', '{"message":"not BSON"}');
        });
        return { attempt: 1 };
      },
      CaptureOplog: () => ({ done: false, waitSeconds: 5 }),
    });
    expect(result).toMatchObject({ status: 'FAILED', error: 'CorruptSource' });
    expect(calls.slice(-3)).toEqual(cleanUp);
    expect(seconds).toBeLessThan(30);
  });
});

test('a capture that fails stops the worker’s task: its answer is refused', async () => {
  let refused: unknown;
  const { result } = await runWorkflow('backup', {
    ...failing('CaptureOplog', 'OplogRolledOver'),
    LaunchWorker: ({ taskToken = '' }, { clock, executions }) => {
      void clock.sleep(60_000).then(() => {
        try {
          executions.sendTaskHeartbeat(taskToken);
        } catch (error) {
          refused = error;
        }
      });
      return { attempt: 1 };
    },
    // The clean-up outlasts the beat, so that it is heard.
    RecordFailure: async (_payload, { clock }) => {
      await clock.sleep(120_000);
      return { outcome: 'failed', error: 'OplogRolledOver', cause: '' };
    },
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'OplogRolledOver' });
  expect(refused).toMatchObject({ name: 'TaskTimedOut' });
});

test('names of the States Language reach the outside as names of the product', async () => {
  const { result } = await runWorkflow('backup', {
    PlanBackup: (_payload, { clock, signal }) => clock.sleep(3_600_000, signal),
  });
  expect(result).toMatchObject({ status: 'FAILED', error: 'WorkerLost' });
});

test('throttled functions are tried more often than failing ones', async () => {
  const { result } = await runWorkflow('backup', failing('PlanBackup', 'Lambda.TooManyRequestsException', 6));
  expect(result.status).toBe('SUCCEEDED');
});

test('what fails after the decision is done again, not undone', async () => {
  let completions = 0;
  const { result, calls } = await runWorkflow('backup', {
    CompleteBackup: () => {
      completions += 1;
      if (completions === 1) throw namedError('Internal', 'the manifest could not be written');
      return backupSummary;
    },
    RecordFailure: () => ({ outcome: 'completed', error: 'Internal', cause: '' }),
  });
  expect(result).toMatchObject({ status: 'SUCCEEDED', output: { backupId: 'b1' } });
  expect(calls.slice(-5)).toEqual([
    'Complete Backup',
    'Record Failure',
    'Complete Backup',
    'Release Lease',
    'Publish Outcome',
  ]);
});

test.each(['ReleaseLease', 'PublishOutcome'] as const)(
  'a complete backup stays one when %s fails',
  async (functionName) => {
    const { result, calls } = await runWorkflow('backup', failing(functionName, 'StorageUnavailable'));
    expect(result).toMatchObject({ status: 'SUCCEEDED', output: { status: 'completed' } });
    expect(calls).not.toContain('Record Failure');
  },
);

test('whatever the input is, its run is cleaned up', async () => {
  for (const input of ['text', 3, null, ['list'], { failure: 'mine' }]) {
    const { result, calls } = await runWorkflow('backup', failing('InspectDeployment', 'InvalidInput'), input);
    expect(result).toMatchObject({ status: 'FAILED', error: 'InvalidInput' });
    expect(calls).toEqual(['Inspect Deployment', ...cleanUp]);
  }
});

test('an abort runs no clean-up: that is the sweep’s', async () => {
  const { execution, ended } = startWorkflow('backup', {
    LaunchWorker: () => {
      void execution.abort('stopped');
      return {};
    },
  });
  const { result, calls } = await ended;
  expect(result.status).toBe('ABORTED');
  expect(calls).not.toContain('Record Failure');
});
