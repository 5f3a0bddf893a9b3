import { beforeEach, describe, expect, test } from 'vitest';
import { JournalRunHistory } from '../../../local/run-history.ts';
import type { RunHistory, RunRecord } from '../../../src/application/ports/run-history.ts';
import { recordStepError } from '../../../src/application/bind.ts';
import { writeDocument } from '../../../src/application/documents.ts';
import { publishOutcome } from '../../../src/application/use-cases/publish-outcome.ts';
import { runStatus } from '../../../src/application/use-cases/run-status.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { failureRecord } from '../../../src/domain/failure.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { complete, fail, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld, step } from '../../support/backup-world.ts';

let world: BackupWorld;
let record: RunRecord;
beforeEach(() => {
  world = makeWorld();
  record = {
    workflow: 'backup',
    startedAt: new Date('2026-11-22T10:00:00Z'),
    endedAt: new Date('2026-11-22T11:00:00Z'),
    status: 'succeeded',
    state: 'Complete Backup',
    output: null,
    error: null,
  };
});

/** The journals of the state storage, but for what is found of one run. */
const historyWith = (find: RunHistory['find']): RunHistory =>
  Object.assign(new JournalRunHistory(world.state), { find });

async function statusOf(runId: string) {
  world.running.delete(runId);
  const history = historyWith(() => Promise.resolve(record));
  return (await runStatus(runId, { ...world.deps, history }))[0];
}
const full = new HoldfastError('StorageFull', 'no space is left');

/** A run that won `completed` and cannot write its manifest. */
async function completeOnFullStorage(): Promise<() => void> {
  await reachCompletion(world, 'run-1');
  const put = world.storage.put.bind(world.storage);
  world.storage.put = () => Promise.reject(full);
  await expect(complete(world, 'run-1')).rejects.toBe(full);
  await expect(fail(world, 'run-1', 'StorageFull')).rejects.toBe(full);
  return () => {
    world.storage.put = put;
  };
}

test('a run has succeeded when its manifest is written, not when that was decided', async () => {
  const makeRoom = await completeOnFullStorage();
  record = { ...record, status: 'failed', error: failureRecord(full) };
  expect(await statusOf('run-1')).toMatchObject({ status: 'failed', error: { name: 'StorageFull' } });
  record = { ...record, status: 'running', endedAt: null, error: null };
  expect(await statusOf('run-1')).toMatchObject({ status: 'interrupted' });
  makeRoom();
  await complete(world, 'run-1');
  expect(await statusOf('run-1')).toMatchObject({ status: 'succeeded', error: null });
});

test('a run that ends while it is looked at has succeeded with its output', async () => {
  await reachCompletion(world, 'run-1');
  const output = await complete(world, 'run-1');
  world.running.delete('run-1');
  const looks: RunRecord[] = [
    { ...record, status: 'running', endedAt: null },
    { ...record, output },
  ];
  const history = historyWith(() => Promise.resolve(looks.shift()));
  const [status] = await runStatus('run-1', { ...world.deps, history });
  expect(status).toMatchObject({ status: 'succeeded', endedAt: record.endedAt?.toISOString(), output });
});

test('nobody is told of a complete backup whose manifest is not written', async () => {
  await completeOnFullStorage();
  await publishOutcome(step('run-1', 'Publish Failure'), world.deps);
  expect(world.published).toEqual(['Backup failed']);
});

test('what a run failed with is shown also when its clean-up could not write it down', async () => {
  await reachCompletion(world, 'run-1');
  record = { ...record, status: 'failed', error: failureRecord(full) };
  expect(await statusOf('run-1')).toMatchObject({ status: 'failed', error: { name: 'StorageFull' } });
});

describe('a list of runs', () => {
  const runIds = Array.from({ length: 60 }, (_, n) => `backup-20261122T1000${String(n).padStart(2, '0')}Z-abcdef`);
  const read: string[] = [];
  const list = () => {
    const find = (runId: string) => {
      read.push(runId);
      const second = Number(/T1000(\d\d)Z/.exec(runId)?.[1] ?? '0');
      return Promise.resolve({ ...record, startedAt: new Date(Date.UTC(2026, 10, 22, 10, 0, second)) });
    };
    return runStatus(undefined, { ...world.deps, history: historyWith(find) });
  };
  beforeEach(async () => {
    read.length = 0;
    for (const runId of runIds) await world.state.put(stateKeys.journal(runId), Buffer.from('x'));
  });

  test('has the newest twenty, and reads no others', async () => {
    expect((await list()).map(({ runId }) => runId)).toEqual(runIds.slice(-20).toReversed());
    expect(read).toHaveLength(20);
  });

  test('has runs whose ids say no time, by when they started', async () => {
    await world.state.put(stateKeys.journal('nightly'), Buffer.from('x'));
    expect((await list()).map(({ runId }) => runId)).not.toContain('nightly');
    expect(read).toContain('nightly');
  });

  test('shows the others when one can not be read', async () => {
    const damaged = runIds.at(-1) ?? '';
    await world.state.put(stateKeys.outcome(damaged), Buffer.from('{"schemaV'));
    expect((await list()).map(({ runId }) => runId)).toEqual(runIds.slice(-20, -1).toReversed());
  });
});

describe('a run that waits for its next try', () => {
  const away = new HoldfastError('SourceUnreachable', 'db-3:27017 does not answer');
  const fails = (retry: number) =>
    recordStepError({ ...step('run-1', 'Dump Collections.rs0'), retry }, away, world.deps);
  const statusOfRunning = async () => {
    world.running.add('run-1');
    const history = historyWith(() => Promise.resolve(record));
    return (await runStatus('run-1', { ...world.deps, history }))[0];
  };

  test('shows the try that failed last, until it comes further or ends', async () => {
    record = { ...record, status: 'running', endedAt: null };
    expect(await statusOfRunning()).not.toHaveProperty('lastFailure');
    await fails(0);
    await world.clock.advance(1000);
    await fails(1);
    expect(await statusOfRunning()).toMatchObject({
      lastFailure: { state: 'Dump Collections.rs0', attempt: 2, error: { message: away.message } },
    });
    await world.clock.advance(1000);
    await writeDocument(world.state, stateKeys.progress('run-1'), {
      ...{ schemaVersion: 1, part: 'rs0', phase: 'dump', documents: 1, rawBytes: 1, storedBytes: 1, totalBytes: null },
      ...{ bytesPerSecond: 1, etaSeconds: null, updatedAt: world.deps.clock.now().toISOString() },
    });
    expect(await statusOfRunning()).not.toHaveProperty('lastFailure');
    await fails(2);
    expect(await statusOf('run-1')).not.toHaveProperty('lastFailure');
  });
});
