import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { BSON, type Document, MongoClient, MongoNetworkError, MongoServerError } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { commandSection, sequenceSectionHead } from '../../src/engine/wire/op-msg.ts';
import type { WireConnection } from '../../src/engine/wire/wire-connection.ts';
import { giveBackWireConnection, takeWireConnection } from '../../src/engine/wire/wire-connections.ts';

const tlsFolder = join(import.meta.dirname, '..', 'support', 'tls');
const pem = join(tlsFolder, 'server.pem');
const ca = readFileSync(join(tlsFolder, 'ca.pem'));
const never = new AbortController().signal;
const megabyte = 1024 * 1024;

const ask = async (connection: WireConnection, command: Document, signal = never): Promise<Document> => {
  const reply = await connection.request([commandSection({ ...command, $db: 'shop' })], signal);
  const document = BSON.deserialize(reply.body);
  reply.release();
  return document;
};
const docs = (n: number, size: number) => Array.from({ length: n }, (_, _id) => ({ _id, body: 'x'.repeat(size) }));
const insert = (documents: readonly Document[], collection: string): Buffer[] => {
  const bytes = documents.map((document) => Buffer.from(BSON.serialize(document)));
  const length = bytes.reduce((sum, document) => sum + document.length, 0);
  const command = commandSection({ insert: collection, $db: 'shop' });
  return [command, sequenceSectionHead('documents', length), ...bytes];
};
/** A command that does not end by itself: each of the documents sleeps. */
const endless = { find: 'stock', filter: { $where: 'sleep(100000) || true' } };

it('is the pinned driver', () => {
  const { version } = createRequire(import.meta.url)('mongodb/package.json') as { version: string };
  expect(version).toBe('7.9.0');
});

