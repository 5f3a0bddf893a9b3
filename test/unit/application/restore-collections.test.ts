import { beforeEach, describe, expect, test } from 'vitest';
import { writeDocument } from '../../../src/application/documents.ts';
import { collectionsStorage } from '../../../src/application/restore-collections.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { settleRun } from '../../../src/application/settle-run.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { failureRecord } from '../../../src/domain/failure.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import { makeOutcome } from '../../../src/domain/outcome.ts';
import type { Outcome } from '../../../src/domain/run.ts';
import { restorePlanSchema } from '../../../src/domain/run-documents.ts';
import { storageSettingsSchema } from '../../../src/domain/settings.ts';
import { type BackupWorld, makeWorld, worldSettings } from '../../support/backup-world.ts';

let world: BackupWorld;
const outcomes = {
  completed: makeOutcome('complete', 'completed', new Date()),
  failed: makeOutcome('failure', 'failed', new Date(), failureRecord(new HoldfastError('WorkerLost', 'gone'))),
} as const;
const keyOf = (runId: string, attempt: number) =>
  `${artifactKeys.collections(runId)}${attempt}/orders/backups/b/rs0/packs/0001-00001.pack`;
const theirs = [keyOf('run-10', 1), 'orders/backups/b/manifest.json'];

/** A restore whose two workers have stored collections, beside what is not its own. */
async function begin(snapshot: string | null): Promise<void> {
  const scratch = {
    ...{ type: 'gp3', sizeGiB: 500, iops: 3_000, throughput: 125, filesystem: 'xfs', kmsKey: null, snapshot },
    ...{ initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.16' },
  };
  const plan = restorePlanSchema.parse({
    ...{ schemaVersion: 1, kind: 'restore', runId: 'run-1', backupId: 'b', deployment: 'orders', storage: 'local' },
    ...{ createdAt: '2026-11-22T10:00:00.000Z', target: 'a'.repeat(64), targetDescription: 'target', scratch },
    ...{ requestedBy: 'me', request: { backup: 'b', to: 'mongodb://t:1/' }, parts: [{ name: 'rs0' }] },
  });
  await adoptConfig(world.state, 'run-1', worldSettings);
  await writeDocument(world.state, stateKeys.plan('run-1'), plan);
  world.marked.add('run-1');
  for (const key of [keyOf('run-1', 1), keyOf('run-1', 2), ...theirs]) await world.storage.put(key, Buffer.from('x'));
}

async function stored(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of world.storage.list('')) keys.push(key);
  return keys.sort();
}
const settle = (outcome: Outcome) => settleRun('run-1', outcome, world.deps);

beforeEach(() => {
  world = makeWorld();
});

describe('collections of a kept snapshot on their way to a server', () => {
  test.each([['completed'], ['failed']] as const)('are deleted with the outcome: %s', async (status) => {
    await begin('snap-1');
    await settle(outcomes[status]);
    expect(await stored()).toEqual([...theirs].sort());
    expect(world.marked.has('run-1')).toBe(status === 'failed');
    await settle(outcomes[status]);
  });

  test('that can’t be deleted now keep no mark on a target that is whole, and the run is not settled', async () => {
    await begin('snap-1');
    const gone = new HoldfastError('StorageUnavailable', 'gone');
    world.storage.delete = () => Promise.reject(gone);
    await expect(settle(outcomes.completed)).rejects.toBe(gone);
    expect(world.marked).toEqual(new Set());
    expect(await world.state.head(stateKeys.settled('run-1'))).toBeUndefined();
  });

  test('of a physical base lie on its volume: nothing is looked for in the storage', async () => {
    await begin(null);
    await settle(outcomes.completed);
    expect(await stored()).toHaveLength(4);
  });

  test('have a folder for each worker, which looks like a backup’s to the roles that write it', () => {
    const storage = storageSettingsSchema.parse({ name: 'p', type: 's3', prefix: 'holdfast/', forcePathStyle: false });
    expect(collectionsStorage(storage, 'run-1', 2)).toEqual({ ...storage, prefix: 'holdfast/_restores/run-1/2/' });
  });
});
