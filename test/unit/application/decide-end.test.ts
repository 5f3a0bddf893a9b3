import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument, writeDocument } from '../../../src/application/documents.ts';
import { readBackupPlan } from '../../../src/application/run-folder.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { outcomeSchema } from '../../../src/domain/run.ts';
import { begin, fail } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld } from '../../support/backup-world.ts';

/** A disk that a run's own copy of the data has filled, the state being on it too. */
let world: BackupWorld;
let happened: string[];
let isFull: boolean;

async function plannedAs(method: 'physical' | 'snapshot') {
  const plan = await readBackupPlan(world.state, 'run-1');
  const parts = plan.parts.map((part) => ({ ...part, method }));
  await writeDocument(world.state, stateKeys.plan('run-1'), { ...plan, method, parts });
  return { plan };
}

beforeEach(async () => {
  world = makeWorld();
  happened = [];
  isFull = false;
  await begin(world, 'run-1');
  await plannedAs('physical');
  isFull = true;
  const put = world.state.put.bind(world.state);
  world.state.put = (key, ...rest) =>
    isFull ? Promise.reject(new HoldfastError('StorageFull', 'no space is left')) : put(key, ...rest);
  world.deps.volumes.delete = ({ runId, part }) => {
    happened.push(`copy of ${part} of ${runId} deleted`);
    isFull = false;
    return Promise.resolve();
  };
  world.deps.launcher.stopAll = (runId) => {
    happened.push(`workers of ${runId} stopped`);
    return Promise.resolve();
  };
});
const outcome = () => readDocument(world.state, stateKeys.outcome('run-1'), outcomeSchema);
const settled = () => world.state.head(stateKeys.settled('run-1'));

describe('a run whose copy has filled the disk of the state', () => {
  test('gives up the copy, once nobody reads it, and is cleaned up', async () => {
    await fail(world, 'run-1', 'StorageFull');
    expect(happened.slice(0, 2)).toEqual(['workers of run-1 stopped', 'copy of rs0 of run-1 deleted']);
    expect(await outcome()).toMatchObject({ status: 'failed', decidedBy: 'failure', error: { name: 'StorageFull' } });
    expect(await settled()).toBeDefined();
  });

  test('is swept likewise when its process died', async () => {
    world.running.clear();
    expect(await sweepRuns(world.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(await outcome()).toMatchObject({ status: 'failed', decidedBy: 'sweep' });
  });

  test('is no complete backup, also when somebody completed it with the room that its copies made', async () => {
    const makeRoom = world.deps.volumes.delete.bind(world.deps.volumes);
    world.deps.volumes.delete = async (owner) => {
      await makeRoom(owner);
      const decided = { status: 'completed', decidedBy: 'complete', at: '2026-11-22T10:00:00.000Z', error: null };
      await writeDocument(world.state, stateKeys.outcome('run-1'), { schemaVersion: 1, ...decided });
    };
    await expect(fail(world, 'run-1')).rejects.toMatchObject({ name: 'SnapshotFailed' });
    expect(await settled()).toBeUndefined();
  });

  test('keeps a copy that the completed run is for: that was written down while there was room', async () => {
    isFull = false;
    const { plan } = await plannedAs('snapshot');
    const error = null;
    const decided = { status: 'completed', decidedBy: 'complete', at: '2026-11-22T10:00:00.000Z', error };
    await writeDocument(world.state, stateKeys.outcome(plan.runId), { schemaVersion: 1, ...decided });
    isFull = true;
    // It fails later, over its manifest: the sweep goes on with it when there is room.
    await expect(fail(world, 'run-1')).rejects.toThrow();
    expect(happened).toEqual(['workers of run-1 stopped']);
    expect(await outcome()).toMatchObject({ status: 'completed' });
  });
});
