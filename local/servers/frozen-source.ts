import { constants } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename } from 'node:path';
import { type MongoClient, Timestamp as BsonTimestamp } from 'mongodb';
import { HoldfastError } from '../../src/domain/errors.ts';
import { compareTimestamps, formatTimestamp, type Timestamp } from '../../src/domain/timestamp.ts';
import { type MongodProcess, startMongod } from './mongod-process.ts';
import { type Appended, appendOplog, readTop } from './oplog-append.ts';
import { until } from './poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from './reaper.ts';
import { checkRecovery } from './recovery-log.ts';
import type { ReplicaSetServers } from './replica-set.ts';
import { directClient } from './root-user.ts';
import { asStandalone, type StandaloneServer } from './standalone.ts';

/**
 * The source exactly as it was at a timestamp, made by MongoDB's own recovery and none of our engine: a member's files
 * from before that time, the set's oplog entries since, and a mongod that replays them. What a restore is compared with.
 * Recovery accepts three mistakes without a word (a hole in the entries, a copy later than the time, a second recovery of
 * the same files): entries are counted, the log is read, and every time gets a fresh copy of the files.
 */

/** Copied files of a member; any number of timestamps can be frozen from it. */
export interface Witness {
  readonly set: ReplicaSetServers;
  readonly member: MongodProcess;
  readonly directory: string;
  discard(): Promise<void>;
}

// No session refresh and no TTL deletion: nothing but the replay may write.
const quiet = ['disableLogicalSessionCacheRefresh=true', 'ttlMonitorEnabled=false'];
// Read-only by this parameter: what is frozen stays as it is.
const recovery = ['recoverFromOplogAsStandalone=true'];
const parameters = (names: readonly string[]) => names.map((name) => `--setParameter=${name}`);

// The least that replSetResizeOplog takes is 990 MB; it is a limit, not an allocation.
const oplogMegabytes = 4000;

/** All but the member's log, whose words would be taken for the copy's, and journal files that wait empty for their use. */
async function copyFiles(from: string, to: string): Promise<void> {
  const filter = (file: string) => !/^(mongod\.log|WiredTigerPreplog\.\d+)$/.test(basename(file));
  await cp(from, to, { recursive: true, filter, mode: constants.COPYFILE_FICLONE });
}

/** Until the member has a checkpoint that recovery can start from; one that has just synced has none for a minute. */
async function untilStableCheckpoint(client: MongoClient): Promise<void> {
  const admin = client.db('admin');
  await until('the member has a stable checkpoint', async () => {
    await admin.command({ fsync: 1 });
    const { lastStableRecoveryTimestamp } = await admin.command({ replSetGetStatus: 1 });
    return lastStableRecoveryTimestamp instanceof BsonTimestamp && lastStableRecoveryTimestamp.t > 0 ? true : undefined;
  });
}

/**
 * Copies the files of a member while it stands still (SIGSTOP, well under a second). Take one that has no part in the
 * backup, before the backup ends: what is frozen can't be earlier than the copy's checkpoint.
 */
export async function copyWitness(set: ReplicaSetServers, member: MongodProcess): Promise<Witness> {
  await untilStableCheckpoint(set.clientFor(member));
  const directory = await makeOwnDirectory('witness');
  member.signal('SIGSTOP');
  try {
    await copyFiles(member.dbPath, directory);
  } finally {
    member.signal('SIGCONT');
  }
  return { set, member, directory, discard: () => removeOwnDirectory(directory) };
}

async function limitOplog(client: MongoClient, time: Timestamp): Promise<void> {
  await client
    .db('local')
    .collection<{ _id: string }>('replset.oplogTruncateAfterPoint')
    .updateOne(
      { _id: 'oplogTruncateAfterPoint' },
      { $set: { oplogTruncateAfterPoint: new BsonTimestamp(time) } },
      { upsert: true },
    );
}

/** a plain standalone on the copy gets the entries after its own, up to and including `time`. */
async function loadOplog(server: MongodProcess, source: MongoClient, time: Timestamp): Promise<Appended> {
  await using client = directClient(server);
  await client.db('admin').command({ replSetResizeOplog: 1, size: oplogMegabytes });
  const appended = await appendOplog({ source, target: client, port: server.port, until: time });
  await limitOplog(client, time);
  return appended;
}

/** Recovery accepts an oplog with a hole: the end and the number of entries are counted again afterwards. */
async function checkOplog(client: MongoClient, time: Timestamp, { after, count }: Appended): Promise<void> {
  const top = (await readTop(client)).ts;
  const range = { $gt: new BsonTimestamp(after), $lte: new BsonTimestamp(time) };
  const found = await client.db('local').collection('oplog.rs').countDocuments({ ts: range });
  if (compareTimestamps(top, time) === 0 && found === count) return;
  const got = `${found} entries up to ${formatTimestamp(top)}`;
  throw new HoldfastError(
    'Internal',
    `The recovered oplog has ${got} instead of ${count} up to ${formatTimestamp(time)}.`,
  );
}

/**
 * A standalone, to be read only, that holds the source as of `time`, the timestamp of an entry of its oplog.
 * @throws HoldfastError Internal when the copy is later than `time`, entries are missing, or recovery ended elsewhere.
 */
export async function freezeAt(witness: Witness, time: Timestamp): Promise<StandaloneServer> {
  const directory = await makeOwnDirectory('frozen');
  const { mongod } = witness.member;
  await copyFiles(witness.directory, directory);
  const server = await startMongod({ mongod, dbPath: directory, args: parameters(quiet) });
  try {
    const source = witness.set.clientFor(await witness.set.primary());
    const appended = await loadOplog(server, source, time);
    await server.restart({ args: parameters([...quiet, ...recovery]) });
    await checkRecovery(server, time);
    const frozen = asStandalone(server, directory);
    await checkOplog(frozen.client(), time, appended);
    return frozen;
  } catch (error) {
    await server.kill();
    await removeOwnDirectory(directory);
    throw error;
  }
}
