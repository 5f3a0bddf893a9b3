import type { ObjectId } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { startStandalone } from '../../../local/servers/standalone.ts';
import { type PlannedSet, requireMember } from '../../../src/engine/source/require-member.ts';

/** Addresses outlive servers, and names outlive sets: what answers may not be what the backup was planned for. */
describe('rule 8, a set that was built anew with the same name', () => {
  const sets: ReplicaSetServers[] = [];
  const signal = new AbortController().signal;
  beforeAll(async () => {
    sets.push(...(await Promise.all([0, 1].map(() => startReplicaSet({ members: [{}] })))));
  });
  afterAll(() => Promise.all(sets.map((set) => set.stop())));

  async function plannedFor(set: ReplicaSetServers): Promise<PlannedSet> {
    const { config } = await set.client().db('admin').command({ replSetGetConfig: 1 });
    const { settings } = config as { settings: { replicaSetId: ObjectId } };
    return { replicaSet: set.name, replicaSetId: settings.replicaSetId.toHexString() };
  }
  const sourceOf = (set: ReplicaSetServers) => ({ client: set.client(), member: 'db-3:27017', signal });

  test('is no member of the planned one: both ids are named, and nothing is read', async () => {
    const [planned, rebuilt] = sets as [ReplicaSetServers, ReplicaSetServers];
    const wanted = await plannedFor(planned);
    await expect(requireMember(sourceOf(planned), wanted)).resolves.toBeUndefined();
    const found = await plannedFor(rebuilt);
    await expect(requireMember(sourceOf(rebuilt), wanted)).rejects.toMatchObject({
      name: 'MemberStateChanged',
      message: expect.stringMatching(
        new RegExp(`db-3:27017 .* ${found.replicaSetId}, wanted ${wanted.replicaSetId}`),
      ) as string,
    });
  });

  test('nor is a set of another name, or a server that is in none', async () => {
    const [planned] = sets as [ReplicaSetServers];
    const wanted = await plannedFor(planned);
    await expect(requireMember(sourceOf(planned), { ...wanted, replicaSet: 'rs1' })).rejects.toMatchObject({
      name: 'MemberStateChanged',
      message: expect.stringContaining('is not a member of rs1 now') as string,
    });
    const alone = await startStandalone();
    const source = { client: alone.client(), member: alone.host, signal };
    await expect(requireMember(source, wanted)).rejects.toMatchObject({ name: 'MemberStateChanged' });
    await alone.stop();
  });
});
