import type { Document, MongoClient } from 'mongodb';
import { type DataPlace, readDataPlace } from '../../domain/data-place.ts';
import { hasEbsVolumes } from '../../domain/ebs-settings.ts';
import { type HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import type { AuthInfo } from '../../domain/privileges.ts';
import type { Secret } from '../../domain/secret.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { connectDirect } from './connect.ts';
import { isAuthenticationFailure, mapDriverError } from './driver-errors.ts';

/** What one server says of itself; each answer null when this server does not give it. */
export interface MemberProbe {
  /** host:port that was connected to. */
  readonly host: string;
  readonly hello: Document | null;
  readonly version: string | null;
  /** Why this machine could not connect, or could not log in. */
  readonly unreachable: HoldfastError | null;
  readonly authInfo: AuthInfo | null;
  readonly featureCompatibilityVersion: string | null;
  readonly replSetConfig: Document | null;
  readonly replSetStatus: Document | null;
  readonly oplog: OplogExtent | null;
  /** Whether it belongs to a shard of a cluster; its `hello` looks like that of any replica set. */
  readonly isShard: boolean;
  /** Where its data lies; null where that is of no use. */
  readonly dataPlace: DataPlace | null;
}

export interface OplogExtent {
  /** Seconds between first and last entry. */
  readonly windowSeconds: number;
  /** Bytes used of the bytes allowed, 0 to 1. */
  readonly usedFraction: number;
}

export interface ProbeContext {
  readonly settings: Pick<DeploymentSettings, 'uri' | 'tls' | 'ebs' | 'volumes'>;
  readonly credentials: Secret | undefined;
  readonly signal: AbortSignal | undefined;
}

const appName = 'holdfast inspect';

/** Answers of one server take milliseconds; a server that hangs must not hang the inspection. */
const commandLimit = { timeoutMS: 10_000 } as const;

async function readOplogExtent(client: MongoClient): Promise<OplogExtent | null> {
  const oplog = client.db('local').collection('oplog.rs');
  const end = async (direction: 1 | -1) =>
    oplog.findOne({}, { sort: { $natural: direction }, projection: { ts: 1 }, ...commandLimit });
  const [first, last] = await Promise.all([end(1), end(-1)]);
  if (first === null || last === null) return null;
  const [stats] = await oplog.aggregate([{ $collStats: { storageStats: {} } }], commandLimit).toArray();
  const { size, maxSize } = (stats?.['storageStats'] ?? {}) as { size?: number; maxSize?: number };
  const seconds = (entry: Document) => (entry['ts'] as { t: number }).t;
  return {
    windowSeconds: seconds(last) - seconds(first),
    usedFraction: size === undefined || maxSize === undefined ? 1 : Math.min(1, size / maxSize),
  };
}

/** What addShard writes on a replica set (MongoDB: sharding initialisation). */
async function hasShardIdentity(client: MongoClient): Promise<boolean> {
  const versions = client.db('admin').collection<{ _id: string }>('system.version');
  return (await versions.findOne({ _id: 'shardIdentity' }, commandLimit)) !== null;
}

/** Whether the server asks for a login at all: a command that needs a privilege, tried without one. */
async function enforcesAuthorization(anonymous: MongoClient): Promise<boolean> {
  return anonymous
    .db('admin')
    .command({ getParameter: 1, featureCompatibilityVersion: 1 }, commandLimit)
    .then(
      () => false,
      () => true,
    );
}

async function readAuthInfo(client: MongoClient, anonymous: MongoClient): Promise<AuthInfo | null> {
  if (!(await enforcesAuthorization(anonymous))) return null;
  const reply = await client.db('admin').command({ connectionStatus: 1, showPrivileges: true }, commandLimit);
  return reply['authInfo'] as AuthInfo;
}

/** A command that a server may refuse because of its state or of a missing privilege: then its answer is null. */
async function ask(client: MongoClient, command: Document, db = 'admin'): Promise<Document | null> {
  return client
    .db(db)
    .command(command, commandLimit)
    .catch(() => null);
}

type Answers = Pick<
  MemberProbe,
  'authInfo' | 'featureCompatibilityVersion' | 'replSetConfig' | 'replSetStatus' | 'oplog' | 'isShard' | 'dataPlace'
>;
const noAnswers: Answers = {
  authInfo: null,
  featureCompatibilityVersion: null,
  replSetConfig: null,
  replSetStatus: null,
  oplog: null,
  isShard: false,
  dataPlace: null,
};

async function askDataPlace(client: MongoClient): Promise<DataPlace> {
  return readDataPlace(
    await ask(client, { hostInfo: 1 }),
    await ask(client, { getCmdLineOpts: 1 }),
    await ask(client, { dbStats: 1 }, 'local'),
  );
}

async function askMember(
  client: MongoClient,
  anonymous: MongoClient,
  hello: Document,
  settings: ProbeContext['settings'],
): Promise<Answers> {
  const replicated = hello['setName'] !== undefined;
  const [authInfo, fcv, config, status, oplog, isShard, dataPlace] = await Promise.all([
    readAuthInfo(client, anonymous),
    ask(client, { getParameter: 1, featureCompatibilityVersion: 1 }),
    replicated ? ask(client, { replSetGetConfig: 1 }) : null,
    replicated ? ask(client, { replSetGetStatus: 1 }) : null,
    // Refused while the member is not readable (RECOVERING), or without the privilege: then the window is unknown.
    replicated ? readOplogExtent(client).catch(() => null) : null,
    replicated ? hasShardIdentity(client).catch(() => false) : false,
    hasEbsVolumes(settings) ? askDataPlace(client) : null,
  ]);
  const version = fcv?.['featureCompatibilityVersion'] as { version?: string } | undefined;
  return {
    authInfo,
    featureCompatibilityVersion: version?.version ?? null,
    replSetConfig: (config?.['config'] ?? null) as Document | null,
    replSetStatus: status,
    oplog,
    isShard,
    dataPlace,
  };
}

async function askLoggedIn(host: string, anonymous: MongoClient, hello: Document, context: ProbeContext) {
  // An arbiter holds no users: it takes no login, and has nothing to tell.
  if (hello['arbiterOnly'] === true || hello['msg'] === 'isdbgrid') return noAnswers;
  if (context.credentials === undefined) return askMember(anonymous, anonymous, hello, context.settings);
  await using client = await connectDirect({ host, appName, ...context });
  return await askMember(client, anonymous, hello, context.settings);
}

/**
 * Asks one server what it is, first without a login (hello needs none, and an arbiter takes none), then with it.
 * Never throws for what one server does: why it could not be asked is part of the answer.
 * @throws CredentialsUnavailable, InvalidInput, and the signal's reason.
 */
export async function probeMember(host: string, context: ProbeContext): Promise<MemberProbe> {
  let hello: Document | null = null;
  let version: string | null = null;
  try {
    await using anonymous = await connectDirect({ host, appName, ...context, credentials: undefined });
    const admin = anonymous.db('admin');
    hello = await admin.command({ hello: 1 }, commandLimit);
    version = String((await admin.command({ buildInfo: 1 }, commandLimit))['version']);
    const answers = await askLoggedIn(host, anonymous, hello, context);
    return { host, hello, version, unreachable: null, ...answers };
  } catch (error) {
    context.signal?.throwIfAborted();
    const mapped = isAuthenticationFailure(error) ? error : mapDriverError(error, { host, role: 'source' });
    if (!isHoldfastError(mapped, 'SourceUnreachable', 'AuthenticationFailed')) throw mapped;
    return { host, hello, version, unreachable: mapped, ...noAnswers };
  }
}
