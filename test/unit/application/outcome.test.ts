import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument } from '../../../src/application/documents.ts';
import { describeBackup } from '../../../src/application/use-cases/describe-backup.ts';
import { listBackups } from '../../../src/application/use-cases/list-backups.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { type BackupPlan, type Outcome, outcomeSchema } from '../../../src/domain/run.ts';
import { begin, complete, fail, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, keysOf, makeWorld, writePart } from '../../support/backup-world.ts';
import { dyingStore, type Lifetime } from '../../support/dying-store.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});
const outcomeOf = (runId: string) => readDocument(world.state, stateKeys.outcome(runId), outcomeSchema);
const cancel = (runId: string) => world.state.put(stateKeys.cancel(runId), Buffer.from('{}'));
const backupPrefix = (plan: BackupPlan) => artifactKeys.backup(plan.deployment, plan.backupId);

describe('Complete Backup', () => {
  test('writes a manifest that lists and describes the backup', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    expect(await complete(world, 'run-1')).toEqual({
      ...{ deployment: 'orders', backupId: plan.backupId, method: 'logical', member: 'h:1', documents: 5 },
      ...{ restoreTime: { t: 100, i: 1 }, restoreTimeWall: '1970-01-01T00:01:40.000Z', durationSeconds: 0 },
      ...{ rawBytes: expect.any(Number) as number, storedBytes: expect.any(Number) as number, warnings: [] },
      manifest: `file:///storage/orders/backups/${plan.backupId}/manifest.json`,
    });
    const manifest = await describeBackup(plan.backupId, world.deps);
    expect(manifest).toMatchObject({ run: 'run-1', fence: 1, totals: { documents: 5, oplogEntries: 21 } });
    expect(manifest.parts[0]?.oplog).toMatchObject({ from: { ts: { t: 90 } }, to: { ts: { t: 110 } } });
    expect(await listBackups({}, world.deps)).toMatchObject([{ backupId: plan.backupId, storage: 'local' }]);
    expect(await outcomeOf('run-1')).toMatchObject({ status: 'completed', decidedBy: 'complete' });
  });

  test('does not complete what was stopped while it looked at what is stored', async () => {
    await reachCompletion(world, 'run-1');
    const stop = new AbortController();
    const put = world.state.put.bind(world.state);
    world.state.put = (key, ...rest) => {
      // The last look is over.
      if (key === stateKeys.preparedManifest('run-1')) stop.abort(new TypeError('stopped'));
      return put(key, ...rest);
    };
    await expect(complete(world, 'run-1', 1, stop.signal)).rejects.toThrow('stopped');
    expect(await world.state.head(stateKeys.outcome('run-1'))).toBeUndefined();
  });

  test('says the same when it runs again', async () => {
    await reachCompletion(world, 'run-1');
    const first = await complete(world, 'run-1');
    await world.clock.advance(5000);
    expect(await complete(world, 'run-1')).toEqual(first);
  });

  test('keeps only the objects that the manifest names', async () => {
    const { plan } = await begin(world, 'run-1');
    await writePart(plan, world, 1);
    await world.storage.delete([artifactKeys.index(artifactKeys.part('orders', plan.backupId, 'rs0'))]);
    await reachCompletion(world, 'run-1');
    await writePart(plan, world, 2);
    await complete(world, 'run-1');
    const packs = (await keysOf(world.storage)).filter((key) => key.endsWith('.pack'));
    expect(packs.map((key) => key.slice(-15))).toEqual(['0002-00001.pack', '0002-00002.pack']);
  });

  const damages: readonly [string, (prefix: string) => Promise<unknown>, string][] = [
    ['a pack is gone', (prefix) => world.storage.delete([`${prefix}packs/0001-00002.pack`]), 'missing'],
    [
      'a pack is longer',
      (prefix) => world.storage.put(`${prefix}packs/0001-00002.pack`, Buffer.from('longer')),
      '6 bytes',
    ],
    [
      'a pack has one other bit',
      (prefix) => world.storage.put(`${prefix}packs/0001-00001.pack`, Buffer.from('onf')),
      'checksum',
    ],
    [
      'something else lies there',
      (prefix) => world.storage.put(`${prefix}stranger`, Buffer.from('x')),
      'not of this backup',
    ],
  ];
  test.each(damages)('fails when %s, and no backup exists', async (_name, damage, message) => {
    const { plan } = await reachCompletion(world, 'run-1');
    await damage(artifactKeys.part('orders', plan.backupId, 'rs0'));
    await expect(complete(world, 'run-1')).rejects.toMatchObject({
      name: 'VerificationFailed',
      message: expect.stringContaining(message) as string,
    });
    expect(await listBackups({}, world.deps)).toEqual([]);
  });

  test('fails when a slice is damaged or the range does not reach the restore time', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    const key = artifactKeys.slice(artifactKeys.oplog(artifactKeys.part('orders', plan.backupId, 'rs0')), {
      t: 90,
      i: 1,
    });
    const { body } = await world.storage.get(key);
    const damaged = Buffer.from(body);
    damaged.writeUInt8(damaged.readUInt8(damaged.length - 6) ^ 1, damaged.length - 6);
    await world.storage.put(key, damaged);
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'CorruptObject' });
    await world.storage.delete([key]);
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'OplogGap' });
  });

  test('hears of a cancellation while it reads, not after hours', async () => {
    await reachCompletion(world, 'run-1');
    const checksum = world.storage.checksum.bind(world.storage);
    let read = 0;
    world.storage.checksum = async (key) => {
      read += 1;
      await cancel('run-1');
      return checksum(key);
    };
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'Cancelled' });
    // Of the slice one is taken before, when the range is looked at; then four objects are read at once.
    expect(read).toBeLessThanOrEqual(1);
  });

  test('looks at what is stored when no worker can change it any more', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    const key = `${artifactKeys.part('orders', plan.backupId, 'rs0')}packs/0001-00001.pack`;
    world.deps.launcher.stopAll = async () => {
      await world.storage.put(key, Buffer.from('by a late worker'));
    };
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'VerificationFailed' });
    expect(await listBackups({}, world.deps)).toEqual([]);
  });

  test('cannot commit for a run that lost its lease', async () => {
    await reachCompletion(world, 'run-1');
    world.running.delete('run-1');
    await begin(world, 'run-2');
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'LeaseLost' });
    await expect(complete(world, 'run-2', 1)).rejects.toMatchObject({
      name: expect.stringMatching(/LeaseLost|ObjectNotFound/) as string,
    });
    expect(await listBackups({}, world.deps)).toEqual([]);
  });
});

