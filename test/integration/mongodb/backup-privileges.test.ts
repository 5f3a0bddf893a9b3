import { statfs } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { connectDirect } from '../../../src/adapters/mongodb/connect.ts';
import { MongoDeploymentInspector } from '../../../src/adapters/mongodb/inspect-deployment.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { backupRole, describeResource, type Privilege, requiredPrivileges } from '../../../src/domain/privileges.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { estimateBytes, listNamespaces, readIndexes } from '../../../src/engine/dump/list-namespaces.ts';
import { uuidValue } from '../../../src/engine/dump/uuid-value.ts';
import {
  oldestOpenTransaction,
  readDataIdentity,
  readMemberState,
  type Source,
} from '../../../src/engine/source/member-state.ts';
import { MemberLoadReader } from '../../../src/engine/source/member-load.ts';
import { readOplog } from '../../../src/engine/oplog/oplog-source.ts';
import { readAllRaw } from '../../../src/engine/source/raw-cursor.ts';
import { createUserWithRole, type TestUser } from '../../support/backup-user.ts';
import { noLogger } from '../../support/no-logger.ts';
import { deploymentSettings } from '../../support/deployment-settings.ts';

let set: ReplicaSetServers;
let user: TestUser;

beforeAll(async () => {
  set = await startReplicaSet({ auth: true, members: [{}] });
  const client = set.client();
  const shop = client.db('shop');
  await shop.collection('orders').insertOne({ x: 1 });
  await shop.createCollection('sensors', { timeseries: { timeField: 'at' } });
  await shop.collection('sensors').insertOne({ at: new Date(), value: 1 });
  await shop.createCollection('recent', { viewOn: 'orders', pipeline: [] });
  await shop.collection<{ _id: string }>('system.js').insertOne({ _id: 'f', value: 1 } as { _id: string });
  await client.db('config').collection('settings').insertOne({ x: 1 });
  user = await createUserWithRole(client, 'backup');
});

afterAll(() => set.stop());

const inspectAs = (text: string) =>
  new MongoDeploymentInspector({ environment: { USER: text } }).inspect(
    deploymentSettings({ uri: set.uri, credentials: { env: 'USER' } }),
  );

const connectAs = (text: string) =>
  connectDirect({
    host: set.members[0]?.host ?? '',
    settings: { uri: set.uri },
    credentials: new Secret(text),
    appName: 'holdfast test',
  });

describe('where the data lies', () => {
  const onEbs = { uri: '', credentials: { env: 'USER' }, volumes: { 'db-1:27017': 'vol-1' } };
  const placeFor = async (text: string, settings: Partial<typeof onEbs> = onEbs) => {
    const inspector = new MongoDeploymentInspector({ environment: { USER: text } });
    const { parts } = await inspector.inspect(
      deploymentSettings({ ...settings, uri: set.uri, credentials: { env: 'USER' } }),
    );
    return parts[0]?.members[0]?.dataPlace;
  };

  it('is asked of deployments on EBS, whose role has the privileges for it', async () => {
    const { text } = await createUserWithRole(set.client(), 'ebs', backupRole(deploymentSettings(onEbs)));
    const place = await placeFor(text);
    const dbPath = set.members[0]?.dbPath ?? '';
    // Servers list no private mounts, and in a container there may be no other.
    if (place !== undefined && 'unknown' in place)
      expect(place.unknown).toBe(`its hostInfo lists no mount that leads to ${dbPath}`);
    else expect(place).toMatchObject({ dbPath, below: [], fileSystemBytes: expect.any(Number) as number });
    await using client = await connectAs(text);
    const { blocks, bsize } = await statfs(dbPath);
    expect(await client.db('local').command({ dbStats: 1 })).toMatchObject({ fsTotalSize: blocks * bsize });
    expect(await placeFor(text, {})).toBeUndefined();
  });

  it('stays unknown without them, and keeps nobody from a backup', async () => {
    expect(await placeFor(user.text)).toMatchObject({ unknown: expect.stringMatching(/privileges/) as string });
  });
});

