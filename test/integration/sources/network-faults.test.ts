import { randomBytes } from 'node:crypto';
import type { MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { connectDirect } from '../../../src/adapters/mongodb/connect.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { dumpHidden, keysOf, readBase } from '../../support/dump-harness.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const unreachable = { name: 'SourceUnreachable', retryable: true };
const megabytes = 24;

describe('a network that breaks while a member is dumped', () => {
  let set: ReplicaSetServers;
  let proxy: TcpProxy;
  let clients: MongoClient[];

  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}] });
    const items = set.client().db('shop').collection<{ _id: number; payload: Buffer }>('items');
    for (let n = 0; n < megabytes; n += 1)
      await items.insertMany(
        Array.from({ length: 64 }, (_, index) => ({ _id: n * 64 + index, payload: randomBytes(16_384) })),
      );
  });
  afterAll(() => set.stop());
  beforeEach(async () => {
    clients = [];
    proxy = await startTcpProxy(set.members[0]?.port ?? 0);
  });
  afterEach(async () => {
    // Whatever happened to the network, giving up the connection ends too.
    await Promise.all(clients.map((client) => client.close()));
    await proxy.close();
  });

  async function connect(silenceLimitMS = 120_000): Promise<MongoClient> {
    const client = await connectDirect({
      host: proxy.host,
      settings: { uri: 'mongodb://db/?connectTimeoutMS=1000&serverSelectionTimeoutMS=2000' },
      ...{ appName: 'holdfast test', silenceLimitMS },
    });
    clients.push(client);
    return client;
  }
  const dumped = () => Object.create(set, { hidden: { value: set.members[0] } }) as ReplicaSetServers;
  const dump = (client: MongoClient, store = new MemoryObjectStore()) =>
    dumpHidden(dumped(), store, { client, member: proxy.host });

  async function expectWholeDump(): Promise<void> {
    const store = new MemoryObjectStore();
    const { documents } = await readBase(store, await dump(await connect(), store));
    expect(documents.get('shop.items')).toHaveLength(megabytes * 64);
  }

  test.each([
    ['is reset in the middle of a reply', 'drop', 120_000],
    ['ends in the middle of a reply', 'halfClose', 120_000],
    ['stands still, with the server behind it', 'stall', 120_000],
    ['stands still for one connection only', 'freeze', 1500],
  ] as const)(
    'that %s: the dump ends as one to try again, and the next one is whole',
    async (_what, fault, silence) => {
      const store = new MemoryObjectStore();
      const client = await connect(silence);
      void proxy.after(8_000_000, fault);
      const failure = await dump(client, store).catch((error: unknown) => error);
      expect(failure).toMatchObject(unreachable);
      expect((failure as Error).message).toContain(proxy.host);
      expect((await keysOf(store)).filter((key) => key.includes('index'))).toEqual([]);
      proxy.release();
      await expectWholeDump();
    },
  );

  test('that stands still while the oplog is read: the dump does not wait for it', async () => {
    const client = await connect(1500);
    // The collections were read by then.
    const failure = dump(client, stallingAtTheEnd()).catch((error: unknown) => error);
    expect(await failure).toMatchObject(unreachable);
  });

  /** A store whose last pack makes the proxy stand still: what follows are the last looks at member and oplog. */
  function stallingAtTheEnd(): MemoryObjectStore {
    const store = new MemoryObjectStore();
    const putStream = store.putStream.bind(store);
    store.putStream = async (...args) => {
      const written = await putStream(...args);
      proxy.stall();
      return written;
    };
    return store;
  }

  test('that is slow takes longer and loses nothing', async () => {
    proxy.slow(20_000_000);
    await expectWholeDump();
  });

  test('that nobody answers on: the next attempt fails at once, and one after the server is back is whole', async () => {
    const client = await connect();
    const dropped = proxy.after(8_000_000, 'drop');
    const running = dump(client);
    await dropped;
    await proxy.refuse();
    await expect(running).rejects.toMatchObject(unreachable);
    const refused = await connect().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(HoldfastError);
    expect(refused).toMatchObject({ ...unreachable, message: expect.stringContaining('ECONNREFUSED') as string });
    await proxy.accept();
    await expectWholeDump();
  });
});
