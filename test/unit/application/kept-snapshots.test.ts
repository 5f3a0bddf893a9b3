import { beforeEach, describe, expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import type { SnapshotProgress } from '../../../src/application/ports/volume-snapshots.ts';
import { listBackups } from '../../../src/application/use-cases/list-backups.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import type { SnapshotBase } from '../../../src/domain/base.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { complete, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, keysOf, makeWorld, opTime } from '../../support/backup-world.ts';
import { ProcessDied } from '../../support/dying-store.ts';

const at = '2026-11-22T10:00:00.000Z';
const snapshots = [{ id: 'snap-1', volume: 'vol-1', bytes: 1 }];
const base: SnapshotBase = {
  ...{ schemaVersion: 1, method: 'snapshot', member: 'h:1', layout: null, rawBytes: 1 },
  snapshot: {
    ...{ type: 'ebs', filesystem: null, dataPath: '', consistency: 'crash', takenAt: at, completedAt: at },
    ...{ lockSeconds: null, snapshots },
  },
  ...{ captureFrom: opTime(90), applyFrom: opTime(95), startedAt: at, finishedAt: at },
};

let world: BackupWorld;
let state: SnapshotProgress['state'] | 'gone';
let looked: string[];

/** A run whose base is a snapshot that is kept, up to its last state. */
beforeEach(async () => {
  world = makeWorld();
  [state, looked] = ['completed', []];
  world.deps.volumes.look = ({ runId, part }, taken) => {
    looked.push(`${runId} ${part} ${taken.snapshots.map(({ id }) => id).join()}`);
    if (state === 'gone') return Promise.reject(new HoldfastError('SnapshotFailed', 'snap-1 is gone'));
    return Promise.resolve({ state, percent: 99, layout: null, snapshots });
  };
  const { plan } = await reachCompletion(world, 'run-1');
  await writeDocument(world.state, stateKeys.base('run-1', 'rs0'), base);
  await world.storage.delete([artifactKeys.index(artifactKeys.part('orders', plan.backupId, 'rs0'))]);
});

describe('a backup that is a snapshot', () => {
  test('is complete when that is still there', async () => {
    await complete(world, 'run-1');
    expect(looked).toEqual(['run-1 rs0 snap-1']);
    expect(await listBackups({}, world.deps)).toHaveLength(1);
  });

  test.each([
    ['gone', /snap-1 is gone/],
    ['pending', /\(snap-1\) was complete, and is at 99 %/],
  ] as const)('is none when that is %s, and the run decides nothing', async (now, message) => {
    state = now;
    await expect(complete(world, 'run-1')).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(message) as string,
    });
    expect(await keysOf(world.state)).not.toContain(stateKeys.outcome('run-1'));
    expect(await listBackups({}, world.deps)).toEqual([]);
  });

  test('is not looked at before what is stored was read: that takes hours', async () => {
    const checksum = world.storage.checksum.bind(world.storage);
    world.storage.checksum = (key) => {
      expect(looked).toEqual([]);
      return checksum(key);
    };
    await complete(world, 'run-1');
    expect(looked).toHaveLength(1);
  });

  test('gets no manifest from the sweep when it went after its run was complete and died', async () => {
    const put = world.storage.put.bind(world.storage);
    world.storage.put = () => Promise.reject(new ProcessDied('before the manifest'));
    await expect(complete(world, 'run-1')).rejects.toThrow(ProcessDied);
    world.storage.put = put;
    world.running.clear();
    state = 'gone';
    expect(await sweepRuns(world.deps)).toMatchObject({
      ...{ settledRuns: [], problems: [expect.stringMatching(/^run run-1: .*snap-1 is gone/)] },
    });
    expect(await listBackups({}, world.deps)).toEqual([]);
    state = 'completed';
    expect(await sweepRuns(world.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(await listBackups({}, world.deps)).toHaveLength(1);
  });
});
