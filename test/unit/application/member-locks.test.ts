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
const lockOf = (run: string) => ({
  ...({ schemaVersion: 1, run, deployment: 'orders', member: 'h:1', process: 'p', seen: null, opid: 7 } as const),
});

test('the lock of a member that cannot be reached is looked for, for a day', async () => {
  const { state, deps, clock } = makeWorld();
  const record: MemberLock = { ...lockOf('run-1'), at: clock.now().toISOString() };
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

test('a lock that cannot be given back keeps nothing else behind, nor how the run ended, and is the sweep’s then', async () => {
  const world = makeWorld();
  const { plan } = await begin(world, 'run-1');
  await writePart(plan, world);
  const unlockMembers = () => Promise.reject(new HoldfastError('SourceUnreachable', 'the member is away'));
  const errors: string[] = [];
  const logger = { ...world.deps.logger, error: (message: string) => void errors.push(message) };
  await writeDocument(world.state, stateKeys.lock('h:1'), { ...lockOf('run-1'), at: world.clock.now().toISOString() });
  const deps = { ...world.deps, unlockMembers, logger };
  expect(await fail({ ...world, deps }, 'run-1')).toMatchObject({ outcome: 'failed' });
  expect(errors).toEqual(['locks of the run could not be given back now']);
  expect(await keysOf(world.storage)).toEqual([]);
  expect(await keysOf(world.state)).toContain(stateKeys.settled('run-1'));
  world.running.clear();
  expect((await sweepRuns(deps)).problems).toEqual(['locks of run run-1: the member is away']);
});

test('the sweep tells how a run ended whose process died, also when it cannot give its lock back', async () => {
  const world = makeWorld();
  await begin(world, 'run-1');
  world.running.clear();
  const unlockMembers = () => Promise.reject(new HoldfastError('AuthenticationFailed', 'no'));
  expect(await sweepRuns({ ...world.deps, unlockMembers })).toMatchObject({ settledRuns: ['run-1'], problems: [] });
  expect(world.published).toEqual(['Backup failed']);
});

test('the sweep has locks given back of runs that are over, settled or not, and of no run that goes on', async () => {
  const world = makeWorld();
  const asked: string[] = [];
  const record: MemberLock = { ...lockOf('run-1'), at: world.clock.now().toISOString() };
  const unlockMembers = (runId: string) => Promise.resolve(void asked.push(runId));
  const sweep = () => sweepRuns({ ...world.deps, unlockMembers });
  await writeDocument(world.state, stateKeys.lock('h:1'), record);
  await writeDocument(world.state, stateKeys.lock('h:2'), { ...record, member: 'h:2', run: 'run-2' });
  world.running.add('run-2');
  expect((await sweep()).problems).toEqual([]);
  expect(asked).toEqual(['run-1']);

  world.running.clear();
  const away = async (runId: string) => {
    await unlockMembers(runId);
    if (runId === 'run-1') throw new HoldfastError('AuthenticationFailed', 'no');
  };
  const { problems } = await sweepRuns({ ...world.deps, unlockMembers: away });
  expect(problems, 'one that cannot be given back keeps no other').toEqual(['locks of run run-1: no']);
  expect(asked).toEqual(['run-1', 'run-1', 'run-2']);
});
