import { beforeEach, describe, expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { runWorker } from '../../../worker/run-worker.ts';
import { begin } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld } from '../../support/backup-world.ts';

/** A worker whose work waits for something that never comes, and does not hear that it should stop. */
let world: BackupWorld;
let answers: string[];
let isOverdue: boolean;
beforeEach(() => {
  world = makeWorld();
  answers = [];
  isOverdue = false;
});
const never = () => new Promise<never>(() => undefined);

async function startStuck(): Promise<{ readonly ended: Promise<number> }> {
  const { fence } = await begin(world, 'run-1');
  const taskKey = stateKeys.task('run-1', '1');
  const task = { schemaVersion: 1, runId: 'run-1', command: 'dump', part: 'rs0', attempt: 1, taskToken: 't', fence };
  await writeDocument(world.state, taskKey, { ...task, startedAt: '2026-11-22T10:00:00.000Z' });
  const unused = { scratch: { find: never, start: never }, makeTemporaryFolder: never, snapshotRoot: () => '' };
  const ended = runWorker({
    callbacks: {
      success: never,
      failure: (_token, error) => Promise.resolve(void answers.push(error)),
      heartbeat: () => Promise.resolve(true),
    },
    composed: {
      deps: { ...world.deps, ...unused, openMember: never, progressInterval: 1000 },
      close: () => Promise.resolve(),
    },
    task: { runId: 'run-1', taskKey, taskToken: 't' },
    lost: new AbortController().signal,
    terminated: new AbortController().signal,
    onOverdue: () => {
      isOverdue = true;
    },
  });
  await world.clock.settle();
  return { ended };
}

describe('a worker whose work is stuck', () => {
  test('answers that it was cancelled two minutes after that, and has its process ended', async () => {
    const { ended } = await startStuck();
    await world.clock.advance(1000);
    await world.state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
    await world.clock.advance(100_000);
    expect(answers).toEqual([]);
    await world.clock.advance(30_000);
    expect(await ended).toBeGreaterThan(0);
    expect(answers).toEqual(['Cancelled']);
    expect(isOverdue).toBe(true);
  });

  test('fails after an hour in which nothing was read, so that another one goes on', async () => {
    const { ended } = await startStuck();
    await world.clock.advance(3_590_000);
    expect(answers).toEqual([]);
    await world.clock.advance(200_000);
    expect(await ended).toBeGreaterThan(0);
    expect(answers).toEqual(['WorkerFailed']);
  });
});
