import { expect, test } from 'vitest';
import { startReplicaSet } from '../../local/servers/replica-set.ts';
import { removeMark, writeMark } from '../../src/engine/restore/restore-mark.ts';
import { markOf } from '../support/restore-backup.ts';

test('a target whose majority stands still is not waited for; one that comes on is', async () => {
  const set = await startReplicaSet({ members: [{ priority: 2 }, {}, { arbiter: true }] });
  try {
    const client = set.client();
    const [, secondary] = set.members;
    const mark = { run: 'restore-1', state: 'loading', at: new Date(0) } as const;
    // With the arbiter's vote there is a primary, and no majority that has the data.
    secondary?.signal('SIGSTOP');
    await expect(writeMark(client, mark, 1000)).rejects.toMatchObject({
      name: 'TargetUnreachable',
      message: expect.stringContaining('For 1 s no further write') as string,
    });
    await expect(removeMark(client, 'restore-1', 1000)).rejects.toMatchObject({ name: 'TargetUnreachable' });
    const writing = writeMark(client, { ...mark, state: 'replaying' }, 60_000);
    secondary?.signal('SIGCONT');
    await writing;
    expect(await markOf(client)).toMatchObject({ state: 'replaying' });
    await removeMark(client, 'restore-1', 60_000);
    expect(await markOf(client)).toBeNull();
  } finally {
    await set.stop();
  }
});
