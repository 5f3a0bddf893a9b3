import { expect, it } from 'vitest';
import { recoveryWindowSchema } from '../../../src/application/api/schemas.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { archiveProgressSchema } from '../../../src/domain/oplog-archive.ts';
import type { StagedSet } from './staged-set.ts';

/**
 * Turns of an archive that can't look at the set, because it refuses the user.
 * @param archiveOf the name of the archive, `<set>-<id>` @param goOn archives something
 */
export function describeFailedLook(
  worldOf: () => StagedSet,
  archiveOf: () => string,
  goOn: () => Promise<unknown>,
): void {
  const changePassword = (pwd: string) => {
    const admin = worldOf().set.client().db('admin');
    return admin.command({ updateUser: 'backup', pwd, writeConcern: { w: 2 } });
  };
  async function failedTurn(name: string): Promise<void> {
    const { stage } = worldOf();
    const { result } = stage.startExecution('archive-oplog', name, { deployment: 'orders' });
    expect(await result, stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'AuthenticationFailed' });
  }
  const told = () =>
    worldOf().stage.published.flatMap(({ DetailType, Detail }) =>
      DetailType === 'Oplog Archive Stalled' ? [JSON.parse(Detail) as unknown] : [],
    );
  async function shown() {
    const { body } = await worldOf().stage.api.request('GET', '/deployments/orders/recovery-window');
    return recoveryWindowSchema.parse(body).replicaSets.map(({ stalled }) => stalled);
  }
  /** As if it had begun to stand still by so many milliseconds earlier. */
  async function beginEarlier(ms: number): Promise<void> {
    const state = worldOf().stage.bucket('State');
    const key = stateKeys.archiveProgress('orders', archiveOf());
    const progress = archiveProgressSchema.parse(JSON.parse((await state.get(key)).body.toString('utf8')));
    const since = new Date(Date.parse(progress.stalled?.since ?? '') - ms).toISOString();
    await state.put(key, Buffer.from(JSON.stringify({ ...progress, stalled: { ...progress.stalled, since } })));
  }

  it('that can not even look at its set says so, by its event and in its window, until it goes on', async () => {
    const { set, password } = worldOf();
    await changePassword('another');
    try {
      await failedTurn('failed-look-1');
      expect([told(), await shown()]).toEqual([[], [undefined]]);
      await beginEarlier(16 * 60_000);
      await failedTurn('failed-look-2');
    } finally {
      await changePassword(password);
    }
    const explanation = expect.stringContaining('AuthenticationFailed') as string;
    expect(told()).toMatchObject([{ deployment: 'orders', replicaSet: set.name, explanation }]);
    expect(await shown()).toMatchObject([{ why: explanation }]);
    await goOn();
    expect(await shown()).toEqual([undefined]);
  });
}
