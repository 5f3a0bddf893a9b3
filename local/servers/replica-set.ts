import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../src/domain/errors.ts';
import { createMongoClient } from '../../src/engine/wire/mongo-client.ts';
import { findMongod } from './find-mongod.ts';
import { type MongodProcess, startMongod } from './mongod-process.ts';
import { until } from './poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from './reaper.ts';
import {
  createRoot,
  type Credentials,
  directClient,
  internalClient,
  makeCredentials,
  writeKeyFile,
} from './root-user.ts';

export interface MemberOptions {
  readonly hidden?: boolean;
  readonly votes?: 0 | 1;
  readonly priority?: number;
  readonly arbiter?: boolean;
  readonly delaySeconds?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export interface ReplicaSetOptions {
  /** Default: three ordinary members and a hidden one without a vote. */
  readonly members?: readonly MemberOptions[];
  /** Key file among the members, a root user for clients. */
  readonly auth?: boolean;
  readonly name?: string;
  /** Of the caller, who removes it; by default one of its own, removed by `stop`. */
  readonly directory?: string;
  /** The address that the set knows a member by, where it is not its own: a proxy before it. */
  readonly advertise?: (member: MongodProcess, index: number) => Promise<string> | string;
  /** Megabytes, default 64. */
  readonly oplogSizeMb?: number;
  /** Default 5000: a busy machine must not depose a healthy primary. */
  readonly electionTimeoutMillis?: number;
  /** For every member. */
  readonly args?: readonly string[];
}

export interface ReplicaSetServers {
  readonly name: string;
  /** Without credentials; names the ordinary members, as an application would. */
  readonly uri: string;
  readonly members: readonly MongodProcess[];
  /** The first hidden member. @throws HoldfastError Internal when there is none. */
  readonly hidden: MongodProcess;
  readonly root?: Credentials;
  readonly keyFile?: string;
  /** As root, to the set; one client, closed by `stop`. */
  client(): MongoClient;
  /** As root, to this member alone; cached too. */
  clientFor(member: MongodProcess): MongoClient;
  /** Who is primary now; waits for an election that is under way. */
  primary(): Promise<MongodProcess>;
  /** Until every running member is PRIMARY, SECONDARY or ARBITER and exactly one is PRIMARY. */
  healthy(): Promise<void>;
  stop(): Promise<void>;
}

const defaultMembers: readonly MemberOptions[] = [{}, {}, {}, { hidden: true, votes: 0 }];
const settled = new Set([1, 2, 7]);

function memberConfig(member: MemberOptions, id: number, host: string) {
  const passive = member.hidden === true || member.votes === 0 || member.delaySeconds !== undefined;
  const priority = member.priority ?? (passive || member.arbiter === true ? 0 : 1);
  return {
    _id: id,
    host,
    priority,
    votes: member.votes ?? 1,
    ...(member.hidden === undefined ? {} : { hidden: member.hidden }),
    ...(member.arbiter === undefined ? {} : { arbiterOnly: member.arbiter }),
    ...(member.delaySeconds === undefined ? {} : { secondaryDelaySecs: member.delaySeconds }),
    ...(member.tags === undefined ? {} : { tags: member.tags }),
  };
}

async function configMembers(
  members: readonly MongodProcess[],
  options: readonly MemberOptions[],
  advertise: ReplicaSetOptions['advertise'] = ({ host }) => host,
): Promise<object[]> {
  const hosts = await Promise.all(members.map(async (member, n) => advertise(member, n)));
  return hosts.map((host, n) => memberConfig(options[n] ?? {}, n, host));
}

/** Initiates and elects the first member at once: without the step-up everyone waits for the election timeout first. */
async function initiate(client: MongoClient, config: object): Promise<void> {
  const admin = client.db('admin');
  await admin.command({ replSetInitiate: config });
  await until('the first member is primary', async () => {
    const { isWritablePrimary } = await admin.command({ hello: 1 });
    if (isWritablePrimary === true) return true;
    await admin.command({ replSetStepUp: 1 });
    return undefined;
  });
}

async function settle(client: MongoClient, running: () => number): Promise<void> {
  await until('every member is settled and one is primary', async () => {
    const status = await client.db('admin').command({ replSetGetStatus: 1 });
    const states = (status['members'] as { state: number }[]).map((member) => member.state);
    const ready = states.filter((state) => settled.has(state)).length >= running();
    return ready && states.filter((state) => state === 1).length === 1 ? true : undefined;
  });
}

async function bootstrap(
  servers: readonly MongodProcess[],
  config: object,
  keyFile?: string,
): Promise<Credentials | undefined> {
  const [first] = servers as [MongodProcess];
  await using client = keyFile === undefined ? directClient(first) : await internalClient(first, keyFile);
  await initiate(client, config);
  const root = keyFile === undefined ? undefined : makeCredentials();
  if (root !== undefined) await createRoot(client, root);
  await settle(client, () => servers.length);
  return root;
}

function handle(
  name: string,
  options: readonly MemberOptions[],
  members: readonly MongodProcess[],
  access: { root?: Credentials; keyFile?: string },
  cleanUp: () => Promise<void>,
): ReplicaSetServers {
  const clients = new Map<string, MongoClient>();
  const isOrdinary = (member: MemberOptions) => member.hidden !== true && member.arbiter !== true;
  const hosts = members.filter((_, n) => isOrdinary(options[n] ?? {})).map((member) => member.host);
  const uri = `mongodb://${hosts.join(',')}/?replicaSet=${name}`;
  const auth = access.root === undefined ? {} : { auth: access.root, authSource: 'admin' };
  const cached = (key: string, make: () => MongoClient) => {
    const client = clients.get(key) ?? make();
    clients.set(key, client);
    return client;
  };
  const client = () => cached('', () => createMongoClient(uri, { serverSelectionTimeoutMS: 30_000, ...auth }));
  return {
    name,
    uri,
    members,
    ...access,
    get hidden() {
      const hidden = members.find((_, n) => options[n]?.hidden === true);
      if (hidden === undefined) throw new HoldfastError('Internal', `${name} has no hidden member`);
      return hidden;
    },
    client,
    clientFor: (member) => cached(member.host, () => directClient(member, access.root)),
    async primary() {
      return until('there is a primary', async () => {
        const { primary } = await client().db('admin').command({ hello: 1 });
        return members.find((member) => member.host === primary);
      });
    },
    healthy: () => settle(client(), () => members.length),
    async stop() {
      await Promise.all([...clients.values()].map((each) => each.close()));
      await Promise.all(members.map((member) => member.stop()));
      await cleanUp();
    },
  };
}

/**
 * Starts a replica set on 127.0.0.1, in which transactions and majority writes work when this returns.
 * @throws HoldfastError MongodUnavailable when it does not come up; nothing is left behind.
 */
export async function startReplicaSet(options: ReplicaSetOptions = {}): Promise<ReplicaSetServers> {
  const { path: mongod } = await findMongod();
  const name = options.name ?? 'rs0';
  const memberOptions = options.members ?? defaultMembers;
  const directory = options.directory ?? (await makeOwnDirectory(name));
  const keyFile = options.auth === true ? join(directory, 'key') : undefined;
  if (keyFile !== undefined) await writeKeyFile(keyFile);
  const shared = [`--replSet=${name}`, `--oplogSize=${options.oplogSizeMb ?? 64}`, ...(options.args ?? [])];
  const attempts = await Promise.allSettled(
    memberOptions.map((member, n) =>
      startMongod({
        mongod,
        dbPath: join(directory, `member-${n}`),
        args: [...shared, ...(member.args ?? [])],
        ...(keyFile === undefined ? {} : { keyFile }),
      }),
    ),
  );
  const members = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
  const cleanUp = async () => {
    if (options.directory === undefined) await removeOwnDirectory(directory);
  };
  try {
    for (const attempt of attempts) if (attempt.status === 'rejected') throw attempt.reason as Error;
    const config = {
      _id: name,
      members: await configMembers(members, memberOptions, options.advertise),
      settings: { heartbeatIntervalMillis: 200, electionTimeoutMillis: options.electionTimeoutMillis ?? 5000 },
    };
    const root = await bootstrap(members, config, keyFile);
    const access = { ...(root === undefined ? {} : { root }), ...(keyFile === undefined ? {} : { keyFile }) };
    return handle(name, memberOptions, members, access, cleanUp);
  } catch (error) {
    await Promise.all(members.map((member) => member.kill()));
    await cleanUp();
    throw error;
  }
}
