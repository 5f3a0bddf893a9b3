import { beforeEach, describe, expect, test } from 'vitest';
import { archiveOplog } from '../../../src/application/use-cases/archive-oplog.ts';
import { findReplicaSets, type FindReplicaSetsDeps } from '../../../src/application/use-cases/find-replica-sets.ts';
import { showRecoveryWindow } from '../../../src/application/use-cases/show-recovery-window.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { artifactKeys } from '../../../src/domain/names.ts';
import { makeArchivedWorld, range, replicaSetId } from '../../support/archived-world.ts';
import { at } from '../../support/oplog-entries.ts';

/** Turns of the archive that can't look at the deployment. */

let world: ReturnType<typeof makeArchivedWorld>;
let told: { readonly detailType: string; readonly detail: Readonly<Record<string, unknown>> }[];
beforeEach(() => {
  world = makeArchivedWorld();
  told = [];
});

/** Looks at the deployment without a failure. */
const findNone = () => {
  const inspect = () => Promise.resolve({ kind: 'replicaSet', parts: [] } as never);
  const events = { publish: () => Promise.resolve() };
  return findReplicaSets({ deployment: 'orders' }, { ...world.deps, events, inspector: { inspect } });
};
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

  test('are not told when they were ended; their error is never hidden', async () => {
    const ended = AbortSignal.abort(refused);
    await beArchived();
    for (const wait of [0, 20]) {
      await minutes(wait);
      await expect(find(refused, ended)).rejects.toBe(refused);
    }
    expect(told).toEqual([]);
  });

  test('are told where the state storage, too, fails: by who goes on trying, after fifteen minutes', async () => {
    await beArchived();
    const list = world.state.list.bind(world.state);
    const fail = () => {
      throw new HoldfastError('StorageUnavailable', 'The state does not answer.');
    };
    world.state.list = fail;
    for (const wait of [0, 14, 1, 59]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    expect(told.map(({ detail }) => detail)).toEqual([
      {
        ...{ deployment: 'orders', replicaSet: null, stalledSeconds: 900 },
        explanation: `AuthenticationFailed: ${refused.message} It can't be noted in the state storage, and the window does not know it.`,
      },
    ]);
    // Noted at last, or not failed: what was remembered is over.
    for (const ends of [() => expect(find()).rejects.toBe(refused), () => findNone()]) {
      world.state.list = list;
      await ends();
      world.state.list = fail;
      await minutes(14);
      await expect(find()).rejects.toBe(refused);
    }
    expect(told).toHaveLength(1);
  });
});

describe('an archive that has not begun', () => {
  const archive = (oplogArchive: { readonly enabled: boolean } = { enabled: true }) => {
    const { orders } = world.deps.settings.deployments;
    if (!orders?.oplogArchive) throw new TypeError('no archive');
    const settings = {
      ...world.deps.settings,
      deployments: { orders: { ...orders, oplogArchive: { ...orders.oplogArchive, ...oplogArchive } } },
    };
    return { ...world.deps, settings };
  };
  const unreachable = new HoldfastError('SourceUnreachable', 'a:1 does not answer.');
  const take = () =>
    archiveOplog(
      { runId: 'turn', deployment: 'orders', replicaSet: 'rs0', replicaSetId, members: ['a:1'], seconds: 1 },
      {
        ...world.deps,
        events: {
          publish: (event) => {
            told.push(event);
            return Promise.resolve();
          },
        },
        withMember: () => Promise.reject(unreachable),
      },
    );
  const window = (deps = world.deps) => showRecoveryWindow({ deployment: 'orders' }, deps);

  test('is told when its set can not be looked at, and the window says so', async () => {
    const since = world.clock.now().toISOString();
    for (const wait of [0, 14]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    expect(told).toEqual([]);
    expect(await window()).not.toHaveProperty('stalled');
    await minutes(1);
    await expect(find()).rejects.toBe(refused);
    const explanation = `AuthenticationFailed: ${refused.message}`;
    const detail = { deployment: 'orders', replicaSet: null, stalledSeconds: 900, explanation };
    expect(told).toEqual([{ detailType: 'Oplog Archive Stalled', detail }]);
    expect(await window()).toMatchObject({ stalled: { since, why: explanation }, replicaSets: [] });
    expect(await window(archive({ enabled: false }))).not.toHaveProperty('stalled');
  });

  test('is told when its turns fail, by the name of its set', async () => {
    for (const wait of [0, 15]) {
      await minutes(wait);
      await expect(take()).rejects.toBe(unreachable);
    }
    expect(told).toMatchObject([
      { detailType: 'Oplog Archive Stalled', detail: { replicaSet: 'rs0', stalledSeconds: 900 } },
    ]);
    expect(await window()).toMatchObject({ stalled: { why: expect.stringContaining('a:1') as string } });
  });

  test('is told when its turns fail because the state storage does, by who goes on trying', async () => {
    world.state.get = () => Promise.reject(new HoldfastError('StorageUnavailable', 'The state does not answer.'));
    for (const wait of [0, 15]) {
      await minutes(wait);
      // Turns that can look at the set do not take that back.
      await findNone();
      await expect(take()).rejects.toMatchObject({ name: 'StorageUnavailable' });
    }
    expect(told).toMatchObject([{ detail: { replicaSet: 'rs0', stalledSeconds: 900 } }]);
  });

  test('leaves to another set, which it was before, what that has archived: an archive that has ended does not stand still', async () => {
    await beArchived();
    for (const wait of [0, 15]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    expect(await stalled()).toEqual([{ since: expect.any(String) as string, why: expect.any(String) as string }]);
    const known = JSON.parse(
      (await world.state.get(`archives/orders/rs0-${replicaSetId}.json`)).body.toString(),
    ) as object;
    const going = { ...known, checkedAt: '2026-11-22T10:00:01Z', stalled: undefined };
    const anew = '0'.repeat(24);
    await world.state.put(`archives/orders/rs0-${anew}.json`, Buffer.from(JSON.stringify(going)));
    await world.archive(range(3, 7), world.far, artifactKeys.archive('orders', 'rs0', anew));
    expect(await stalled()).toEqual([undefined, undefined]);
  });

  test('that is off stands still because somebody wants it so', async () => {
    await beArchived();
    for (const wait of [0, 15]) {
      await minutes(wait);
      await expect(find()).rejects.toBe(refused);
    }
    const { replicaSets } = await window(archive({ enabled: false }));
    expect(replicaSets.map((set) => set.stalled)).toEqual([undefined]);
  });
});
