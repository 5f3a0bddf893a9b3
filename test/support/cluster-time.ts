import { Binary, Long, Timestamp } from 'mongodb';
import type { ReplicaSetServers } from '../../local/servers/replica-set.ts';

/**
 * Takes the set's cluster time so many seconds ahead of the clocks of its machines, as it is after these were put back: it
 * never goes back itself, and until they have caught up every entry has the same second. A server without access control
 * takes it from any client.
 */
export async function takeClusterTimeAhead(set: ReplicaSetServers, seconds: number): Promise<void> {
  const { operationTime } = await set.client().db('admin').command({ ping: 1 });
  const clusterTime = new Timestamp({ t: (operationTime as Timestamp).t + seconds, i: 1 });
  await set.client().withSession(async (session) => {
    session.advanceClusterTime({ clusterTime, signature: { hash: new Binary(Buffer.alloc(20)), keyId: Long.ZERO } });
    await set.client().db('admin').command({ ping: 1 }, { session });
  });
}
