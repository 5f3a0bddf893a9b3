import { expect, test } from 'vitest';
import { planRestore, type PlanRestoreDeps } from '../../../src/application/use-cases/plan-restore.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { makeArchivedWorld, range } from '../../support/archived-world.ts';
import { FakeRestoreVolumes } from '../../support/fake-restore-volumes.ts';

const unused = () => Promise.reject(new HoldfastError('Internal', 'not in this world'));

test('a volume for a time that a logical base serves is refused with a way to the same target', async () => {
  const world = makeArchivedWorld();
  await world.addBackup(1, 2, 4);
  await world.archive(range(3, 7));
  const volumeTargets = {
    ...{ volumes: new FakeRestoreVolumes(), stage: 'test', subnets: [], mongodbVersions: ['6.0.5'] },
  };
  const deps: PlanRestoreDeps = { ...world.deps, openTarget: unused, volumeTargets };
  const request = { backup: 'orders', at: '100:5', to: 'mongodb://t:1/', volume: { throughput: 500 } };
  const step = { runId: 'run-1', state: 'Plan Restore', retry: 0, startedAt: '2026-11-22T10:00:00.000Z' };
  await expect(planRestore({ ...step, request }, deps)).rejects.toMatchObject({
    name: 'InvalidInput',
    next: expect.stringMatching(
      /^Leave volume out: .* Or name a physical backup, or a kept snapshot, by its id/,
    ) as string,
  });
});
