import { expect, test } from 'vitest';
import { startReplicaSet } from '../../local/servers/replica-set.ts';
import { MongoDeploymentInspector } from '../../src/adapters/mongodb/inspect-deployment.ts';
import { findReplicaSets } from '../../src/application/use-cases/find-replica-sets.ts';
import { ArchiveWorld, untilCaughtUp, write } from '../support/archive-world.ts';

test('a set that is stopped while it is archived is told, with what looking at it fails with', async () => {
  const set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] });
  try {
    const world = new ArchiveWorld(set);
    await write(set, 1);
    await untilCaughtUp(set, set.hidden);
    await world.turn();
    const look = (minutes: number) => {
      const now = () => new Date(Date.now() + minutes * 60_000);
      return findReplicaSets(
        { deployment: 'orders' },
        { ...world.deps({ now }), inspector: new MongoDeploymentInspector() },
      );
    };
    expect((await look(0)).sets).toMatchObject([{ replicaSet: 'rs0' }]);
    await Promise.all(set.members.map((member) => member.stop()));
    for (const minutes of [0, 14, 16, 75])
      await expect(look(minutes)).rejects.toMatchObject({ name: 'SourceUnreachable' });
    const explanation = expect.stringMatching('^SourceUnreachable: ') as string;
    expect(world.events).toMatchObject([
      { detailType: 'Oplog Archive Stalled', detail: { replicaSet: 'rs0', explanation } },
    ]);
  } finally {
    await set.stop();
  }
});
