import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument, writeDocument } from '../../../src/application/documents.ts';
import type { UnmarkTarget } from '../../../src/application/restore-target.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { acquireLease } from '../../../src/application/use-cases/acquire-lease.ts';
import { completeRestore } from '../../../src/application/use-cases/complete-restore.ts';
import { recordFailure } from '../../../src/application/use-cases/record-failure.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { RestoreResult } from '../../../src/domain/restore-result.ts';
import { outcomeSchema } from '../../../src/domain/run.ts';
import { type RestorePlan, restorePlanSchema } from '../../../src/domain/run-documents.ts';
import { type BackupWorld, makeWorld, step, worldSettings } from '../../support/backup-world.ts';
import { dyingStore, type Lifetime, ProcessDied } from '../../support/dying-store.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});

const plan = (runId: string): RestorePlan => ({
  ...{ schemaVersion: 1, kind: 'restore', runId, backupId: 'b', deployment: 'orders', storage: 'local' },
  ...{ createdAt: '2026-11-22T10:00:00.000Z', target: 'a'.repeat(64), targetDescription: 'target', requestedBy: 'me' },
  ...{ request: { backup: 'b', to: 'mongodb://t:1/' }, parts: [{ name: 'rs0' }] },
});
const restored: RestoreResult = {
  ...{ schemaVersion: 1, part: 'rs0', target: 'target', restoreTime: { t: 9, i: 1 }, collections: 1, documents: 3 },
  ...{ rawBytes: 30, indexes: 0, oplog: { entries: 1, applied: 1, skipped: 0 }, usersAndRoles: null },
  ...{ uuidsKept: true, keepExpired: false, seconds: {}, warnings: [] },
};

/** A run up to its lease, which marks the target. */
async function begin(world: BackupWorld, runId: string): Promise<number> {
  world.running.add(runId);
  await adoptConfig(world.state, runId, worldSettings);
  await writeDocument(world.state, stateKeys.plan(runId), restorePlanSchema.parse(plan(runId)));
  const { fence } = await acquireLease(step(runId), world.deps);
  world.marked.add(runId);
  return fence;
}

const finishWork = (state: BackupWorld['deps']['state'], runId: string) =>
  writeDocument(state, stateKeys.restoreResult(runId, 'rs0'), restored);
const complete = ({ deps }: BackupWorld, runId: string, fence = 1) =>
  completeRestore({ ...step(runId, 'Complete Restore'), fence }, deps);
const fail = ({ deps }: BackupWorld, runId: string) =>
  recordFailure({ ...step(runId, 'Record Failure'), failure: { Error: 'WorkerLost', Cause: 'x' } }, deps);
const outcomeOf = (runId: string) => readDocument(world.state, stateKeys.outcome(runId), outcomeSchema);
/** The same world, to whoever looks at the target otherwise. */
const seeing = (unmarkTarget: UnmarkTarget): BackupWorld => ({ ...world, deps: { ...world.deps, unmarkTarget } });
const unreachable = () => Promise.reject(new HoldfastError('TargetUnreachable', 'gone'));

