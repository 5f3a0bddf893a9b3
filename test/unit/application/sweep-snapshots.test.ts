import { beforeEach, describe, expect, test } from 'vitest';
import type { Logger } from '../../../src/application/ports/logger.ts';
import type { OwnedSnapshots } from '../../../src/application/ports/volume-snapshots.ts';
import { decideOutcome } from '../../../src/application/run-folder.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { makeOutcome } from '../../../src/domain/outcome.ts';
import { failureRecord } from '../../../src/domain/failure.ts';
import { markSettled } from '../../../src/application/settle-run.ts';
import { JsonLogger } from '../../../src/adapters/process/json-logger.ts';
import { readDocument, writeDocument } from '../../../src/application/documents.ts';
import type { SnapshotBase } from '../../../src/domain/base.ts';
import { type Manifest, manifestSchema } from '../../../src/domain/manifest.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { type BackupPlan, backupPlanSchema } from '../../../src/domain/run.ts';
import type { RestorePlan } from '../../../src/domain/run-documents.ts';
import { sweepMetrics, sweptMessage } from '../../../src/domain/sweep-metrics.ts';
import { noLogger } from '../../support/no-logger.ts';
import { complete, reachCompletion } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld } from '../../support/backup-world.ts';

let world: BackupWorld;
let deleted: string[];
beforeEach(() => {
  world = makeWorld();
  deleted = [];
});

const lost = failureRecord(new HoldfastError('WorkerLost', 'gone'));

const planned: NonNullable<BackupPlan['parts'][number]['volume']> = {
  ...{ type: 'ebs', volumes: ['vol-1', 'vol-2'], instance: 'i-1', filesystem: 'xfs', dataPath: '', atOnce: true },
  reason: 'named',
};

/** A backup of these parts that is over and settled. */
async function ended(runId: string, status: 'completed' | 'failed', ...parts: string[]): Promise<void> {
  const plan: BackupPlan = {
    ...{ schemaVersion: 1, kind: 'backup', runId, backupId: runId, deployment: 'orders', method: 'snapshot' },
    ...{ methodReason: 'asked for', storage: 'local', createdAt: world.clock.now().toISOString(), codec: 'zstd' },
    ...{ level: 3, parallel: 1, requestedBy: 'me', labels: {}, captureWait: { first: 1, least: 1, most: 1 } },
    parts: parts.map((name) => ({
      ...{ name, method: 'snapshot', member: 'h:1', memberReason: 'it is', memberVerdicts: [], warnings: [] },
      ...{ volume: planned, lock: false },
    })),
  };
  await writeDocument(world.state, stateKeys.plan(runId), plan);
  const error = status === 'failed' ? lost : null;
  await decideOutcome(
    world.state,
    runId,
    makeOutcome(error === null ? 'complete' : 'failure', status, world.clock.now(), error),
  );
  await markSettled(runId, 0, world.deps);
}

const startedAt = new Date('2026-11-22T10:00:00Z');
const owned = (runId: string, part: string, kept: boolean, ...ids: string[]): OwnedSnapshots => ({
  ...{ runId, part, kept },
  snapshots: (ids.length > 0 ? ids : [`snap-${runId}-${part}`]).map((id) => ({ id, volume: 'vol-1', startedAt })),
});

const sweep = (list: () => Promise<OwnedSnapshots[]>, logger: Logger = noLogger) =>
  sweepRuns({
    ...world.deps,
    logger,
    volumes: {
      ...world.deps.volumes,
      list,
      discard: (ids) => Promise.resolve(void deleted.push(...ids)),
    },
  });

