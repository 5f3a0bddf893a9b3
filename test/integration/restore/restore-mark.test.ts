import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { sha256Hex, writeDocument } from '../../../src/application/documents.ts';
import { adoptConfig } from '../../../src/application/run-folder.ts';
import { acquireLease } from '../../../src/application/use-cases/acquire-lease.ts';
import { completeRestore } from '../../../src/application/use-cases/complete-restore.ts';
import { recordFailure } from '../../../src/application/use-cases/record-failure.ts';
import { sweepRuns } from '../../../src/application/use-cases/sweep-runs.ts';
import { makeOpenTarget, makeUnmarkTarget } from '../../../src/composition/open-target.ts';
import { sealManifest, type UnsealedManifest } from '../../../src/domain/manifest-seal.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import type { RestorePlan, WorkerTask } from '../../../src/domain/run-documents.ts';
import { removeMark, writeMark } from '../../../src/engine/restore/restore-mark.ts';
import { runRestoreTask } from '../../../worker/restore-task.ts';
import { type BackupWorld, makeWorld, step, worldSettings } from '../../support/backup-world.ts';
import { ProcessDied } from '../../support/dying-store.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { markOf, restoreBackup } from '../../support/restore-backup.ts';

let target: StandaloneServer;
let world: BackupWorld;
let manifest: Manifest;
beforeAll(async () => {
  target = await startStandalone();
});
afterAll(() => target.stop());
beforeEach(async () => {
  const client = target.client();
  for (const { name } of (await client.db('admin').admin().listDatabases()).databases)
    if (!['admin', 'config', 'local'].includes(name)) await client.db(name).dropDatabase();
  const openTarget = makeOpenTarget();
  const made = makeWorld();
  world = { ...made, deps: { ...made.deps, openTarget, unmarkTarget: makeUnmarkTarget(openTarget) } };
  const collections = [{ ns: 'shop.orders', uuid: 1, documents: [{ _id: 1 }, { _id: 2 }, { _id: 3 }] }];
  const unsealed: Partial<Manifest> = await makeBackup(world.storage, { collections });
  delete (unsealed as { sha256?: string }).sha256;
  manifest = sealManifest({ ...(unsealed as UnsealedManifest), storage: 'local' }, sha256Hex);
  const key = artifactKeys.manifest(manifest.deployment, manifest.backupId);
  await world.storage.put(key, Buffer.from(JSON.stringify(manifest)));
});

const orders = () => target.client().db('shop').collection<{ _id: number }>('orders');
const databases = async () =>
  (await target.client().db('admin').admin().listDatabases()).databases.map(({ name }) => name).sort();

/** A run up to the launch of its worker. */
async function begin(runId: string): Promise<WorkerTask> {
  const { state, deps } = world;
  world.running.add(runId);
  const plan: RestorePlan = {
    ...{ schemaVersion: 1, kind: 'restore', runId, backupId: manifest.backupId, deployment: manifest.deployment },
    ...{ storage: 'local', createdAt: '2026-11-22T10:00:00.000Z', target: 'a'.repeat(64), requestedBy: 'me' },
    ...{
      targetDescription: 'target',
      request: { backup: manifest.backupId, to: target.uri },
      parts: [{ name: 'rs0' }],
    },
  };
  await adoptConfig(state, runId, worldSettings);
  await writeDocument(state, stateKeys.plan(runId), plan);
  const { fence } = await acquireLease(step(runId), deps);
  const startedAt = '2026-11-22T10:00:00.000Z';
  return { schemaVersion: 1, runId, command: 'restore', part: 'rs0', attempt: 1, taskToken: 't', fence, startedAt };
}

function work(task: WorkerTask) {
  const unused = () => Promise.reject(new ProcessDied('not used'));
  const unusable = { scratch: { find: unused, start: unused }, makeTemporaryFolder: unused, snapshotRoot: () => '' };
  const deps = { ...world.deps, openMember: unused, progressInterval: 1000, ...unusable };
  return runRestoreTask(task, deps, new AbortController().signal);
}

