import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findMongod } from '../../../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../../../local/servers/mongod-process.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { connectTo } from '../../../src/adapters/mongodb/connect.ts';
import { MongoDeploymentInspector } from '../../../src/adapters/mongodb/inspect-deployment.ts';
import { resolveCredentials } from '../../../src/adapters/mongodb/resolve-credentials.ts';
import { chooseMethod } from '../../../src/domain/method-choice.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { deploymentSettings } from '../../support/deployment-settings.ts';

const inspect = (uri: string, ca?: string) =>
  new MongoDeploymentInspector().inspect(deploymentSettings({ uri, ...(ca !== undefined && { tls: { ca } }) }));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-connect-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a standalone', () => {
  let server: StandaloneServer;
  beforeAll(async () => {
    server = await startStandalone({ auth: true });
    await server.client().db('admin').command({ createUser: 'nobody', pwd: 'p', roles: [] });
    await server
      .client()
      .db('admin')
      .command({
        createRole: 'ask',
        roles: [],
        privileges: [{ resource: { cluster: true }, actions: ['getParameter'] }],
      });
    await server
      .client()
      .db('admin')
      .command({ createUser: 'asker', pwd: 'p', roles: ['ask'] });
  });
  afterAll(() => server.stop());

  const inspectAs = (text: string) =>
    new MongoDeploymentInspector({ environment: { USER: text } }).inspect(
      deploymentSettings({ uri: server.uri, credentials: { env: 'USER' } }),
    );

  it('is recognised, with one member and no oplog, and has only the method snapshot', async () => {
    const topology = await inspectAs('asker:p');
    expect(topology).toMatchObject({ kind: 'standalone', serverVersion: '6.0.5' });
    expect(topology.parts).toMatchObject([
      { name: 'standalone', role: 'standalone', members: [{ host: server.host }] },
    ]);
    expect(() => chooseMethod(topology, { requested: 'logical' })).toThrow(/its only method is snapshot/);
  });

  it('tells a user without privileges which one is missing', async () => {
    await expect(inspectAs('nobody:p')).rejects.toMatchObject({
      name: 'MissingPrivileges',
      details: { missing: ['getParameter on the cluster'] },
    });
  });

  it('takes the three forms of credentials', async () => {
    for (const text of [
      'asker:p',
      '{"username":"asker","password":"p"}',
      'mongodb://asker:p@elsewhere/?authSource=admin',
    ]) {
      await using client = await connectTo({
        uri: server.uri,
        credentials: new Secret(text),
        appName: 'holdfast test',
        role: 'target',
      });
      const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
      expect(authInfo).toMatchObject({ authenticatedUsers: [{ user: 'asker', db: 'admin' }] });
    }
  });

  it('ends what is asked of a target when whoever connected gives up', async () => {
    const abort = new AbortController();
    const client = await connectTo({
      ...{ uri: server.uri, credentials: new Secret('asker:p'), appName: 'holdfast test', role: 'target' },
      signal: abort.signal,
    });
    const admin = client.db('admin');
    const { topologyVersion } = await admin.command({ hello: 1 }, { promoteLongs: false });
    // Answered when something changes, or in an hour.
    const begun = once(client, 'connectionCheckedOut');
    const asked = expect(
      admin.command({ hello: 1, topologyVersion: topologyVersion as Document, maxAwaitTimeMS: 3_600_000 }),
    ).rejects;
    await begun;
    abort.abort();
    await asked.toThrow(/closed/);
  });

  it('is a target that cannot be reached, when it is one', async () => {
    const target = {
      uri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500',
      appName: 'holdfast test',
      role: 'target',
    } as const;
    await expect(connectTo(target)).rejects.toMatchObject({ name: 'TargetUnreachable' });
  });

  it('refuses a wrong password', async () => {
    const credentials = new Secret('asker:wrong-secret');
    const attempt = connectTo({ uri: server.uri, credentials, appName: 'holdfast test', role: 'target' });
    await expect(attempt).rejects.toMatchObject({ name: 'AuthenticationFailed' });
    await expect(attempt).rejects.not.toThrow(/wrong-secret/);
  });
});

describe('a server that speaks TLS only', () => {
  const tls = join(import.meta.dirname, '..', '..', 'support', 'tls');
  let server: MongodProcess;
  let ca: string;
  beforeAll(async () => {
    ca = await readFile(join(tls, 'ca.pem'), 'utf8');
    const { path: mongod } = await findMongod();
    const args = ['--tlsMode=requireTLS', `--tlsCertificateKeyFile=${join(tls, 'server.pem')}`];
    server = await startMongod({ mongod, dbPath: join(folder, 'tls'), args });
  });
  afterAll(() => server.stop());

  it('is reached when its CA is configured', async () => {
    expect((await inspect(`mongodb://${server.host}/`, ca)).kind).toBe('standalone');
  });

  it('is not trusted without it', async () => {
    await expect(inspect(`mongodb://${server.host}/?tls=true&serverSelectionTimeoutMS=1000`)).rejects.toMatchObject({
      name: 'SourceUnreachable',
      next: expect.stringContaining('name the CA by tls.caFile') as string,
    });
  });

  it('is not reached without TLS, and the next step says so', async () => {
    await expect(inspect(`mongodb://${server.host}/?serverSelectionTimeoutMS=1000`)).rejects.toMatchObject({
      name: 'SourceUnreachable',
      next: expect.stringContaining('tls=true') as string,
    });
  });
});

describe('a mongod with a replica set name that is not initiated', () => {
  it('is refused with what to do', async () => {
    const server = await startStandalone({ args: ['--replSet=rs9'] });
    try {
      await expect(inspect(`mongodb://${server.host}/`)).rejects.toMatchObject({
        name: 'UnsupportedTopology',
        next: expect.stringContaining('rs.initiate()') as string,
      });
    } finally {
      await server.stop();
    }
  });
});

describe('credentials in a file', () => {
  it('are read, with a warning when others may read them too', async () => {
    const file = join(folder, 'user');
    await writeFile(file, 'a:b\n', { mode: 0o600 });
    const warnings: string[] = [];
    const warn = (message: string) => void warnings.push(message);
    expect((await resolveCredentials({ file }, { warn }))?.reveal()).toBe('a:b');
    expect(warnings).toEqual([]);
    await chmod(file, 0o644);
    await resolveCredentials({ file }, { warn });
    expect(warnings).toEqual([
      `The credentials file ${file} may be read by other users of this machine: chmod 600 ${file}`,
    ]);
  });

  it('that is not there fail by its name', async () => {
    const file = join(folder, 'nothing');
    await expect(resolveCredentials({ file })).rejects.toMatchObject({
      name: 'CredentialsUnavailable',
      message: `The credentials file ${file} cannot be read (ENOENT).`,
    });
  });
});
