import { beforeEach, describe, expect, test } from 'vitest';
import { wishBase } from '../../../src/application/archive-progress.ts';
import { findDocument, writeDocument } from '../../../src/application/documents.ts';
import { startNewBase } from '../../../src/application/use-cases/start-new-base.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { type ArchiveProgress, archiveProgressSchema } from '../../../src/domain/oplog-archive.ts';
import type { OpTime } from '../../../src/domain/timestamp.ts';
import { makeArchivedWorld, replicaSetId } from '../../support/archived-world.ts';

const hour = 60 * 60_000;
const key = stateKeys.archiveProgress('orders', `rs0-${replicaSetId}`);
const at = (t: number): OpTime => ({ ts: { t, i: 2 }, t: 1 });
let world: ReturnType<typeof makeArchivedWorld>;
let started: { readonly idempotencyKey?: string | undefined }[];
let failing: boolean;

const progress = () => findDocument(world.state, key, archiveProgressSchema);
async function wish(wantsBase: ArchiveProgress['wantsBase']): Promise<void> {
  await writeDocument(world.state, key, {
    ...{ schemaVersion: 1, last: { key: 'a', size: 1, from: at(150), to: at(160) }, checkedTo: at(160) },
    ...{ checkedAt: '2026-11-22T10:00:00.000Z', member: 'a:1', memberData: 'x/y' },
    ...(wantsBase && { wantsBase }),
  });
}
function ask(newBaseOnGap = true) {
  const { orders } = world.deps.settings.deployments;
  if (!orders?.oplogArchive) throw new TypeError('no archive');
  const oplogArchive = { ...orders.oplogArchive, newBaseOnGap };
  const settings = { ...world.deps.settings, deployments: { orders: { ...orders, oplogArchive } } };
  const startBackup = (request: { readonly idempotencyKey?: string | undefined }) => {
    started.push(request);
    return failing ? Promise.reject(new Error('no answer')) : Promise.resolve({ runId: `run-${started.length}` });
  };
  return startNewBase(
    { deployment: 'orders', replicaSet: 'rs0', replicaSetId },
    { ...world.deps, settings, startBackup },
  );
}

beforeEach(async () => {
  world = makeArchivedWorld();
  [started, failing] = [[], false];
  await wish({ from: at(200), attempts: 0, attemptedAt: null });
});

describe('a base after a gap', () => {
  test('is started once, however many ask at once', async () => {
    const answers = await Promise.all([ask(), ask(), ask()]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['started', 'wait', 'wait']);
    expect(started).toHaveLength(1);
    expect(started).toMatchObject([{ deployment: 'orders', requestedBy: 'oplog archive (gap)' }]);
    expect(await ask()).toEqual({ status: 'wait', runId: null });
  });

  test('is started again while none was taken: after an hour, two, four, up to a day; also by a start that failed', async () => {
    failing = true;
    await expect(ask()).rejects.toThrow('no answer');
    failing = false;
    for (const hours of [1, 2, 4, 8, 16, 24, 24]) {
      await world.clock.advance(hours * hour - 1000);
      expect(await ask()).toEqual({ status: 'wait', runId: null });
      await world.clock.advance(1000);
      expect(await ask()).toMatchObject({ status: 'started' });
    }
    // Each a request of its own: one that failed would else be answered with its run.
    expect(new Set(started.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(8);
    expect((await progress())?.wantsBase).toMatchObject({ from: at(200), attempts: 8 });
  });

  test('is started an hour after the last one where gap follows gap: no sooner, and no later', async () => {
    const place = { state: world.state, key, logger: world.deps.logger };
    for (let n = 0; n < 4; n += 1) {
      expect(await ask()).toMatchObject({ status: 'started' });
      await world.clock.advance(hour / 2);
      await wishBase(place, at(300 + n));
      expect(await ask()).toEqual({ status: 'wait', runId: null });
      await world.clock.advance(hour / 2 - 1000);
      expect(await ask()).toEqual({ status: 'wait', runId: null });
      await world.clock.advance(1000);
    }
    expect(new Set(started.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(4);
  });

  test('is not started while a run holds the deployment, which counts as no attempt', async () => {
    const lease = { schemaVersion: 1, owner: 'ada', run: 'run-9', fence: 1, acquiredAt: '2026-11-22T10:00:00.000Z' };
    await writeDocument(world.state, stateKeys.lease('orders'), lease);
    expect(await ask()).toEqual({ status: 'running', runId: null });
    expect((await progress())?.wantsBase).toMatchObject({ attempts: 0, attemptedAt: null });
    await writeDocument(world.state, stateKeys.lease('orders'), { ...lease, released: true });
    expect(await ask()).toMatchObject({ status: 'started' });
  });

  test('is not started when one was taken since; one from before the gap does not count', async () => {
    await world.addBackup(1, 2, 4, world.near, 199);
    expect(await ask()).toMatchObject({ status: 'started' });
    await world.addBackup(2, 2, 4, world.near, 200);
    expect(await ask()).toEqual({ status: 'taken', runId: null });
    expect((await progress())?.wantsBase).toBeUndefined();
    expect((await progress())?.last.to).toEqual(at(160));
    expect(await ask()).toEqual({ status: 'wait', runId: null });
    expect(started).toHaveLength(1);
  });

  test('of another set that has the same name does not count', async () => {
    await world.addBackup(1, 2, 4, world.near, 300);
    const other = { deployment: 'orders', replicaSet: 'rs0', replicaSetId: 'f'.repeat(24) };
    const otherKey = stateKeys.archiveProgress('orders', `rs0-${'f'.repeat(24)}`);
    await writeDocument(world.state, otherKey, (await progress()) ?? {});
    const startBackup = () => Promise.resolve({ runId: 'run-1' });
    const { settings } = world.deps;
    const { orders } = settings.deployments;
    if (!orders?.oplogArchive) throw new TypeError('no archive');
    const wanting = { ...orders, oplogArchive: { ...orders.oplogArchive, newBaseOnGap: true } };
    const deps = { ...world.deps, settings: { ...settings, deployments: { orders: wanting } }, startBackup };
    expect(await startNewBase(other, deps)).toMatchObject({ status: 'started' });
  });

  test('is not started where nobody wants it, and without a gap', async () => {
    expect(await ask(false)).toEqual({ status: 'wait', runId: null });
    await world.state.delete([key]);
    await wish(undefined);
    expect(await ask()).toEqual({ status: 'wait', runId: null });
    expect(started).toEqual([]);
  });
});
