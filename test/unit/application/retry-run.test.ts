import { beforeEach, describe, expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import type { RunRecord } from '../../../src/application/ports/run-history.ts';
import { requestToRetry, retryRun } from '../../../src/application/use-cases/retry-run.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { RestoreRequest } from '../../../src/domain/run.ts';
import { begin, complete, fail, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld } from '../../support/backup-world.ts';

let world: BackupWorld;
let record: RunRecord | undefined;
beforeEach(() => {
  world = makeWorld();
  record = {
    ...{ workflow: 'backup', startedAt: new Date('2026-11-22T10:00:00Z'), status: 'failed', state: null },
    ...{ endedAt: new Date('2026-11-22T11:00:00Z'), output: null, error: null },
  };
});

const retry = (runId = 'run-1') =>
  requestToRetry(runId, 'cli:ada', {
    ...world.deps,
    history: { find: () => Promise.resolve(record), newest: () => Promise.resolve([]) },
  });

describe('a retry', () => {
  test('asks for what the run was asked for, as it was completed then, in the name of who retries', async () => {
    await begin(world, 'run-1', {
      deployment: 'orders',
      labels: { ticket: '42' },
      idempotencyKey: 'k',
      requestedBy: 'x',
    });
    await fail(world, 'run-1');
    world.running.delete('run-1');
    expect(await retry()).toEqual({
      workflow: 'backup',
      request: {
        ...{ deployment: 'orders', storage: 'local', labels: { ticket: '42' }, requestedBy: 'cli:ada' },
        compression: { codec: 'zstd', level: 1 },
      },
    });
  });

  test('is a request that a run accepts, also with a codec that has no levels', async () => {
    await begin(world, 'run-1', { compression: { codec: 'none' } });
    await fail(world, 'run-1');
    world.running.delete('run-1');
    const { request } = await retry();
    const { plan } = await begin(world, 'run-2', request);
    expect(plan).toMatchObject({ codec: 'none', level: 0, requestedBy: 'cli:ada' });
  });

  test('is for a run that was cancelled, too', async () => {
    await begin(world, 'run-1');
    await world.state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
    await fail(world, 'run-1');
    world.running.delete('run-1');
    expect(await retry()).toMatchObject({ workflow: 'backup' });
  });

  async function restoreRun(more: Partial<RestoreRequest>): Promise<void> {
    await writeDocument(world.state, stateKeys.runRequest('run-1'), {
      ...{ schemaVersion: 1, workflow: 'restore', startedAt: '2026-11-22T10:00:00.000Z', requestedBy: 'x' },
      request: { backup: 'orders', to: 'mongodb://a:1/', ...more },
    });
    record = record && { ...record, workflow: 'restore' };
  }

  test('of a restore goes to the same target', async () => {
    await restoreRun({ users: true });
    expect(await retry()).toEqual({
      workflow: 'restore',
      request: { backup: 'orders', to: 'mongodb://a:1/', users: true, requestedBy: 'cli:ada' },
    });
  });

  test('of a restore that overwrites must be typed again', async () => {
    await restoreRun({ overwrite: 'rs1' });
    await expect(retry()).rejects.toMatchObject({ name: 'InvalidInput', next: 'Type the restore again.' });
  });

  test('is refused for a run that runs', async () => {
    await begin(world, 'run-1');
    record = record && { ...record, status: 'running', endedAt: null };
    await expect(retry()).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringMatching(/still runs/) as string,
    });
  });

  test('is refused for a run that succeeded', async () => {
    await reachCompletion(world, 'run-1');
    await complete(world, 'run-1');
    world.running.delete('run-1');
    record = record && { ...record, status: 'succeeded' };
    await expect(retry()).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringMatching(/has done what/) as string,
    });
  });

  test('is refused for a run whose request never was accepted', async () => {
    await expect(retry()).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringMatching(/before its request was accepted/) as string,
    });
  });

  test('is one run, whoever asks for it, how often and when', async () => {
    await begin(world, 'run-1', { deployment: 'orders' });
    await fail(world, 'run-1');
    world.running.delete('run-1');
    const inputs = new Map<string, unknown>();
    let starts = 0;
    const deps = {
      ...world.deps,
      history: { find: () => Promise.resolve(record), newest: () => Promise.resolve([]) },
      starter: {
        start: (workflow: string, runId: string, input: object) => {
          if (inputs.has(runId)) return Promise.resolve(inputs.get(runId));
          starts += 1;
          inputs.set(runId, { workflow, input });
          return Promise.resolve(input);
        },
        inputOf: (_workflow: string, runId: string) => Promise.resolve(inputs.get(runId)),
      },
    };
    const [first, second] = await Promise.all([retryRun('run-1', 'ada', deps), retryRun('run-1', 'bob', deps)]);
    expect(second).toEqual(first);
    expect(first).toEqual({
      runId: expect.stringMatching(/^backup-retry-[0-9a-f]{40}$/) as string,
      ...{ workflow: 'backup', retryOf: 'run-1' },
    });
    expect(inputs.get(first.runId)).toMatchObject({
      workflow: 'backup',
      input: { deployment: 'orders', requestedBy: 'ada' },
    });
    // Step Functions has forgotten it.
    await world.state.put(stateKeys.runConfig(first.runId), Buffer.from('{}'));
    inputs.clear();
    expect(await retryRun('run-1', 'ada', deps)).toEqual(first);
    expect(starts).toBe(1);
  });

  test('needs a run', async () => {
    record = undefined;
    await expect(retry('none')).rejects.toMatchObject({ name: 'UnknownRun' });
  });
});
