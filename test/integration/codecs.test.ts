import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { Binary } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { splitDocuments } from '../../src/engine/bson/raw-values.ts';
import { readIndex } from '../../src/engine/packs/index-reader.ts';
import { type DeploymentState, findDifferences, readDeploymentState } from '../support/deployment-hashes.ts';
import { restoreBackup } from '../support/restore-backup.ts';
import { onlyPart, takeBackup } from '../support/take-backup.ts';

/** The standard tools, as an operator without Holdfast has them. */
function stockTool(name: string, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tool = execFile(name, ['-dc'], { encoding: 'buffer', maxBuffer: 1 << 26 }, (error, stdout) => {
      if (error) reject(new Error(`${name}: ${error.message}`));
      else resolve(stdout);
    });
    // A tool that is not there does not read.
    tool.stdin?.on('error', () => undefined).end(input);
  });
}

const hasZstd = await stockTool('zstd', Buffer.from('28b52ffd0400010000', 'hex')).then(
  () => true,
  (error: unknown) => !/ENOENT/.test(String(error)),
);
const stock = {
  zstd: [zstdDecompressSync, ...(hasZstd ? [(frame: Buffer) => stockTool('zstd', frame)] : [])],
  gzip: [gunzipSync, (frame: Buffer) => stockTool('gzip', frame)],
  none: [(frame: Buffer) => frame],
} as const;

describe('every codec', () => {
  let set: ReplicaSetServers;
  let target: StandaloneServer;
  let source: DeploymentState;
  beforeAll(async () => {
    [set, target] = await Promise.all([startReplicaSet({ members: [{}], oplogSizeMb: 200 }), startStandalone()]);
    // A document of 16 MiB does not fit into the cache that test servers start with.
    const cache = { setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=1G' };
    for (const server of [set, target]) await server.client().db('admin').command(cache);
    const db = set.client().db('shop');
    await db.createCollection('empty');
    await db.collection('one').insertOne({ n: 1 });
    // Of the greatest size that a document may have, to the byte: {_id, body} are 4 + 17 + 11 + 1 bytes around it.
    await db.collection('largest').insertOne({ body: new Binary(randomBytes(16 * 1024 * 1024 - 33)) });
    await db
      .collection('frames')
      .insertMany(Array.from({ length: 3000 }, (_, n) => ({ n, text: `${n} `.repeat(800), key: `k${n % 7}` })));
    await db.collection('frames').createIndex({ key: 1 });
    source = await readDeploymentState(set.client());
  });
  afterAll(() => Promise.all([set.stop(), target.stop()]));

  test.each(['zstd', 'gzip', 'none'] as const)('%s: what is restored equals what was dumped', async (codec) => {
    const store = new MemoryObjectStore();
    const manifest = await takeBackup({ set, store, codec });
    await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
    expect(findDifferences(source, await readDeploymentState(target.client()))).toEqual([]);

    const { base } = onlyPart(manifest);
    const frames = [...(await readIndex(store, base.index)).frames];
    const ofFrames = frames.filter(({ ns }) => ns === 'shop.frames');
    expect(ofFrames.length, 'a collection of several frames').toBeGreaterThan(1);
    expect(frames.find(({ ns }) => ns === 'shop.largest')?.rawLength).toBe(16 * 1024 * 1024);
    for (const { pack, offset, length, rawLength, documents } of frames.filter(({ ns }) => ns.startsWith('shop.'))) {
      const key = base.packs.find((one) => one.key.endsWith(`/${pack}.pack`))?.key ?? '';
      const stored = await store.getRange(key, offset, length);
      for (const tool of stock[codec]) {
        const raw = await tool(stored);
        expect(raw.length).toBe(rawLength);
        expect([...splitDocuments(raw)].length).toBe(documents);
      }
    }
  });
});