describe('the sweep of snapshots', () => {
  test('deletes what runs that are over have left, and nothing that is a backup or may be one', async () => {
    await ended('done', 'completed', 'copied', 'backup');
    await ended('broken', 'failed', 'copied', 'backup');
    await ended('alive', 'failed', 'copied');
    world.running.add('alive');
    const { deletedSnapshots, problems } = await sweep(() =>
      Promise.resolve([
        owned('done', 'copied', false),
        owned('done', 'backup', true),
        owned('broken', 'copied', false),
        owned('broken', 'backup', true),
        owned('alive', 'copied', false),
        owned('unknown', 'backup', true),
        owned('unknown', 'copied', false),
        owned('../done', 'copied', false),
      ]),
    );
    expect(deletedSnapshots).toEqual(['done copied', 'broken copied', 'broken backup']);
    expect(deleted).toEqual(deletedSnapshots.map((one) => `snap-${one.replace(' ', '-')}`));
    // Whose they are only people can tell. What may be the backup of an earlier stage is nobody's problem.
    expect(problems).toEqual([
      'snapshots snap-unknown-copied of unknown: the state has no run "unknown": it stays.',
      'snapshots snap-../done-copied of ../done: the state has no run "../done": it stays.',
    ]);
  });

  test('says what it cannot see, and sweeps the rest', async () => {
    const { problems, settledRuns } = await sweep(() => Promise.reject(new HoldfastError('PermissionDenied', 'no')));
    expect(problems).toEqual([expect.stringMatching(/^snapshots: .*no/)]);
    expect(settledRuns).toEqual([]);
  });

  test('tells what it did in numbers, which metrics are made of', async () => {
    const lines: string[] = [];
    const logger = new JsonLogger({ clock: world.clock, write: (line) => lines.push(line) });
    await ended('done', 'completed', 'rs0', 'rs1');
    await sweep(() => Promise.resolve([owned('done', 'rs0', false), owned('done', 'rs1', false)]), logger);
    const [line] = lines.map((one) => JSON.parse(one) as Record<string, unknown>).filter(({ counts }) => counts);
    expect(line?.['message']).toBe(sweptMessage);
    expect(line?.['counts']).toMatchObject({ deletedSnapshots: 2, settledVolumes: 0, problems: 0 });
    expect(Object.keys(line?.['counts'] ?? {}).sort()).toEqual(Object.keys(sweepMetrics).sort());
  });
});

describe('what carries the tags of a run that did not make it', () => {
  const foreign = (more: Partial<OwnedSnapshots['snapshots'][number]>) => ({
    ...{ id: 'snap-9', volume: 'vol-1', startedAt, ...more },
  });
  const hours = (count: number) => new Date(startedAt.getTime() + count * 60 * 60_000);

  test.each([
    ['is a copy: EC2 names no volume that there is', { volume: 'vol-ffffffff' }],
    ['is of a volume that the run did not plan to snapshot', { volume: 'vol-8' }],
    ['was begun long before', { startedAt: hours(-1.1) }],
    ['was begun long after', { startedAt: hours(1.1) }],
    ['was begun nobody knows when', { startedAt: undefined }],
  ])('stays when it %s, and is no problem', async (_, more) => {
    await ended('broken', 'failed', 'rs0');
    const lines: unknown[] = [];
    const logger = { ...noLogger, info: (_message: string, details: unknown) => void lines.push(details) };
    const all = { ...owned('broken', 'rs0', true, 'snap-1') };
    const list = () => Promise.resolve([{ ...all, snapshots: [...all.snapshots, foreign(more)] }]);
    expect(await sweep(list, logger)).toMatchObject({ deletedSnapshots: ['broken rs0'], problems: [] });
    expect(deleted).toEqual(['snap-1']);
    expect(lines).toContainEqual({ foreign: ['snap-9'] });
  });

  test.each(['completed', 'failed'] as const)('stays when that run was a restore, and %s', async (status) => {
    await ended('restored', status, 'rs0');
    const plan: RestorePlan = {
      ...{ schemaVersion: 1, kind: 'restore', runId: 'restored', backupId: 'b', deployment: 'orders' },
      ...{
        storage: 'local',
        createdAt: startedAt.toISOString(),
        target: 'a'.repeat(64),
        targetDescription: 'a new volume',
      },
      ...{ requestedBy: 'me', request: { backup: 'b', to: 'volume' }, parts: [{ name: 'rs0' }] },
    };
    await writeDocument(world.state, stateKeys.plan('restored'), plan);
    await world.clock.advance(2 * 60 * 60_000);
    for (const kept of [true, false]) {
      const list = () => Promise.resolve([owned('restored', 'rs0', kept)]);
      expect(await sweep(list)).toMatchObject({ deletedSnapshots: [], problems: [] });
    }
    expect(deleted).toEqual([]);
  });

  test('does not keep one of the run that it began when it was over: a function outlives its run', async () => {
    await ended('broken', 'failed', 'rs0');
    const late = { ...owned('broken', 'rs0', true), snapshots: [foreign({ startedAt: hours(0.5) })] };
    expect((await sweep(() => Promise.resolve([late]))).deletedSnapshots).toEqual(['broken rs0']);
    expect(deleted).toEqual(['snap-9']);
  });
});

