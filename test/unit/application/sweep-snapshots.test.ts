import { beforeEach, describe, expect, test } from 'vitest';
import type { OwnedSnapshots } from '../../../src/application/ports/volume-snapshots.ts';
import { decideOutcome } from '../../../src/application/run-folder.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { makeOutcome } from '../../../src/domain/outcome.ts';
import { failureRecord } from '../../../src/domain/failure.ts';
import { markSettled } from '../../../src/application/settle-run.ts';
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

const sweep = (list: () => Promise<OwnedSnapshots[]>) =>
  sweepRuns({
    ...world.deps,
    volumes: { list, delete: ({ runId, part }) => Promise.resolve(void deleted.push(`${runId} ${part}`)) },
  });

describe('the sweep of snapshots', () => {
  test('deletes what runs that are over have left, and nothing that is a backup or may be one', async () => {
    await ended('done', 'completed');
    await ended('broken', 'failed');
    await ended('alive', 'failed');
    world.running.add('alive');
    const owned = (runId: string, part: string, kept: boolean) => ({ runId, part, kept });
    const { deletedSnapshots, problems } = await sweep(() =>
      Promise.resolve([
        owned('done', 'copied', false),
        owned('done', 'backup', true),
        owned('broken', 'copied', false),
        owned('broken', 'backup', true),
        owned('alive', 'copied', false),
        owned('unknown', 'backup', true),
        owned('unknown', 'copied', false),
      ]),
    );
    expect(deleted).toEqual(['done copied', 'broken copied', 'broken backup']);
    expect({ deletedSnapshots, problems }).toEqual({ deletedSnapshots: deleted, problems: [] });
  });

  test('says what it cannot see, and sweeps the rest', async () => {
    const { problems, settledRuns } = await sweep(() => Promise.reject(new HoldfastError('PermissionDenied', 'no')));
    expect(problems).toEqual([expect.stringMatching(/^snapshots: .*no/)]);
    expect(settledRuns).toEqual([]);
  });
});
