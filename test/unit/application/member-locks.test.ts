import { expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import { ensureUnlocked } from '../../../src/application/release-locks.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import type { MemberLock } from '../../../src/domain/member-lock.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { begin, fail } from '../../support/backup-steps.ts';
import { keysOf, makeWorld, worldSettings, writePart } from '../../support/backup-world.ts';

const hour = 60 * 60 * 1000;

test('the lock of a member that cannot be reached is looked for, for a day', async () => {
  const { state, deps, clock } = makeWorld();
  const record: MemberLock = {
    ...{ schemaVersion: 1, run: 'run-1', deployment: 'orders', member: 'h:1', process: 'p', seen: null, opid: 7 },
    at: clock.now().toISOString(),
  };
  await adoptConfig(state, 'run-1', worldSettings);
  await writeDocument(state, stateKeys.lock('h:1'), record);
  await writeDocument(state, stateKeys.lock('other:1'), { ...record, run: 'run-2', member: 'other:1' });
  const openMember = () => Promise.reject(new HoldfastError('SourceUnreachable', 'it is gone'));
  await clock.advance(23 * hour);
  await expect(ensureUnlocked('run-1', { ...deps, openMember })).rejects.toMatchObject({ name: 'SourceUnreachable' });
  await clock.advance(2 * hour);
  await ensureUnlocked('run-1', { ...deps, openMember });
  expect(await keysOf(state)).not.toContain('locks/h:1.json');
  expect(await keysOf(state), 'of another run').toContain('locks/other:1.json');
});

test('a lock that cannot be given back keeps nothing else behind, and the run is not settled before it is', async () => {
  const world = makeWorld();
  const { plan } = await begin(world, 'run-1');
  await writePart(plan, world);
  const unlockMembers = () => Promise.reject(new HoldfastError('SourceUnreachable', 'the member is away'));
  await expect(fail({ ...world, deps: { ...world.deps, unlockMembers } }, 'run-1')).rejects.toMatchObject({
    name: 'SourceUnreachable',
  });
  expect(await keysOf(world.storage)).toEqual([]);
  expect(await keysOf(world.state)).not.toContain(stateKeys.settled('run-1'));
  await fail(world, 'run-1');
  expect(await keysOf(world.state)).toContain(stateKeys.settled('run-1'));
});

test('the sweep has locks given back of runs that are over, settled or not, and of no run that goes on', async () => {
  const world = makeWorld();
  const asked: string[] = [];
  const record: MemberLock = {
    ...{ schemaVersion: 1, run: 'run-1', deployment: 'orders', member: 'h:1', process: 'p', seen: null, opid: 7 },
    at: world.clock.now().toISOString(),
  };
  const unlockMembers = (runId: string) => Promise.resolve(void asked.push(runId));
  const sweep = () => sweepRuns({ ...world.deps, unlockMembers });
  await writeDocument(world.state, stateKeys.lock('h:1'), record);
  await writeDocument(world.state, stateKeys.lock('h:2'), { ...record, member: 'h:2', run: 'run-2' });
  world.running.add('run-2');
  expect((await sweep()).problems).toEqual([]);
  expect(asked).toEqual(['run-1']);

  const away = () => Promise.reject(new HoldfastError('SourceUnreachable', 'the member is away'));
  const { problems } = await sweepRuns({ ...world.deps, unlockMembers: away });
  expect(problems).toEqual(['locks of members: the member is away']);
});