/** The process dies before it writes that key; another one lives on. */
async function dyingAt(key: string, act: () => Promise<unknown>): Promise<void> {
  const put = world.state.put.bind(world.state);
  world.state.put = (name, ...rest) => (name === key ? Promise.reject(new ProcessDied(key)) : put(name, ...rest));
  await expect(act()).rejects.toThrow(ProcessDied);
  world.state.put = put;
}

const complete = (task: WorkerTask, deps = world.deps) =>
  completeRestore({ ...step(task.runId), fence: task.fence }, deps);

describe('the mark of a restore', () => {
  it('stays when everything is loaded, until the run is complete', async () => {
    const task = await begin('run-1');
    expect(await work(task)).toEqual({ part: 'rs0', documents: 3 });
    expect(await markOf(target.client(), 'run-1')).toMatchObject({ run: 'run-1', state: 'loaded' });
    await complete(task);
    expect(await databases()).toEqual(['admin', 'config', 'local', 'shop']);
  });

  it('lets a worker that was killed before it could say so only say so', async () => {
    const task = await begin('run-1');
    await dyingAt(stateKeys.restoreResult('run-1', 'rs0'), () => work(task));
    // What is written to it since would be gone if it were loaded again.
    await orders().insertOne({ _id: 4 });
    expect(await work(task)).toEqual({ part: 'rs0', documents: 3 });
    expect(await complete(task)).toMatchObject({ restored: { documents: 3 } });
    expect(await orders().countDocuments()).toBe(4);
    expect(await markOf(target.client(), 'run-1')).toBeNull();
  });

  it('that does not say that everything is loaded lets the same run begin anew', async () => {
    const task = await begin('run-1');
    await orders().insertOne({ _id: 4 });
    await writeMark(target.client(), { run: 'run-1', state: 'finishing', at: new Date(0) });
    expect(await work(task)).toEqual({ part: 'rs0', documents: 3 });
    expect(await orders().countDocuments()).toBe(3);
  });

  it('stays on a target whose run was cancelled at the last moment, and the next restore says so', async () => {
    const task = await begin('run-1');
    await work(task);
    await world.state.put(stateKeys.cancel('run-1'), Buffer.from('{}'));
    await expect(complete(task)).rejects.toMatchObject({ name: 'Cancelled' });
    await recordFailure({ ...step('run-1'), failure: { Error: 'Cancelled' } }, world.deps);
    const refused = { name: 'TargetNotEmpty', message: expect.stringMatching(/run run-1 left.*loaded/) as string };
    await expect(restoreBackup(target.client(), world.storage, manifest, { runId: 'run-2' })).rejects.toMatchObject(
      refused,
    );
    await restoreBackup(target.client(), world.storage, manifest, { runId: 'run-2', overwrite: target.host });
    expect(await databases()).toEqual(['admin', 'config', 'local', 'shop']);
  });

  it('is taken off by the sweep when the process that won the outcome died before', async () => {
    const task = await begin('run-1');
    await work(task);
    const dying = makeUnmarkTarget(() => Promise.reject(new ProcessDied('before the target')));
    await expect(complete(task, { ...world.deps, unmarkTarget: dying })).rejects.toThrow(ProcessDied);
    expect(await markOf(target.client(), 'run-1')).not.toBeNull();
    world.running.clear();
    expect(await sweepRuns(world.deps)).toMatchObject({ settledRuns: ['run-1'], problems: [] });
    expect(await databases()).toEqual(['admin', 'config', 'local', 'shop']);
  });

  it('is the run’s own: nobody who finishes another run takes it off', async () => {
    await writeMark(target.client(), { run: 'run-2', state: 'loading', at: new Date(0) });
    await removeMark(target.client(), 'run-1');
    expect(await markOf(target.client(), 'run-2')).toMatchObject({ state: 'loading' });
    const refused = restoreBackup(target.client(), world.storage, manifest);
    expect(await refused).toMatchObject({ documents: 3 });
    expect(await markOf(target.client(), 'run-2')).toBeNull();
  });
});
