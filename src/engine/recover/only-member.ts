import { setTimeout as delay } from 'node:timers/promises';
import { type Document, Long, type MongoClient, ObjectId, type Timestamp } from 'mongodb';
import { type ScratchPlace, type ScratchSession, withScratchServer } from './scratch-session.ts';
import { dropUnfinishedIndexes } from './unfinished-indexes.ts';

export const setName = 'holdfast-recovery';

/** What makes a member of a set that set's, in its database `local`. */
const setDocuments = [
  'replset.minvalid',
  'replset.oplogTruncateAfterPoint',
  'replset.election',
  'replset.initialSyncId',
  'system.replset',
] as const;

interface MadeMember {
  /** That the config names. */
  readonly port: number;
  /** Indexes that were being built: it would go on with them. */
  readonly unfinished: readonly string[];
}

async function makeOnlyMember({ server, client }: ScratchSession): Promise<MadeMember> {
  const unfinished = await dropUnfinishedIndexes(client);
  const local = client.db('local');
  for (const name of setDocuments) await local.collection(name).deleteMany({});
  await local.collection<Document & { _id: string }>('system.replset').insertOne({
    _id: setName,
    version: 1,
    term: Long.ONE,
    members: [{ _id: 0, host: server.host }],
    protocolVersion: Long.ONE,
    settings: { replicaSetId: new ObjectId() },
  });
  return { port: server.port, unfinished };
}

interface Hello {
  readonly isWritablePrimary?: boolean;
  readonly lastWrite?: { readonly majorityOpTime?: { readonly ts: Timestamp } };
}

/**
 * Until it takes writes and knows what the majority has: a moment later, when its first write is in the journal. Before
 * that, whoever asks for it is refused.
 */
async function untilPrimary(client: MongoClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    const hello: Hello = await client.db('admin').command({ hello: 1 }, { signal });
    if (hello.isWritablePrimary === true && (hello.lastWrite?.majorityOpTime?.ts.t ?? 0) > 0) return;
    await delay(25, undefined, { signal });
  }
}

/**
 * Runs work against the files as those of the only member of a new set, and its primary: what a standalone can't do, it
 * can. The files keep their oplog, and lose indexes that were being built, which work is told.
 * @throws what {@link withScratchServer} throws
 */
export async function withOnlyMember<T>(
  place: ScratchPlace,
  work: (session: ScratchSession, unfinished: MadeMember['unfinished']) => Promise<T>,
): Promise<T> {
  const { port, unfinished } = await withScratchServer(place, {}, makeOnlyMember);
  return withScratchServer(place, { args: [`--replSet=${setName}`], port }, async (session) => {
    await untilPrimary(session.client, place.signal);
    return work(session, unfinished);
  });
}

/** The same of a standalone's files: what they have of a set is of one that they left, and there is no oplog yet. */
export async function withNewSet<T>(
  place: ScratchPlace,
  work: (session: ScratchSession, unfinished: MadeMember['unfinished']) => Promise<T>,
): Promise<T> {
  await withScratchServer(place, {}, ({ client }) => client.db('local').dropDatabase());
  return withScratchServer(place, { args: [`--replSet=${setName}`] }, async (session) => {
    const { client, server } = session;
    const config = { _id: setName, members: [{ _id: 0, host: server.host }] };
    await client.db('admin').command({ replSetInitiate: config });
    await untilPrimary(client, place.signal);
    return work(session, []);
  });
}
