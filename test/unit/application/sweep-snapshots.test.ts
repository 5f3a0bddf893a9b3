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

/** A run that is over and settled. */
async function ended(runId: string, status: 'completed' | 'failed'): Promise<void> {
  const error = status === 'failed' ? lost : null;
  await decideOutcome(
    world.state,
    runId,
    makeOutcome(error === null ? 'complete' : 'failure', status, world.clock.now(), error),
  );
  await markSettled(runId, 0, world.deps);
}

const owned = (runId: string, part: string, kept: boolean, ...ids: string[]): OwnedSnapshots => ({
  ...{ runId, part, kept, ids: ids.length > 0 ? ids : [`snap-${runId}-${part}`] },
});

const sweep = (list: () => Promise<OwnedSnapshots[]>, logger: Logger = noLogger) =>
  sweepRuns({
    ...world.deps,
    logger,
    volumes: {
      list,
      delete: ({ runId, part }) => Promise.resolve(void deleted.push(`${runId} ${part}`)),
      discard: (ids) => Promise.resolve(void deleted.push(...ids)),
    },
  });

describe('the sweep of snapshots', () => {
  test('deletes what runs that are over have left, and nothing that is a backup or may be one', async () => {
    await ended('done', 'completed');
    await ended('broken', 'failed');
    await ended('alive', 'failed');
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
    expect(deleted).toEqual(['done copied', 'broken copied', 'broken backup']);
    expect(deletedSnapshots).toEqual(deleted);
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
    await ended('done', 'completed');
    await sweep(() => Promise.resolve([owned('done', 'rs0', false), owned('done', 'rs1', false)]), logger);
    const [line] = lines.map((one) => JSON.parse(one) as Record<string, unknown>).filter(({ counts }) => counts);
    expect(line?.['message']).toBe(sweptMessage);
    expect(line?.['counts']).toMatchObject({ deletedSnapshots: 2, settledVolumes: 0, problems: 0 });
    expect(Object.keys(line?.['counts'] ?? {}).sort()).toEqual(Object.keys(sweepMetrics).sort());
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