describe('a completed run with more kept snapshots than its backup has', () => {
  const at = '2026-11-22T10:00:00.000Z';
  let manifest: Manifest;
  const naming = (...ids: string[]): Manifest => {
    const snapshots = ids.map((id) => ({ id, volume: `vol-${id}`, bytes: 1 }));
    const base: SnapshotBase = {
      ...{ schemaVersion: 1, method: 'snapshot', member: 'db-1:27017', layout: null, rawBytes: 1 },
      snapshot: {
        ...{ type: 'ebs', filesystem: null, dataPath: '', consistency: 'crash', takenAt: at, completedAt: at },
        ...{ lockSeconds: null, snapshots },
      },
      ...{ captureFrom: null, applyFrom: null, startedAt: at, finishedAt: at },
    };
    return { ...manifest, parts: manifest.parts.map((part) => ({ ...part, base })) };
  };
  const key = stateKeys.preparedManifest('run-1');
  const prepare = (document: unknown) => writeDocument(world.state, key, document);
  const sweepOf = (...ids: string[]) => sweep(() => Promise.resolve([owned('run-1', 'rs0', true, ...ids)]));

  beforeEach(async () => {
    await reachCompletion(world, 'run-1');
    await complete(world, 'run-1');
    world.running.clear();
    const plan = await readDocument(world.state, stateKeys.plan('run-1'), backupPlanSchema);
    const parts = plan.parts.map((part) => ({ ...part, volume: planned }));
    await writeDocument(world.state, stateKeys.plan('run-1'), { ...plan, parts });
    manifest = await readDocument(world.state, key, manifestSchema);
  });

  test('keeps those that its manifest names, and an hour after its end no other', async () => {
    await prepare(naming('snap-1', 'snap-2'));
    await world.clock.advance(59 * 60_000);
    expect(await sweepOf('snap-1', 'snap-9', 'snap-2')).toMatchObject({ deletedSnapshots: [], problems: [] });
    expect(deleted).toEqual([]);
    await world.clock.advance(60_000);
    expect(await sweepOf('snap-1', 'snap-9', 'snap-2')).toMatchObject({
      ...{ deletedSnapshots: ['run-1 rs0'], problems: [] },
    });
    expect(deleted).toEqual(['snap-9']);
    expect(await sweepOf('snap-1', 'snap-2')).toMatchObject({ deletedSnapshots: [], problems: [] });
  });

  test.each([
    ['no manifest is there', () => world.state.delete([key]), /no manifest says which/],
    ['the manifest cannot be read', () => prepare({ schemaVersion: 1 }), /snap-1, snap-9 of run-1: /],
    ['the part is no snapshot', () => prepare(manifest), /no manifest says which/],
    ['one that it names is gone', () => prepare(naming('snap-1', 'snap-2')), /snap-2, which is the backup/],
  ])('keeps all of them where %s, and says so', async (_, arrange, problem) => {
    await arrange();
    await world.clock.advance(2 * 60 * 60_000);
    const { deletedSnapshots, problems } = await sweepOf('snap-1', 'snap-9');
    expect({ deletedSnapshots, deleted }).toEqual({ deletedSnapshots: [], deleted: [] });
    expect(problems).toEqual([expect.stringMatching(problem)]);
  });
});
