import { beforeEach, describe, expect, test, vi } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import { collectionsStorage } from '../../../src/application/restore-collections.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { settleRun } from '../../../src/application/settle-run.ts';
import { completeRestore } from '../../../src/application/use-cases/complete-restore.ts';
import { publishOutcome } from '../../../src/application/use-cases/publish-outcome.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import type { ErrorName } from '../../../src/domain/error-registry.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { failureRecord } from '../../../src/domain/failure.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { makeOutcome } from '../../../src/domain/outcome.ts';
import type { Outcome } from '../../../src/domain/run.ts';
import { restorePlanSchema } from '../../../src/domain/run-documents.ts';
import { storageSettingsSchema } from '../../../src/domain/settings.ts';
import { type BackupWorld, makeWorld, worldSettings } from '../../support/backup-world.ts';

let world: BackupWorld;
const outcomes = {
  completed: makeOutcome('complete', 'completed', new Date('2026-11-22T10:00:00Z')),
  failed: makeOutcome(
    'failure',
    'failed',
    new Date('2026-11-22T10:00:00Z'),
    failureRecord(new HoldfastError('WorkerLost', 'gone')),
  ),
} as const;
const keyOf = (runId: string, attempt: number) =>
  `${artifactKeys.collections(runId)}${attempt}/orders/backups/b/rs0/packs/0001-00001.pack`;
const theirs = [keyOf('run-10', 1), 'orders/backups/b/manifest.json'];

/** A restore whose two workers have stored collections, beside what is not its own. */
async function begin(snapshot: string | null): Promise<void> {
  const scratch = {
    ...{ type: 'gp3', sizeGiB: 500, iops: 3_000, throughput: 125, filesystem: 'xfs', kmsKey: null, snapshot },
    ...{ initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.16' },
  };
  const plan = restorePlanSchema.parse({
    ...{ schemaVersion: 1, kind: 'restore', runId: 'run-1', backupId: 'b', deployment: 'orders', storage: 'local' },
    ...{ createdAt: '2026-11-22T10:00:00.000Z', target: 'a'.repeat(64), targetDescription: 'target', scratch },
    ...{ requestedBy: 'me', request: { backup: 'b', to: 'mongodb://t:1/' }, parts: [{ name: 'rs0' }] },
  });
  await adoptConfig(world.state, 'run-1', worldSettings);
  await writeDocument(world.state, stateKeys.runRequest('run-1'), {
    ...{ schemaVersion: 1, workflow: 'restore', startedAt: plan.createdAt, requestedBy: 'me' },
    request: { ...plan.request, at: 'latest' },
  });
  await writeDocument(world.state, stateKeys.hold('run-1'), {});
  await writeDocument(world.state, stateKeys.plan('run-1'), plan);
  world.marked.add('run-1');
  for (const key of [keyOf('run-1', 1), keyOf('run-1', 2), ...theirs]) await world.storage.put(key, Buffer.from('x'));
}

async function stored(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.storage.list('')) keys.push(key);
  return keys.sort();
}
const settle = (outcome: Outcome) => settleRun('run-1', outcome, world.deps);

beforeEach(() => {
  world = makeWorld();
});

describe('collections of a kept snapshot on their way to a server', () => {
  test.each([['completed'], ['failed']] as const)('are deleted with the outcome: %s', async (status) => {
    await begin('snap-1');
    await settle(outcomes[status]);
    expect(await stored()).toEqual([...theirs].sort());
    expect(world.marked.has('run-1')).toBe(status === 'failed');
    await settle(outcomes[status]);
  });

  test('of a physical base lie on its volume: nothing is looked for in the storage', async () => {
    await begin(null);
    await settle(outcomes.completed);
    expect(await stored()).toHaveLength(4);
  });

  test('have a folder for each worker, which looks like a backup’s to the roles that write it', () => {
    const storage = storageSettingsSchema.parse({ name: 'p', type: 's3', prefix: 'holdfast/', forcePathStyle: false });
    expect(collectionsStorage(storage, 'run-1', 2)).toEqual({ ...storage, prefix: 'holdfast/_restores/run-1/2/' });
  });
});

