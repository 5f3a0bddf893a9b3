import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { readDocument } from '../../../src/application/documents.ts';
import { listBackups } from '../../../src/application/use-cases/list-backups.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { type BackupPlan, outcomeSchema } from '../../../src/domain/run.ts';
import { begin, complete, inspect, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, keysOf, makeWorld } from '../../support/backup-world.ts';
import { ProcessDied } from '../../support/dying-store.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});
const outcomeOf = (runId: string) => readDocument(world.state, stateKeys.outcome(runId), outcomeSchema);
const cancel = (runId: string) => world.state.put(stateKeys.cancel(runId), Buffer.from('{}'));
const backupPrefix = (plan: BackupPlan) => artifactKeys.backup(plan.deployment, plan.backupId);

const nothingSwept = { settledRuns: [], releasedLeases: [], settledVolumes: [], deletedSnapshots: [], problems: [] };

describe('the sweep', () => {
  const sweep = () => sweepRuns(world.deps);

  test('leaves running runs alone', async () => {
    await reachCompletion(world, 'run-1');
    expect(await sweep()).toEqual(nothingSwept);
  });

  test('fails a run whose process died, removes what it wrote and frees its lease', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    world.running.clear();
    expect(await sweep()).toMatchObject({ settledRuns: ['run-1'], releasedLeases: [stateKeys.lease('orders')] });
    expect(await keysOf(world.storage, backupPrefix(plan))).toEqual([]);
    expect(await outcomeOf('run-1')).toMatchObject({
      status: 'failed',
      decidedBy: 'sweep',
      error: { name: 'Interrupted' },
    });
    expect(await sweep()).toEqual(nothingSwept);
  });

  test('has unfinished objects removed below the backup only, and goes on when that is refused', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    const asked: string[] = [];
    world.storage.discardUnfinished = (prefix) => {
      asked.push(prefix);
      return Promise.reject(new HoldfastError('StorageAccessDenied', 'not allowed to list uploads'));
    };
    world.running.clear();
    expect(await sweep()).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(asked).toEqual([backupPrefix(plan)]);
  });

  test('cancels it when that had been asked for', async () => {
    await begin(world, 'run-1');
    await cancel('run-1');
    world.running.clear();
    await sweep();
    expect(await outcomeOf('run-1')).toMatchObject({ status: 'cancelled' });
  });

  test('writes the manifest that the winner of `completed` died before', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    const key = artifactKeys.manifest('orders', plan.backupId);
    const put = world.storage.put.bind(world.storage);
    world.storage.put = (name, ...rest) =>
      name === key ? Promise.reject(new ProcessDied('before the manifest')) : put(name, ...rest);
    await expect(complete(world, 'run-1')).rejects.toThrow(ProcessDied);
    world.storage.put = put;
    expect(await listBackups({}, world.deps)).toEqual([]);
    world.running.clear();
    await sweep();
    expect(await listBackups({}, world.deps)).toMatchObject([{ backupId: plan.backupId }]);
    expect(await outcomeOf('run-1')).toMatchObject({ status: 'completed', decidedBy: 'complete' });
    expect(world.published).toEqual(['Backup completed']);
  });

  test('writes no manifest into a storage that no longer holds the backup, as one that is not mounted', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    const put = world.storage.put.bind(world.storage);
    world.storage.put = () => Promise.reject(new ProcessDied('before the manifest'));
    await expect(complete(world, 'run-1')).rejects.toThrow(ProcessDied);
    world.storage.put = put;
    world.running.clear();
    const unmounted = { ...world.deps, openStorage: () => new MemoryObjectStore('empty mount point') };
    expect(await sweepRuns(unmounted)).toMatchObject({
      settledRuns: [],
      problems: [expect.stringContaining('missing')],
    });
    expect(await sweep()).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(await listBackups({}, world.deps)).toMatchObject([{ backupId: plan.backupId }]);
  });

  test('decides before it stops the workers, so that one that comes late writes nothing', async () => {
    await reachCompletion(world, 'run-1');
    world.running.clear();
    const decided: boolean[] = [];
    world.deps.launcher.stopAll = async (runId) => {
      decided.push((await world.state.head(stateKeys.outcome(runId))) !== undefined);
    };
    await sweep();
    expect(decided).toEqual([true]);
    expect(world.published).toEqual(['Backup failed']);
  });

  test('takes no file beside the runs for one', async () => {
    await world.state.put('runs/.DS_Store', Buffer.from('x'));
    expect(await sweep()).toEqual(nothingSwept);
  });

  test('leaves a duplicate alone, which ended without an outcome', async () => {
    world.running.add('run-1');
    await inspect(world, 'run-1', { idempotencyKey: 'k' });
    await inspect(world, 'run-2', { idempotencyKey: 'k' });
    world.running.clear();
    expect((await sweep()).settledRuns).toEqual(['run-1']);
    expect(await keysOf(world.state, stateKeys.outcome('run-2'))).toEqual([]);
  });

  test('goes on after a run that it cannot settle, and tries that one again', async () => {
    await reachCompletion(world, 'run-1');
    const gone = {
      ...world.deps,
      openStorage: () => {
        throw new ProcessDied('no storage');
      },
    };
    world.running.clear();
    await begin(world, 'run-2');
    world.running.clear();
    const { problems } = await sweepRuns(gone);
    expect(problems).toHaveLength(2);
    expect((await sweep()).settledRuns).toEqual(['run-1', 'run-2']);
  });
});
