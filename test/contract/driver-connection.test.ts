import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { MongoClient, MongoClientOptions } from 'mongodb';
import { Connection } from 'mongodb/lib/cmap/connection.js';
import { HostAddress, ns } from 'mongodb/lib/utils.js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { createMongoClient } from '../../src/engine/wire/mongo-client.ts';
import { takeWireConnection } from '../../src/engine/wire/wire-connections.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** What the pinned driver's own connections do where bytes can't be sent: each of these waits for ever in a bare client. */
describe('a command of the driver', () => {
  let server: StandaloneServer;
  let proxy: TcpProxy;
  beforeAll(async () => {
    server = await startStandalone({});
    await using client = createMongoClient(server.uri, {});
    await client.db('shop').createCollection('stock');
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await startTcpProxy(Number(new URL(server.uri).port));
  });
  afterEach(() => proxy.close());

  /** More than sockets buffer, to a network that takes nothing any more. */
  async function writeToNobody(
    options: MongoClientOptions,
  ): Promise<{ client: MongoClient; writing: Promise<unknown> }> {
    const uri = `mongodb://${proxy.host}/?directConnection=true`;
    const client = await createMongoClient(uri, { ...options, monitorCommands: true }).connect();
    const stock = client.db('shop').collection('stock');
    await stock.findOne();
    proxy.stall();
    const documents = Array.from({ length: 200 }, () => ({ payload: randomBytes(100_000) }));
    const begun = once(client, 'commandStarted');
    const writing = stock.insertMany(documents).catch((error: unknown) => error);
    await begun;
    // It is told just before the write.
    await nextTurn();
    return { client, writing };
  }

  it('ends when the monitor finds that the server answers nothing', async () => {
    const { client, writing } = await writeToNobody({ connectTimeoutMS: 1500, heartbeatFrequencyMS: 500 });
    expect(await writing).toMatchObject({
      message: expect.stringMatching(/interrupted due to server monitor/) as string,
    });
    await client.close();
  });

  it('ends when the silence limit is over', async () => {
    const { client, writing } = await writeToNobody({ socketTimeoutMS: 1500 });
    expect(await writing).toMatchObject({ message: expect.stringMatching(/timed out/) as string });
    await client.close();
  });

  it('ends when the client is closed', async () => {
    const { client, writing } = await writeToNobody({ connectTimeoutMS: 1500 });
    const closed = client.close();
    expect(await writing).toMatchObject({ message: expect.stringMatching(/closed/) as string });
    await closed;
  });

  it('ends when the socket has ended and has not said so yet', async () => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    await once(socket, 'connect');
    const hostAddress = new HostAddress(proxy.host);
    const connection = new Connection(socket, { id: 1, generation: 0, hostAddress, logicalSessionTimeoutMinutes: 30 });
    // As Node does when the other side has ended.
    socket.destroy();
    await expect(connection.command(ns('admin.$cmd'), { ping: 1 }, {})).rejects.toThrow(/closed/);
  });
});

const tlsFolder = join(import.meta.dirname, '..', 'support', 'tls');

/** The driver limits the time in which a server says hello, and no other step of making a connection. */
describe('a connection of the driver that the server does not answer while it logs in', () => {
  let server: StandaloneServer;
  let begun = 0;
  beforeAll(async () => {
    const tls = ['--tlsMode=allowTLS', `--tlsCertificateKeyFile=${join(tlsFolder, 'server.pem')}`];
    server = await startStandalone({ auth: true, args: ['--setParameter=enableTestCommands=1', ...tls] });
    const data = { failCommands: ['saslContinue'], appName: 'stuck', blockConnection: true, blockTimeMS: 600_000 };
    await server.client().db('admin').command({ configureFailPoint: 'failCommand', mode: 'alwaysOn', data });
  });
  afterAll(() => server.stop());

  const untilStuck = () =>
    server.client().db('admin').command({ waitForFailPoint: 'failCommand', timesEntered: begun, maxTimeMS: 60_000 });

  function makeClient(options: MongoClientOptions): MongoClient {
    begun += 1;
    const auth = { ...(server.root && { auth: server.root }), authSource: 'admin' };
    return createMongoClient(server.uri, { ...auth, appName: 'stuck', ...options });
  }

  it('ends when the time to connect is over', async () => {
    const client = makeClient({ connectTimeoutMS: 500 });
    await expect(client.connect()).rejects.toThrow(/timed out/);
    await untilStuck();
    await client.close();
  });

  it('ends when the client is closed', async () => {
    const client = makeClient({ connectTimeoutMS: 60_000 });
    const connecting = expect(client.connect()).rejects.toThrow(/closed/);
    await untilStuck();
    await client.close();
    await connecting;
  });

  it('ends when whoever wants an encrypted one for a cursor gives up', async () => {
    const abort = new AbortController();
    const reason = new TypeError('given up');
    const ca = readFileSync(join(tlsFolder, 'ca.pem'));
    const client = makeClient({ connectTimeoutMS: 60_000, tls: true, ca });
    const taken = expect(takeWireConnection(client, abort.signal)).rejects.toBe(reason);
    await untilStuck();
    abort.abort(reason);
    await taken;
  });
});