describe('Complete Restore', () => {
  test('wins the outcome, then takes the mark off; the same again when it is run again', async () => {
    const fence = await begin(world, 'run-1');
    await finishWork(world.state, 'run-1');
    const looking = seeing(async ({ runId, request, deployment }) => {
      expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
      expect([request.to, deployment]).toEqual(['mongodb://t:1/', 'orders']);
      world.marked.delete(runId);
    });
    const first = await complete(looking, 'run-1', fence);
    expect(first.waitSeconds).toBe(0);
    expect(first.restored).toEqual({
      ...{ status: 'completed', steps: [], volume: null },
      ...{ deployment: 'orders', backupId: 'b', target: 'target', documents: 3, rawBytes: 30, durationSeconds: 0 },
      ...{ restoreTime: { t: 9, i: 1 }, restoreTimeWall: '1970-01-01T00:00:09.000Z', warnings: [] },
      manifest: 'file:///storage/orders/backups/b/manifest.json',
    });
    expect(world.marked).toEqual(new Set());
    expect(await complete(world, 'run-1', fence)).toEqual(first);
  });

  test('leaves the mark when the run was asked to stop, or has lost the target', async () => {
    const fence = await begin(world, 'run-1');
    await finishWork(world.state, 'run-1');
    await expect(complete(world, 'run-1', fence + 1)).rejects.toMatchObject({ name: 'LeaseLost' });
    await world.state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
    await expect(complete(world, 'run-1', fence)).rejects.toMatchObject({ name: 'Cancelled' });
    expect(await fail(world, 'run-1')).toMatchObject({ outcome: 'cancelled' });
    expect(world.marked).toEqual(new Set(['run-1']));
  });

  test('is finished by the sweep when the target could not be reached, or the winner died', async () => {
    const fence = await begin(world, 'run-1');
    await finishWork(world.state, 'run-1');
    const lost = seeing(unreachable);
    await expect(complete(lost, 'run-1', fence)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    await expect(fail(lost, 'run-1')).rejects.toMatchObject({ name: 'TargetUnreachable' });
    expect(await outcomeOf('run-1')).toMatchObject({ status: 'completed' });
    world.running.clear();
    expect(await sweepRuns(lost.deps)).toMatchObject({ settledRuns: [], problems: [expect.stringContaining('gone')] });
    expect(await sweepRuns(world.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(world.marked).toEqual(new Set());
  });

  test('of a target that has been gone for a day is given up; one that refuses is not', async () => {
    const fence = await begin(world, 'run-1');
    await finishWork(world.state, 'run-1');
    const lost = seeing(unreachable);
    await expect(complete(lost, 'run-1', fence)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    world.running.clear();
    await world.clock.advance(25 * 60 * 60 * 1000);
    const refusing = seeing(() => Promise.reject(new HoldfastError('RestoreRejected', 'no')));
    const refused = { settledRuns: [], problems: [expect.stringContaining('no')] };
    expect(await sweepRuns(refusing.deps)).toMatchObject(refused);
    expect(await sweepRuns(lost.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(await sweepRuns(lost.deps)).toMatchObject({ settledRuns: [], problems: [] });
  });
});

/** One process that ends the run, or dies trying. */
const actor = fc.record({
  kind: fc.constantFrom('work', 'complete', 'failure', 'cancel', 'sweep', 'next run'),
  left: fc.oneof(fc.integer({ min: 0, max: 25 }), fc.constant(10_000)),
  pace: fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 6 }),
});

test('however they meet and die, a run loses its mark when it is completed and only then, and never another’s', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(actor, { minLength: 1, maxLength: 6 }), async (worked, actors) => {
      const shared = makeWorld();
      const fence = await begin(shared, 'run-1');
      if (worked) await finishWork(shared.state, 'run-1');
      const marked = new Set<string>();
      const act = async ({ kind, left, pace }: { kind: string } & Lifetime): Promise<void> => {
        const life: Lifetime = { left, pace };
        const state = dyingStore(shared.state, life);
        const unmarkTarget = async ({ runId }: { runId: string }) => {
          await state.head('the target');
          const outcome = await readDocument(shared.state, stateKeys.outcome(runId), outcomeSchema);
          expect(outcome.status).toBe('completed');
          shared.marked.delete(runId);
          // Done at the target, and its answer lost.
          if ((life.left -= 1) < 0) throw new ProcessDied('the process died');
        };
        const deps = { ...shared.deps, state, unmarkTarget };
        const process = { ...shared, deps };
        if (kind === 'work') await finishWork(state, 'run-1');
        if (kind === 'complete') await complete(process, 'run-1', fence);
        if (kind === 'cancel') await state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
        if (kind === 'failure' || kind === 'cancel') await fail(process, 'run-1');
        if (kind === 'sweep')
          await sweepRuns({ ...deps, executions: { isRunning: (id) => Promise.resolve(id !== 'run-1') } });
        if (kind === 'next run') {
          shared.running.delete('run-1');
          await begin(process, 'run-2');
          marked.add('run-2');
        }
      };
      await Promise.allSettled(actors.map(act));
      shared.running.delete('run-1');
      expect((await sweepRuns(shared.deps)).problems).toEqual([]);
      const outcome = await readDocument(shared.state, stateKeys.outcome('run-1'), outcomeSchema);
      expect(shared.marked.has('run-1')).toBe(outcome.status !== 'completed');
      for (const run of marked) expect(shared.marked).toContain(run);
    }),
    { numRuns: 200 },
  );
}, 60_000);
