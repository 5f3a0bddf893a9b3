import { expect, test } from 'vitest';
import type { WorkerTask } from '../../../src/domain/run-documents.ts';
import { runDumpTask } from '../../../worker/dump-task.ts';
import { begin } from '../../support/backup-steps.ts';
import { makeWorld, writePart } from '../../support/backup-world.ts';

test('a worker that finds the base of an earlier one complete reads nothing again: only the answer had been lost', async () => {
  const world = makeWorld();
  const { plan, fence } = await begin(world, 'run-1');
  await writePart(plan, world, 1);
  const task: WorkerTask = {
    schemaVersion: 1,
    runId: 'run-1',
    command: 'dump',
    part: 'rs0',
    attempt: 2,
    taskToken: 't',
    fence,
    startedAt: '2026-11-22T10:00:00.000Z',
  };
  const openMember = () => Promise.reject(new TypeError('must not be read'));
  const unusable = {
    scratch: { find: openMember, start: openMember },
    makeTemporaryFolder: openMember,
    snapshotRoot: () => '',
  };
  const deps = { ...world.deps, openMember, progressInterval: 1000, ...unusable };
  const watch = { signal: new AbortController().signal, reached: () => undefined };
  const output = await runDumpTask(task, deps, watch);
  expect(output).toEqual({ part: 'rs0', attempt: 1, documents: 5, storedBytes: 6 });
});
