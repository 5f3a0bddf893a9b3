import { beforeEach, describe, expect, test } from 'vitest';
import { findReplicaSets, type FindReplicaSetsDeps } from '../../../src/application/use-cases/find-replica-sets.ts';
import { showRecoveryWindow } from '../../../src/application/use-cases/show-recovery-window.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { makeArchivedWorld, range, replicaSetId } from '../../support/archived-world.ts';
import { at } from '../../support/oplog-entries.ts';

/** Turns of the archive that can't look at the deployment. */

let world: ReturnType<typeof makeArchivedWorld>;
let told: { readonly detailType: string; readonly detail: Readonly<Record<string, unknown>> }[];
beforeEach(() => {
  world = makeArchivedWorld();
  told = [];
});

const refused = new HoldfastError('AuthenticationFailed', 'The user backup of db1:27017 was refused.');
function find(failure = refused, signal?: AbortSignal): Promise<unknown> {
  const deps: FindReplicaSetsDeps = {
    ...world.deps,
    events: {
      publish: (event) => {
        told.push(event);
        return Promise.resolve();
      },
    },
    inspector: { inspect: () => Promise.reject(failure) },
  };
  return findReplicaSets({ deployment: 'orders' }, deps, signal);
}
const minutes = (n: number) => world.clock.advance(n * 60_000);
async function beArchived(): Promise<void> {
  await world.addBackup(1, 2, 4);
  const key = await world.archive(range(3, 7));
  await world.note({ last: { key, from: at(3), to: at(7) }, checkedTo: at(7) });
}
const stalled = async () =>
  (await showRecoveryWindow({ deployment: 'orders' }, world.deps)).replicaSets.map((set) => set.stalled);

describe('turns that can not look at the deployment', () => {
  test('are told after fifteen minutes, and each hour, with what they fail with; the window says so', async () => {
    await beArchived();
    const began = world.clock.now().toISOString();
    for (const wait of [0, 14]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    expect(told).toEqual([]);
    expect(await stalled()).toEqual([undefined]);
    await minutes(1);
    await expect(find()).rejects.toBe(refused);
    const explanation = `AuthenticationFailed: ${refused.message}`;
    const detail = { deployment: 'orders', replicaSet: 'rs0', stalledSeconds: 900, explanation };
    expect(told).toEqual([{ detailType: 'Oplog Archive Stalled', detail }]);
    expect(await stalled()).toEqual([{ since: began, why: explanation }]);
    await minutes(59);
    await expect(find()).rejects.toBe(refused);
    expect(told).toHaveLength(1);
    await minutes(1);
    const gone = new HoldfastError('SourceUnreachable', 'No member answers.');
    await expect(find(gone)).rejects.toBe(gone);
    expect(told).toHaveLength(2);
    expect(await stalled()).toEqual([{ since: began, why: 'SourceUnreachable: No member answers.' }]);
  });

  test('are of the set whose archive went on last', async () => {
    await beArchived();
    const known = `archives/orders/rs0-${replicaSetId}.json`;
    const { body } = await world.state.get(known);
    const earlier = { ...(JSON.parse(body.toString()) as object), checkedAt: '1969-01-01T00:00:00.000Z' };
    const other = `archives/orders/rs0-${'0'.repeat(24)}.json`;
    await world.state.put(other, Buffer.from(JSON.stringify(earlier)));
    await expect(find()).rejects.toBe(refused);
    expect((await world.state.get(other)).body.toString()).toBe(JSON.stringify(earlier));
    expect((await world.state.get(known)).body.toString()).toContain('"stalled"');
  });

  test('are not told when they were ended, nor before anything is archived; their error is never hidden', async () => {
    const ended = AbortSignal.abort(refused);
    for (const wait of [0, 20]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    await beArchived();
    for (const wait of [0, 20]) {
      await minutes(wait);
      await expect(find(refused, ended)).rejects.toBe(refused);
    }
    expect(told).toEqual([]);
    const list = world.deps.state.list.bind(world.deps.state);
    world.deps.state.list = () => {
      throw new HoldfastError('StorageUnavailable', 'The state does not answer.');
    };
    await expect(find()).rejects.toBe(refused);
    world.deps.state.list = list;
  });
});
