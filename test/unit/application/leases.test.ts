import { beforeEach, expect, test } from 'vitest';
import { releaseLease } from '../../../src/application/use-cases/release-lease.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { leaseSchema } from '../../../src/domain/run.ts';
import { acquire, begin, inspect, plan } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld, step } from '../../support/backup-world.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});
const lease = () => readDocument(world.state, stateKeys.lease('orders'), leaseSchema);
const release = (runId: string) => releaseLease(step(runId, 'Release Lease'), world.deps);

test('a running holder keeps its lease, and the other is told who it is and since when', async () => {
  await begin(world, 'run-1');
  await expect(begin(world, 'run-2')).rejects.toMatchObject({
    name: 'DeploymentBusy',
    details: expect.objectContaining({ run: 'run-1', since: '2026-11-22T10:00:00.000Z' }) as object,
  });
  expect(await lease()).toMatchObject({ run: 'run-1', fence: 1 });
});

test('a step that runs again keeps what it took', async () => {
  await begin(world, 'run-1');
  expect(await acquire(world, 'run-1')).toEqual({ fence: 1 });
});

test('the lease of a run that is over is taken over with a higher fence', async () => {
  await begin(world, 'run-1');
  world.running.delete('run-1');
  expect(await begin(world, 'run-2')).toMatchObject({ fence: 2 });
  expect(world.stopped).toEqual(['run-1']);
  // The late release of the first holder is none of the second's.
  expect(await release('run-1')).toEqual({ released: false });
  expect(await lease()).toMatchObject({ run: 'run-2', fence: 2 });
});

test('a released lease keeps its fence for the next holder', async () => {
  await begin(world, 'run-1');
  expect(await release('run-1')).toEqual({ released: true });
  expect(await release('run-1')).toEqual({ released: false });
  expect(await lease()).toMatchObject({ released: true, fence: 1 });
  expect(await begin(world, 'run-2')).toMatchObject({ fence: 2 });
});

test('of twenty runs at once one holds the deployment, the others are told so', async () => {
  const runs = Array.from({ length: 20 }, (_, index) => `run-${index}`);
  for (const runId of runs) {
    world.running.add(runId);
    await inspect(world, runId);
    await plan(world, runId);
  }
  const results = await Promise.allSettled(runs.map((runId) => acquire(world, runId)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ name: 'DeploymentBusy' });
  }
});

test('a damaged lease is named, with what to do about it, and nobody takes it for free', async () => {
  await world.state.put(stateKeys.lease('orders'), Buffer.from('{"schemaV'));
  await expect(begin(world, 'run-1')).rejects.toMatchObject({
    name: 'CorruptObject',
    message: expect.stringContaining(stateKeys.lease('orders')) as string,
    next: expect.stringContaining('Move it away') as string,
  });
});

test('a run that never got so far releases nothing', async () => {
  expect(await release('run-9')).toEqual({ released: false });
});
