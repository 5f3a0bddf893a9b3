import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Binary } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';
import { decode, dumpHidden, readBase, stallingStore } from '../support/dump-harness.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '..', 'support', 'dump-in-child.ts');
const everywhere = { writeConcern: { w: 2 } };

describe('limits of the dump', () => {
  let set: ReplicaSetServers;
  let folder: string;
  beforeAll(async () => {
    set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 990 });
    // A document of 16 MiB does not fit into the cache that test servers start with.
    for (const member of set.members)
      await set
        .clientFor(member)
        .db('admin')
        .command({ setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=1G' });
    folder = await mkdtemp(join(tmpdir(), 'holdfast-dump-limits-'));
  });
  afterAll(async () => {
    await set.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(['none', 'zstd'])(
    'documents of 16 MiB, four collections at once, codec %s: at most 512 MiB',
    async (codec) => {
      const db = set.client().db('large');
      await db.dropDatabase();
      for (let collection = 0; collection < 4; collection++)
        for (let n = 0; n < 12; n++) {
          const body = new Binary(randomBytes(16 * 1024 * 1024 - 100));
          await db.collection(`c${collection}`).insertOne({ _id: n as never, body }, everywhere);
        }
      const args = [...workerFlags, script, set.hidden.host, set.name, join(folder, codec), codec, '4'];
      const { stdout } = await run(process.execPath, args);
      const { documents, peakMiB } = JSON.parse(stdout) as { documents: number; peakMiB: number };
      console.log(`codec ${codec}: peak ${Math.round(peakMiB)} MiB`);
      expect(documents).toBeGreaterThanOrEqual(48);
      expect(peakMiB).toBeLessThan(512);
      await db.dropDatabase();
    },
  );

  test('a capped collection that is overwritten while it is read is read again from its start', async () => {
    const db = set.client().db('shop');
    const megabyte = 'x'.repeat(1024 * 1024);
    const insert = async (from: number, to: number) => {
      for (let at = from; at < to; at += 20)
        await db.collection('ring').insertMany(
          Array.from({ length: 20 }, (_, n) => ({ _id: (at + n) as never, megabyte })),
          everywhere,
        );
    };
    await db.createCollection('ring', { capped: true, size: 100 * 1024 * 1024 });
    await insert(0, 100);
    const memory = new MemoryObjectStore();
    const { store, stalled, release } = stallingStore(memory);
    const dumping = dumpHidden(set, store, { codec: 'none' });
    await stalled;
    await insert(100, 300);
    release();
    const { documents } = await readBase(memory, await dumping);
    const ids = (documents.get('shop.ring') ?? []).map((raw) => Number(decode(raw)['_id']));
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, n) => 300 - ids.length + n));
    await db.dropDatabase();
  });

  test('four times as many collections take about four times as long', async () => {
    const admin = set.client();
    for (let database = 0; database < 30; database++)
      await Promise.all(
        Array.from({ length: 10 }, (_, n) => admin.db(`tenants${database}`).collection(`c${n}`).insertOne({ n })),
      );
    const timed = async () => {
      const start = performance.now();
      await dumpHidden(set, new MemoryObjectStore());
      return performance.now() - start;
    };
    const few = await timed();
    for (let database = 0; database < 30; database++)
      await Promise.all(
        Array.from({ length: 30 }, (_, n) => admin.db(`tenants${database}`).collection(`d${n}`).insertOne({ n })),
      );
    await admin.db('tenants0').collection('last').insertOne({}, everywhere);
    const many = await timed();
    console.log(`300 collections ${Math.round(few)} ms, 1200 ${Math.round(many)} ms`);
    expect(many / few).toBeLessThan(10);
  });
});