describe.each(['no authentication', 'SCRAM-SHA-256', 'SCRAM-SHA-256 and TLS'])('a connection with %s', (how) => {
  let server: StandaloneServer;
  let client: MongoClient;
  const encrypted = () => how.includes('TLS') && { tls: true, ca };
  const open = async (options: Document = {}): Promise<MongoClient> => {
    const auth = server.root && { auth: server.root, authSource: 'admin', authMechanism: 'SCRAM-SHA-256' as const };
    return new MongoClient(server.uri, { ...auth, ...encrypted(), ...options }).connect();
  };
  beforeAll(async () => {
    const tls = ['--tlsMode=allowTLS', `--tlsCertificateKeyFile=${pem}`];
    server = await startStandalone({ auth: how !== 'no authentication', args: how.includes('TLS') ? tls : [] });
    client = await open();
    // Not before: the root user is made by a client without TLS.
    for (const tlsMode of how.includes('TLS') ? ['preferTLS', 'requireTLS'] : [])
      await client.db('admin').command({ setParameter: 1, tlsMode });
    await client.db('shop').collection('stock').insertOne({ n: 1 });
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });
  const withConnection = async (work: (connection: WireConnection) => Promise<void>): Promise<void> => {
    const connection = await takeWireConnection(client, never);
    try {
      await work(connection);
    } finally {
      giveBackWireConnection(client, connection);
    }
  };

  it('is authenticated and encrypted as those of its client', () =>
    withConnection(async (connection) => {
      const { authInfo } = (await ask(connection, { connectionStatus: 1 })) as {
        authInfo: { authenticatedUsers: { user: string }[] };
      };
      const user = server.root?.username;
      expect(authInfo.authenticatedUsers.map((found) => found.user)).toEqual(user === undefined ? [] : [user]);
    }));

  it('is not made without what the server and the client demand', async () => {
    const wrong = new MongoClient(server.uri, {
      auth: { username: 'root', password: 'wrong' },
      authSource: 'admin',
      ...encrypted(),
    });
    const refused = { code: 18, codeName: 'AuthenticationFailed' };
    await expect(takeWireConnection(wrong, never)).rejects.toMatchObject(refused);
    if (how === 'SCRAM-SHA-256 and TLS') {
      const distrustful = new MongoClient(server.uri, { tls: true });
      await expect(takeWireConnection(distrustful, never)).rejects.toThrow(/certificate/);
      await expect(takeWireConnection(new MongoClient(server.uri), never)).rejects.toBeInstanceOf(MongoNetworkError);
    }
  });

  it('sends documents as a sequence and reads them back, in small and in large replies', () =>
    withConnection(async (connection) => {
      const documents = docs(40, megabyte);
      for (let at = 0; at < documents.length; at += 10)
        (await connection.request(insert(documents.slice(at, at + 10), 'large'), never)).release();
      for (const batchSize of [1, 3, 40, 2]) {
        const { cursor } = (await ask(connection, { find: 'large', batchSize })) as {
          cursor: { firstBatch: Document[] };
        };
        const count = Math.min(batchSize, 15);
        expect(cursor.firstBatch.length).toBeGreaterThanOrEqual(count);
        expect(cursor.firstBatch.slice(0, count)).toEqual(documents.slice(0, count));
      }
    }));

  it('uses the memory of a reply again only after its release', () =>
    withConnection(async (connection) => {
      const find = [commandSection({ find: 'large', batchSize: 2, $db: 'shop' })];
      const first = await connection.request(find, never);
      const copy = Buffer.from(first.body);
      const second = await connection.request(find, never);
      expect(second.body.buffer).not.toBe(first.body.buffer);
      expect(first.body.equals(copy)).toBe(true);
      const memory = first.body.buffer;
      first.release();
      expect((await connection.request(find, never)).body.buffer).toBe(memory);
    }));

  it('fails a command as the driver does, and is of use afterwards', () =>
    withConnection(async (connection) => {
      const failure = ask(connection, { noSuchCommand: 1 });
      await expect(failure).rejects.toBeInstanceOf(MongoServerError);
      await expect(failure).rejects.toMatchObject({ code: 59, codeName: 'CommandNotFound' });
      expect(await ask(connection, { ping: 1 })).toEqual({ ok: 1 });
    }));

  it('is used again by whoever needs one next, and is one of its own while it is used', async () => {
    const one = await takeWireConnection(client, never);
    const other = await takeWireConnection(client, never);
    expect(other).not.toBe(one);
    giveBackWireConnection(client, one);
    expect(await takeWireConnection(client, never)).toBe(one);
    giveBackWireConnection(client, one);
    giveBackWireConnection(client, other);
  });

  it('is used again whatever the case of the host it was asked for by', async () => {
    const host = `LocalHost:${server.host.split(':')[1] ?? ''}`;
    const one = await takeWireConnection(client, never, host);
    giveBackWireConnection(client, one);
    expect(await takeWireConnection(client, never, host)).toBe(one);
    giveBackWireConnection(client, one);
  });

  it('ends when its command is aborted, and is not used again', async () => {
    const connection = await takeWireConnection(client, never);
    const abort = new AbortController();
    const asked = ask(connection, endless, abort.signal);
    const reason = new TypeError('given up');
    abort.abort(reason);
    await expect(asked).rejects.toBe(reason);
    giveBackWireConnection(client, connection);
    const next = await takeWireConnection(client, never);
    expect(next).not.toBe(connection);
    giveBackWireConnection(client, next);
    await expect(takeWireConnection(client, abort.signal)).rejects.toBe(reason);
  });

  it('ends with its client', async () => {
    const own = await open();
    const [idle, busy] = [await takeWireConnection(own, never), await takeWireConnection(own, never)];
    giveBackWireConnection(own, idle);
    const asked = ask(busy, endless);
    const failed = expect(asked).rejects.toBeInstanceOf(MongoNetworkError);
    await own.close();
    await failed;
    expect([idle.isUsable, busy.isUsable]).toEqual([false, false]);
  });

  it('fails when the server answers nothing any more, as soon as the driver finds it gone', async () => {
    const own = await open({ heartbeatFrequencyMS: 500, connectTimeoutMS: 1000, serverMonitoringMode: 'poll' });
    const connection = await takeWireConnection(own, never);
    server.process.signal('SIGSTOP');
    try {
      await expect(ask(connection, endless)).rejects.toBeInstanceOf(MongoNetworkError);
    } finally {
      server.process.signal('SIGCONT');
    }
    await own.close();
  });

  it('fails when the server is killed', async () => {
    const own = await open();
    const [busy, idle] = [await takeWireConnection(own, never), await takeWireConnection(own, never)];
    const failed = expect(ask(busy, endless)).rejects.toBeInstanceOf(MongoNetworkError);
    await server.process.kill();
    await failed;
    await expect(ask(idle, { ping: 1 })).rejects.toBeInstanceOf(MongoNetworkError);
    await expect(takeWireConnection(own, never)).rejects.toBeInstanceOf(MongoNetworkError);
    await own.close();
    await server.process.restart();
  });
});
