import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument } from '../../../src/application/documents.ts';
import { describeBackup } from '../../../src/application/use-cases/describe-backup.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import type { ObjectLock } from '../../../src/domain/object-lock.ts';
import { outcomeSchema } from '../../../src/domain/run.ts';
import { type Settings, settingsSchema } from '../../../src/domain/settings.ts';
import { begin, complete, fail, inspect, plan, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, keysOf, makeWorld, worldSettings } from '../../support/backup-world.ts';

/** Locks of the storage, as long as it takes them. */
let locks: Map<string, ObjectLock>;
let refuses: boolean;
/** Whether the manifest was there when the first object was locked. */
let committedBefore: boolean | undefined;
let world: BackupWorld;

const until = '2026-12-06T10:00:00.000Z';

function lockingWorld(retention: Settings['deployments'][string]['retention']): BackupWorld {
  const made = makeWorld();
  const place = { name: 'local', type: 's3', bucket: 'b', prefix: '', forcePathStyle: false, objectLock: 'governance' };
  const settings = settingsSchema.parse({
    ...worldSettings,
    storages: { local: place },
    deployments: { orders: { ...worldSettings.deployments['orders'], ...(retention && { retention }) } },
  });
  const lock = async (key: string, given: ObjectLock): Promise<void> => {
    if (refuses) throw new HoldfastError('StorageAccessDenied', `${key} may not be locked`);
    committedBefore ??= (await keysOf(made.storage)).some((stored) => stored.endsWith('manifest.json'));
    locks.set(key, given);
  };
  Object.assign(made.storage, { lock });
  return { ...made, deps: { ...made.deps, settings } };
}

beforeEach(() => {
  locks = new Map();
  refuses = false;
  committedBefore = undefined;
  world = lockingWorld({ days: 14 });
});

describe('a storage that locks', () => {
  test('locks every object of a backup once its manifest is written, for its retention from its end', async () => {
    const { plan: planned } = await reachCompletion(world, 'run-1');
    await complete(world, 'run-1');
    const lock = { mode: 'governance', until };
    expect(committedBefore).toBe(true);
    expect([...locks.keys()].sort()).toEqual((await keysOf(world.storage)).sort());
    expect(locks.get(artifactKeys.manifest('orders', planned.backupId))).toEqual(lock);
    expect(new Set([...locks.values()].map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(lock)]));
    expect((await describeBackup(planned.backupId, world.deps)).objectLock).toEqual(lock);
  });

  test('sets the same locks when it runs again, later', async () => {
    await reachCompletion(world, 'run-1');
    await complete(world, 'run-1');
    const first = new Map(locks);
    locks.clear();
    await world.clock.advance(3_600_000);
    await complete(world, 'run-1');
    expect(locks).toEqual(first);
  });

  test('fails loudly where it can’t lock, keeps the backup, and locks it as soon as it can', async () => {
    refuses = true;
    const { plan: planned } = await reachCompletion(world, 'run-1');
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'StorageAccessDenied' });
    await expect(fail(world, 'run-1', 'StorageAccessDenied')).rejects.toMatchObject({ name: 'StorageAccessDenied' });
    expect(await describeBackup(planned.backupId, world.deps)).toMatchObject({ objectLock: { until } });
    expect((await readDocument(world.state, stateKeys.outcome('run-1'), outcomeSchema)).status).toBe('completed');
    expect(await world.state.head(stateKeys.settled('run-1'))).toBeUndefined();
    world.running.delete('run-1');
    expect((await sweepRuns(world.deps)).problems).toHaveLength(1);
    refuses = false;
    expect(await sweepRuns(world.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect([...locks.keys()].sort()).toEqual((await keysOf(world.storage)).sort());
  });

  test('locks nothing of a run that failed', async () => {
    await reachCompletion(world, 'run-1');
    await fail(world, 'run-1');
    expect([locks.size, await keysOf(world.storage)]).toEqual([0, []]);
  });

  test('is refused in the plan when nobody says for how long', async () => {
    world = lockingWorld(undefined);
    await inspect(world, 'run-1');
    await expect(plan(world, 'run-1')).rejects.toMatchObject({
      ...{ name: 'InvalidInput', next: expect.stringContaining('deployments.orders') as string },
    });
  });
});

test('a storage that does not lock leaves no lock in plan and manifest', async () => {
  world = makeWorld();
  const { plan: planned } = await begin(world, 'run-1');
  expect(planned.objectLock).toBeUndefined();
});