describe('the backup role and nothing else', () => {
  it('reads everything that a dump carries, and the oplog', async () => {
    await using client = await connectAs(user.text);
    const source: Source = { client, member: 'm', signal: new AbortController().signal };
    const entries = await listNamespaces(source);
    expect(entries.map(({ ns }) => ns).sort()).toEqual([
      'admin.system.roles',
      'admin.system.users',
      'admin.system.version',
      'config.settings',
      'shop.orders',
      'shop.recent',
      'shop.sensors',
      'shop.system.buckets.sensors',
      'shop.system.js',
      'shop.system.views',
    ]);
    for (const { db, ns, uuid } of entries) {
      if (uuid === null) continue;
      expect(await readIndexes(source, db, uuid), ns).toBeDefined();
      expect(await estimateBytes(source, ns), ns).toBeGreaterThan(0);
      const documents = await readAllRaw(client, db, { find: uuidValue(uuid) }, { signal: source.signal });
      expect(documents.length, ns).toBeGreaterThan(0);
    }
    expect(await readDataIdentity(source)).not.toBe('');
    expect(await oldestOpenTransaction(source)).toBeUndefined();
    const { majority } = await readMemberState(source, 'rs0');
    for await (const entry of readOplog(source, majority, majority.ts)) expect(entry.opTime).toEqual(majority);
  });

  it('writes nothing', async () => {
    await using client = await connectAs(user.text);
    for (const command of [
      { insert: 'orders', documents: [{}] },
      { delete: 'orders', deletes: [{ q: {}, limit: 0 }] },
      { drop: 'orders' },
      { create: 'other' },
    ]) {
      await expect(client.db('shop').command(command)).rejects.toMatchObject({ code: 13 });
    }
    for (const command of [{ fsync: 1, lock: true }, { appendOplogNote: 1, data: {} }, { shutdown: 1 }]) {
      await expect(client.db('admin').command(command)).rejects.toMatchObject({ code: 13 });
    }
  });
});

describe('a user that lacks one privilege', () => {
  const pairs = requiredPrivileges().flatMap(({ resource, actions }) =>
    actions.map((action) => ({ resource, action })),
  );
  const without = (lacking: (typeof pairs)[number]): Privilege[] =>
    pairs.filter((pair) => pair !== lacking).map(({ resource, action }) => ({ resource, actions: [action] }));

  beforeAll(() => createUserWithRole(set.client(), 'lacking'));

  it.each(pairs.map((pair) => [`${pair.action} on ${describeResource(pair.resource)}`, pair] as const))(
    'is told: %s',
    async (name, pair) => {
      const privileges = without(pair);
      await set.client().db('admin').command({ updateRole: 'lackingRole', privileges });
      const error = await inspectAs(user.text.replace('backup', 'lacking')).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(HoldfastError);
      expect(error).toMatchObject({ name: 'MissingPrivileges', details: { missing: [name] } });
      expect((error as HoldfastError).message).toContain('the user lacking (of admin) lacks a privilege');
    },
  );

  it('of serverStatus is not refused: its member is read, with an eye on the lag alone', async () => {
    const privileges = [...requiredPrivileges()];
    await set.client().db('admin').command({ updateRole: 'lackingRole', privileges });
    const text = user.text.replace('backup', 'lacking');
    expect((await inspectAs(text)).kind).toBe('replicaSet');
    const warnings: string[] = [];
    const logger = { ...noLogger, warn: (message: string) => warnings.push(message) };
    await using client = await connectAs(text);
    const source: Source = { client, member: 'm', signal: new AbortController().signal };
    const reader = new MemberLoadReader(logger);
    for (let look = 0; look < 3; look += 1)
      expect(await reader.read(source)).toEqual({ lagSeconds: 0, dirtyFraction: undefined });
    expect([reader.watchesCache, warnings.length]).toEqual([false, 1]);
    await using full = await connectAs(user.text);
    const load = await new MemberLoadReader(noLogger).read({ ...source, client: full });
    expect(load.dirtyFraction).toBeGreaterThanOrEqual(0);
    expect(load.dirtyFraction).toBeLessThan(1);
  });

  it('and all of them at once when it has none', async () => {
    await set.client().db('admin').command({ createUser: 'nobody', pwd: 'p', roles: [] });
    const error = await inspectAs('nobody:p').catch((reason: unknown) => reason);
    expect((error as HoldfastError).details['missing']).toHaveLength(pairs.length);
  });

  it('unless built-in roles make up for it', async () => {
    const admin = set.client().db('admin');
    await admin.command({ createUser: 'full', pwd: 'p', roles: ['root', '__system'] });
    expect((await inspectAs('full:p')).kind).toBe('replicaSet');
    await admin.command({ createUser: 'builtin', pwd: 'p', roles: ['backup', 'clusterMonitor'] });
    const error = await inspectAs('builtin:p').catch((reason: unknown) => reason);
    expect((error as HoldfastError).details['missing']).toEqual([
      'find on system.views of every database',
      'find on local.system.rollback.id',
    ]);
  });
});
