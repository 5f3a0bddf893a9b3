import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';
import { manifestSchema, type Manifest } from '../../src/domain/manifest.ts';
import { dumpPart } from '../../src/engine/dump/dump-part.ts';
import { runParallel } from '../../src/engine/restore/run-parallel.ts';
import { findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { onlyPart, takeBackup } from '../support/take-backup.ts';

const run = promisify(execFile);
const support = join(import.meta.dirname, '..', 'support');
/**
 * Each collection and each index is a file: mongod closes those that rest and are in a checkpoint, or it meets the limit
 * of open files. Left at a checkpoint a minute, a target that is not busy otherwise takes 10,000 collections within one.
 */
const args = [
  '--syncdelay=10',
  '--wiredTigerEngineConfigString=file_manager=(close_idle_time=2,close_scan_interval=1,close_handle_minimum=200)',
];
interface Measured {
  readonly documents: number;
  readonly peakMiB: number;
  readonly seconds: number;
}

// A server makes some hundred files a second, and on a busy machine some ten.
const hour = 3_600_000;

describe('limits of namespaces', () => {
  let set: ReplicaSetServers;
  let target: StandaloneServer;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-many-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** A set and a target of their own: files of dropped collections would stay with those of another test. */
  async function start(): Promise<void> {
    [set, target] = await Promise.all([
      startReplicaSet({ members: [{}], oplogSizeMb: 200, args }),
      startStandalone({ args }),
    ]);
  }
  afterEach(() => Promise.all([set.stop(), target.stop()]));

  async function measured(script: string, more: readonly string[]): Promise<Measured> {
    const from = performance.now();
    const { stdout } = await run(process.execPath, [...workerFlags, join(support, script), ...more]);
    const { documents, peakMiB } = JSON.parse(stdout) as { documents: number; peakMiB: number };
    return { documents, peakMiB, seconds: (performance.now() - from) / 1000 };
  }

  /** Two documents each, and in every tenth an index: building one is the server's work, and slow. */
  async function fill(from: number, to: number, perDatabase: number): Promise<void> {
    const numbers = Array.from({ length: to - from }, (_, n) => from + n);
    await runParallel(numbers, 16, async (n) => {
      const collection = set
        .client()
        .db(`t${Math.floor(n / perDatabase)}`)
        .collection(`c${n}`);
      await collection.insertMany([
        { n, a: 1 },
        { n, a: 2 },
      ]);
      if (n % 10 === 0) await collection.createIndex({ a: 1 });
    });
  }

  /** Dumped alone in a process, taken whole, and restored alone in a process: each within the worker's memory. */
  async function throughAndBack(what: string): Promise<Manifest> {
    const store = new DirectoryObjectStore({ root: join(folder, what) });
    const dump = await measured('dump-in-child.ts', [
      set.members[0]?.host ?? '',
      set.name,
      join(folder, `${what}-dump`),
    ]);
    const manifest = await takeBackup({ set, store });
    const file = join(folder, `${what}.json`);
    await writeFile(file, JSON.stringify(manifest));
    const restore = await measured('restore-in-child.ts', [target.uri, join(folder, what), file]);
    const [one, other] = [dump, restore].map(
      ({ seconds, peakMiB }) => `${seconds.toFixed(1)} s, peak ${Math.round(peakMiB)} MiB`,
    );
    const { index } = onlyPart(manifest).base;
    console.log(
      `${what}: dump ${one ?? ''}; restore ${other ?? ''}; manifest ${JSON.stringify(manifest).length} bytes, index ${index.size}`,
    );
    expect(Math.max(dump.peakMiB, restore.peakMiB)).toBeLessThan(512);
    // Rows of admin's own collections are not loaded.
    const loaded = onlyPart(manifest).base.namespaces.filter(({ ns }) => !ns.startsWith('admin.'));
    expect(restore.documents).toBe(loaded.reduce((sum, { documents }) => sum + (documents ?? 0), 0));
    return manifest;
  }

  test(
    '10,000 collections: in and out, in bounded memory; the time of a dump grows as their number does',
    { timeout: hour },
    async () => {
      await start();
      const timed = async (size: number): Promise<number> => {
        const from = process.cpuUsage();
        const spent = (): number => {
          const { user, system } = process.cpuUsage(from);
          return (user + system) / 1000;
        };
        let frames = 0;
        const quarters: number[] = [];
        const dump: typeof dumpPart = (input, deps) => {
          // Once for each small collection.
          const onProgress = () => {
            if (++frames % (size / 4) === 0) quarters.push(Math.round(spent()));
          };
          return dumpPart(input, { ...deps, onProgress });
        };
        await takeBackup({ set, store: new DirectoryObjectStore({ root: join(folder, `grow-${size}`) }), dump });
        console.log(`CPU of the dump after each quarter of ${size} collections: ${quarters.join(', ')} ms`);
        return spent();
      };
      await fill(0, 2500, 100);
      // The first compiles what all use.
      await takeBackup({ set, store: new DirectoryObjectStore({ root: join(folder, 'first') }) });
      const few = await timed(2500);
      await fill(2500, 10_000, 100);
      const many = await timed(10_000);
      console.log(`CPU of the dump: 2,500 collections ${Math.round(few)} ms, 10,000 ${Math.round(many)} ms`);
      expect(many / few, 'four times as many').toBeLessThan(8);
      const manifest = await throughAndBack('10,000 collections');
      expect(onlyPart(manifest).base.namespaces.filter(({ ns }) => /^t\d+\.c\d+$/.test(ns))).toHaveLength(10_000);
      expect(manifestSchema.shape.parts.safeParse(manifest.parts).success).toBe(true);
      const [counted] = await target
        .client()
        .db('t99')
        .collection('c9999')
        .aggregate([{ $count: 'n' }])
        .toArray();
      expect(counted).toEqual({ n: 2 });
    },
  );

  test('1,000 databases', { timeout: hour }, async () => {
    await start();
    await fill(0, 1000, 1);
    await throughAndBack('1,000 databases');
    const { databases } = await target.client().db('admin').admin().listDatabases({ nameOnly: true });
    expect(databases.filter(({ name }) => /^t\d+$/.test(name))).toHaveLength(1000);
  });

  test('one collection of 90 %', async () => {
    await start();
    const text = 'some text that compresses '.repeat(40);
    for (let at = 0; at < 450_000; at += 5000)
      await set
        .client()
        .db('shop')
        .collection('large')
        .insertMany(Array.from({ length: 5000 }, (_, n) => ({ n: at + n, text })));
    await fill(0, 50, 10);
    for (let n = 0; n < 50; n++)
      await set
        .client()
        .db('rest')
        .collection(`c${n}`)
        .insertMany(Array.from({ length: 1000 }, (_, each) => ({ each, text })));
    await throughAndBack('one collection of 90 %');
    expect(await target.client().db('shop').collection('large').countDocuments()).toBe(450_000);
  });

  test('an empty deployment', async () => {
    await start();
    const manifest = await throughAndBack('an empty deployment');
    expect(onlyPart(manifest).base.namespaces.filter(({ ns }) => !ns.startsWith('admin.'))).toEqual([]);
    const [source, restored] = await Promise.all([set, target].map((one) => readDeploymentState(one.client())));
    expect(source && restored && findDifferences(source, restored)).toEqual([]);
  });
});
