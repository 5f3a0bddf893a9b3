import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { startReplicaSet } from '../../local/servers/replica-set.ts';
import { startStandalone } from '../../local/servers/standalone.ts';

const isAlive = (pid: number) => {
  try {
    // A process that has ended but was not yet waited for by its new parent is a zombie, state Z.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('servers for demo and tests', () => {
  test('a replica set comes up with a hidden member, authentication and transactions, and goes without a trace', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const set = await startReplicaSet({ auth: true });
    cleanUp.defer(() => set.stop());
    expect(set.members).toHaveLength(4);

    const config = await set.client().db('admin').command({ replSetGetConfig: 1 });
    const members = (config['config'] as { members: { host: string; hidden: boolean; votes: number }[] }).members;
    expect(members.filter((member) => member.hidden)).toEqual([
      expect.objectContaining({ host: set.hidden.host, votes: 0, priority: 0 }),
    ]);
    const { isWritablePrimary, hidden } = await set.clientFor(set.hidden).db('admin').command({ hello: 1 });
    expect([isWritablePrimary, hidden]).toEqual([false, true]);

    const shop = set.client().db('shop');
    await set.client().withSession((session) =>
      session.withTransaction(async () => {
        await shop.collection('a').insertOne({}, { session });
        await shop.collection('b').insertOne({}, { session });
      }),
    );
    expect(await shop.collection('b').countDocuments()).toBe(1);

    const uri = `mongodb://${set.members[0]?.host ?? ''}/?directConnection=true`;
    const { MongoClient } = await import('mongodb');
    await using stranger = new MongoClient(uri);
    await expect(stranger.db('shop').collection('a').findOne()).rejects.toMatchObject({ code: 13 });

    const { pid, dbPath } = set.hidden;
    await cleanUp.disposeAsync();
    expect([isAlive(pid), existsSync(dbPath)]).toEqual([false, false]);
  });

  test('a member that was killed can be restarted on its port and catches up', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const set = await startReplicaSet({ members: [{}, {}, { arbiter: true }] });
    cleanUp.defer(() => set.stop());
    const [, second] = set.members;
    if (second === undefined) throw new Error('two members were started');
    await second.kill();
    await set
      .client()
      .db('shop')
      .collection('a')
      .insertOne({}, { writeConcern: { w: 1 } });
    await second.restart();
    await set.healthy();
    const there = () => set.clientFor(second).db('shop').collection('a').findOne({}, { readPreference: 'secondary' });
    expect(await until('the write is there', async () => (await there()) ?? undefined)).toBeTruthy();
  });

  test('a standalone that cannot start says so in the words of its log', async () => {
    await expect(startStandalone({ args: ['--setParameter=noSuchParameter=1'] })).rejects.toMatchObject({
      name: 'MongodUnavailable',
    });
  });

  test.each(['SIGKILL', 'SIGINT'] as const)(
    'servers die with a process that ends by %s, and leave no directory',
    async (signal) => {
      const program = `
      import { startStandalone } from ${JSON.stringify(join(import.meta.dirname, '../../local/servers/standalone.ts'))};
      const { process: server } = await startStandalone();
      console.log(JSON.stringify({ pid: server.pid, dbPath: server.dbPath }));
      setInterval(() => undefined, 1000);
    `;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const { pid, dbPath } = JSON.parse(line) as { pid: number; dbPath: string };
      expect([isAlive(pid), existsSync(dbPath)]).toEqual([true, true]);
      child.kill(signal);
      await until(
        'both are gone',
        () => Promise.resolve((!isAlive(pid) && !existsSync(join(dbPath, '../..'))) || undefined),
        20_000,
      );
    },
  );
});