describe('Record Failure', () => {
  test('decides, stops the workers and deletes what the run wrote', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    expect(await fail(world, 'run-1', 'OplogGap')).toMatchObject({ outcome: 'failed', error: 'OplogGap' });
    expect(world.stopped).toEqual(['run-1']);
    expect(await keysOf(world.storage, backupPrefix(plan))).toEqual([]);
    await expect(complete(world, 'run-1')).rejects.toMatchObject({ name: 'Cancelled' });
  });

  test('names what the States Language calls otherwise', async () => {
    await begin(world, 'run-1');
    expect(await fail(world, 'run-1', 'States.HeartbeatTimeout')).toMatchObject({ error: 'WorkerLost' });
    const { error } = await outcomeOf('run-1');
    expect(error).toMatchObject({ code: 'HF-7002', message: 'States.HeartbeatTimeout: because' });
  });

  test('is a cancellation when that was asked for, whatever broke', async () => {
    await begin(world, 'run-1');
    await cancel('run-1');
    expect(await fail(world, 'run-1', 'WorkerLost')).toMatchObject({ outcome: 'cancelled', error: 'Cancelled' });
  });

  test('undoes nothing of a run that is complete, and says so', async () => {
    const { plan } = await reachCompletion(world, 'run-1');
    await complete(world, 'run-1');
    const before = await keysOf(world.storage);
    expect(await fail(world, 'run-1')).toMatchObject({ outcome: 'completed' });
    expect(await keysOf(world.storage)).toEqual(before);
    expect(before).toContain(artifactKeys.manifest('orders', plan.backupId));
  });

  test('never deletes under a manifest of another run', async () => {
    const { plan } = await begin(world, 'run-1');
    const key = artifactKeys.manifest('orders', plan.backupId);
    await world.storage.put(key, Buffer.from('another’s'));
    await fail(world, 'run-1');
    expect(await keysOf(world.storage)).toEqual([key]);
  });
});

/** One process that ends the run, or dies trying. */
const actor = fc.record({
  kind: fc.constantFrom('complete', 'failure', 'cancel', 'sweep'),
  left: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(10_000)),
  pace: fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 6 }),
});

test('however complete, failure, cancel and sweeps meet and die, one outcome stands and its consequences with it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(actor, { minLength: 1, maxLength: 5 }), async (actors) => {
      const shared = makeWorld();
      const { plan, fence } = await reachCompletion(shared, 'run-1');
      const named = (await keysOf(shared.storage)).sort();
      const seen: Outcome[] = [];
      const act = async ({ kind, left, pace }: { kind: string } & Lifetime): Promise<void> => {
        const life: Lifetime = { left, pace };
        const state = dyingStore(shared.state, life);
        const storage = dyingStore(shared.storage, life);
        const isRunning = () => Promise.resolve(kind !== 'sweep');
        const deps = { ...shared.deps, state, openStorage: () => storage, executions: { isRunning } };
        const process = { ...shared, deps };
        if (kind === 'complete') await complete(process, 'run-1', fence);
        if (kind === 'cancel') await state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
        if (kind === 'failure' || kind === 'cancel') await fail(process, 'run-1');
        if (kind === 'sweep') await sweepRuns(deps);
        const outcome = await shared.state.get(stateKeys.outcome('run-1')).catch(() => undefined);
        if (outcome) seen.push(outcomeSchema.parse(JSON.parse(outcome.body.toString())));
      };
      await Promise.allSettled(actors.map(act));
      shared.running.clear();
      await sweepRuns(shared.deps);

      const outcome = await readDocument(shared.state, stateKeys.outcome('run-1'), outcomeSchema);
      for (const earlier of seen) expect(outcome).toEqual(earlier);
      const left = (await keysOf(shared.storage, backupPrefix(plan))).sort();
      if (outcome.status === 'completed') {
        expect(left).toEqual([...named, artifactKeys.manifest('orders', plan.backupId)].sort());
        expect((await describeBackup(plan.backupId, shared.deps)).run).toBe('run-1');
      } else {
        expect(left).toEqual([]);
      }
      expect(await sweepRuns(shared.deps)).toEqual({
        settledRuns: [],
        releasedLeases: [],
        settledVolumes: [],
        deletedSnapshots: [],
        problems: [],
      });
    }),
    { numRuns: 150 },
  );
}, 60_000);
