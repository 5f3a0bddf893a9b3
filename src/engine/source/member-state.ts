import { type Document, type MongoClient, ObjectId, Timestamp as BsonTimestamp } from 'mongodb';
import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { compareTimestamps, type OpTime, type Timestamp } from '../../domain/timestamp.ts';
import { findElement } from '../bson/raw-document.ts';
import { readOpTime } from '../bson/raw-values.ts';
import { readAllRaw } from './raw-cursor.ts';
import { sourceError } from './source-errors.ts';

/** The member that is read, and how to give up. */
export interface Source {
  /** A direct connection to the member. */
  readonly client: MongoClient;
  /** `host:port`, for messages. */
  readonly member: string;
  readonly signal: AbortSignal;
  /** Bounds how fast collections are read; without: as fast as they come. The oplog is never held back. */
  readonly brake?: { take(bytes: number, signal: AbortSignal): Promise<void> } | undefined;
}

export interface MemberState {
  /** The member's last applied optime: a read that starts now sees everything up to it. */
  readonly lastApplied: OpTime;
  /** Nothing up to it can be rolled back, and this member has it. */
  readonly majority: OpTime;
  /** Which start of the server this is: another text after every restart. */
  readonly process: string;
}

function opTimeOf(value: unknown): OpTime | undefined {
  const { ts, t } = (value ?? {}) as { ts?: unknown; t?: unknown };
  return ts instanceof BsonTimestamp && (ts.t !== 0 || ts.i !== 0)
    ? { ts: { t: ts.t, i: ts.i }, t: Number(t) }
    : undefined;
}

function processOf(hello: Document): string {
  const { processId } = (hello['topologyVersion'] ?? {}) as { processId?: unknown };
  return processId instanceof ObjectId ? processId.toHexString() : '';
}

/** Runs a command on the member. @throws the product's errors */
export async function memberCommand(source: Source, db: string, document: Document): Promise<Document> {
  try {
    return await source.client.db(db).command(document, { signal: source.signal });
  } catch (error) {
    throw sourceError(error, source.member, `asked for ${Object.keys(document)[0] ?? ''}`);
  }
}

/** Documents of a small collection, raw. @throws the product's errors */
export async function readSmallCollection(source: Source, db: string, find: Document): Promise<Buffer[]> {
  try {
    return await readAllRaw(source.client, db, find, { signal: source.signal });
  } catch (error) {
    throw sourceError(error, source.member, `reading ${db}.${String(find['find'])}`);
  }
}

/** `RECOVERING`, `STARTUP2`, `ROLLBACK`, …: `hello` does not tell them apart. */
async function stateName(source: Source): Promise<string> {
  const status = await memberCommand(source, 'admin', { replSetGetStatus: 1, initialSync: 0 }).catch(() => undefined);
  const members = (status?.['members'] ?? []) as { self?: boolean; stateStr?: string }[];
  return members.find(({ self }) => self === true)?.stateStr ?? 'in an unknown state';
}

/**
 * Where the member stands (`hello`).
 * @throws MemberStateChanged when it is no readable member of the set (any more), SourceUnreachable
 */
export async function readMemberState(source: Source, replicaSet: string): Promise<MemberState> {
  const hello = await memberCommand(source, 'admin', { hello: 1 });
  const changed = (what: string) => new HoldfastError('MemberStateChanged', `${source.member} ${what}.`);
  if (hello['setName'] !== replicaSet) throw changed(`is not a member of ${replicaSet} now`);
  if (hello['secondary'] !== true && hello['isWritablePrimary'] !== true)
    throw changed(`is ${await stateName(source)} now, neither primary nor secondary`);
  const { opTime, majorityOpTime } = (hello['lastWrite'] ?? {}) as Document;
  const lastApplied = opTimeOf(opTime);
  const majority = opTimeOf(majorityOpTime);
  // Right after a restart a member knows no majority point until the next heartbeat.
  if (!lastApplied || !majority) throw changed('does not know the majority commit point now');
  return { lastApplied, majority, process: processOf(hello) };
}

/**
 * Which start of the server this is, and what it has applied (`hello`); of any server, also a standalone.
 * @throws SourceUnreachable
 */
export async function readServerState(
  source: Source,
): Promise<Pick<MemberState, 'process'> & { lastApplied: OpTime | null }> {
  const hello = await memberCommand(source, 'admin', { hello: 1 });
  const { opTime } = (hello['lastWrite'] ?? {}) as Document;
  return { process: processOf(hello), lastApplied: opTimeOf(opTime) ?? null };
}

/**
 * The server's process id on its machine.
 * @returns undefined when the user may not ask (`serverStatus`)
 */
export async function readServerPid(source: Source): Promise<number | undefined> {
  const status = await memberCommand(source, 'admin', { serverStatus: 1 }).catch((error: unknown) => {
    if (isHoldfastError(error, 'MissingPrivileges')) return undefined;
    throw error;
  });
  return status === undefined ? undefined : Number(status['pid']);
}

const storageSchema = z.object({ wiredTiger: z.object({ uri: z.string() }) });

/**
 * The file of the oplog below the data directory, such as `collection-14--2745819402.wt` (with `--directoryperdb` below
 * `local/`): its number was drawn when the data directory was made.
 * @throws MissingPrivileges, SourceUnreachable
 */
export async function readOplogFile(source: Source): Promise<string> {
  const { wiredTiger } = storageSchema.parse(await memberCommand(source, 'local', { collStats: 'oplog.rs' }));
  return `${wiredTiger.uri.replace(/^statistics:table:/, '')}.wt`;
}

/**
 * What changes when the member's data is replaced or taken back: rollback id and initial sync id (consistency rule 5).
 * @returns text to compare, nothing else
 * @throws MissingPrivileges, SourceUnreachable
 */
export async function readDataIdentity(source: Source): Promise<string> {
  const ids = [
    ...(await readSmallCollection(source, 'local', { find: 'system.rollback.id' })),
    ...(await readSmallCollection(source, 'local', { find: 'replset.initialSyncId' })),
  ];
  return ids.map((document) => document.toString('hex')).join('/');
}

/**
 * The time of the checkpoint that the server would recover from after a crash; it applies its oplog from there on again,
 * and gives the documents inserted since then RecordIds anew.
 * @returns undefined when the server does not say
 */
export async function readStableCheckpoint(source: Source): Promise<Timestamp | undefined> {
  const { lastStableRecoveryTimestamp: ts } = await memberCommand(source, 'admin', { replSetGetStatus: 1 });
  return ts instanceof BsonTimestamp ? { t: ts.t, i: ts.i } : undefined;
}

/** The start of the oldest transaction that has entries in the oplog and is not decided; undefined for none. */
export async function oldestOpenTransaction(source: Source): Promise<OpTime | undefined> {
  const open = await readSmallCollection(source, 'config', {
    find: 'transactions',
    filter: { state: { $in: ['prepared', 'inProgress'] } },
    projection: { startOpTime: 1 },
  });
  let oldest: OpTime | undefined;
  for (const document of open) {
    const element = findElement(document, 'startOpTime');
    const start = element && readOpTime(document, element);
    if (start && (!oldest || compareTimestamps(start.ts, oldest.ts) < 0)) oldest = start;
  }
  return oldest;
}

/** The server's version, `6.0.5`. */
export async function readServerVersion(source: Source): Promise<string> {
  return String((await memberCommand(source, 'admin', { buildInfo: 1 }))['version']);
}