describe('what can’t be deleted now', () => {
  const gone = (name: ErrorName) => () => Promise.reject(new HoldfastError(name, 'gone'));
  const has = async (key: string) => (await world.state.head(key)) !== undefined;
  const sweep = () => sweepRuns(world.deps);
  const nothing = { settledRuns: [], problems: [] };

  test('is deleted after the mark is off, so that a function that is stopped then leaves none', async () => {
    await begin('snap-1');
    const marked: number[] = [];
    world.storage.delete = () => Promise.resolve(void marked.push(world.marked.size));
    await settle(outcomes.completed);
    expect(marked).toEqual([0]);
  });

  test('neither fails a restore nor keeps its mark, and is told', async () => {
    await begin('snap-1');
    const result = {
      ...{ schemaVersion: 1, part: 'rs0', target: 'target', restoreTime: { t: 9, i: 1 }, collections: 1 },
      ...{ documents: 3, rawBytes: 30, indexes: 0, oplog: { entries: 1, applied: 1, skipped: 0 }, warnings: [] },
      ...{ usersAndRoles: null, uuidsKept: true, keepExpired: false, seconds: {} },
    };
    await writeDocument(world.state, stateKeys.restoreResult('run-1', 'rs0'), result);
    await writeDocument(world.state, stateKeys.outcome('run-1'), outcomes.completed);
    world.storage.delete = gone('StorageAccessDenied');
    const step = { runId: 'run-1', state: 'Complete Restore', retry: 0 };
    const { restored } = await completeRestore({ ...step, fence: 1 }, world.deps);
    expect(restored.warnings).toEqual([
      expect.stringMatching(/storage local, below _restores\/run-1\/ \(gone\): the sweep/),
    ]);
    expect(await publishOutcome(step, world.deps)).toEqual({ detailType: 'Restore completed' });
    expect(world.marked).toEqual(new Set());
  });

  test.each(['list', 'delete'] as const)('is the sweep’s until it is: %s', async (action) => {
    await begin('snap-1');
    const works = world.storage[action].bind(world.storage);
    Object.assign(world.storage, { [action]: gone('StorageUnavailable') });
    if (action === 'list')
      world.storage.list = () =>
        (async function* () {
          await gone('StorageUnavailable')();
          yield* [];
        })();
    await settle(outcomes.failed);
    expect(await has(stateKeys.settled('run-1'))).toBe(true);
    expect(await sweep()).toMatchObject({ problems: [expect.stringMatching(/^collections of run run-1: .*gone/)] });
    Object.assign(world.storage, { [action]: works });
    expect(await sweep()).toMatchObject(nothing);
    expect(await stored()).toEqual([...theirs].sort());
    world.storage.list = () => {
      throw new Error('looked for once more');
    };
    expect(await sweep()).toMatchObject(nothing);
  });

  test('is given up after a month', async () => {
    await begin('snap-1');
    world.storage.delete = gone('StorageAccessDenied');
    await settle(outcomes.completed);
    await world.clock.advance(31 * 24 * 60 * 60 * 1000);
    const error = vi.fn();
    const swept = await sweepRuns({ ...world.deps, logger: { ...world.deps.logger, error } });
    expect(swept).toMatchObject(nothing);
    const told = expect.objectContaining({ runId: 'run-1', prefix: '_restores/run-1/' }) as object;
    expect(error).toHaveBeenCalledWith(expect.stringContaining('delete them by hand'), told);
    expect(await has(stateKeys.sweptCollections('run-1'))).toBe(true);
  });

  test('went with its bucket, or is an unfinished upload that the user may not look for: nothing is left to do', async () => {
    await begin('snap-1');
    world.storage.discardUnfinished = gone('StorageAccessDenied');
    expect(await settle(outcomes.completed)).toBeUndefined();
    await begin('snap-1');
    world.storage.delete = gone('StorageNotFound');
    expect(await settle(outcomes.completed)).toBeUndefined();
    expect(await has(stateKeys.leftCollections('run-1'))).toBe(false);
  });

  test('is not forgotten with a target that is gone, and holds no slice of the archive', async () => {
    await begin('snap-1');
    await writeDocument(world.state, stateKeys.outcome('run-1'), outcomes.completed);
    world.storage.delete = gone('StorageUnavailable');
    const lost = { ...world.deps, unmarkTarget: gone('TargetUnreachable') };
    await expect(settleRun('run-1', outcomes.completed, lost)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect(await has(stateKeys.hold('run-1'))).toBe(false);
    await world.clock.advance(25 * 60 * 60 * 1000);
    const problems = [expect.stringContaining('collections of run run-1')];
    expect(await sweepRuns(lost)).toMatchObject({ settledRuns: ['run-1'], problems });
    expect(await sweepRuns(lost)).toMatchObject({ settledRuns: [], problems });
  });
});
