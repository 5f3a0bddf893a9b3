import { createHash } from 'node:crypto';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import type { ObjectStore } from '../src/application/ports/object-store.ts';
import type { LogicalBase } from '../src/domain/base.ts';
import { dumpPart } from '../src/engine/dump/dump-part.ts';
import { readIndex } from '../src/engine/packs/index-reader.ts';
import { measureSelf } from './measure-self.ts';
import { NowhereStore } from './nowhere-store.ts';
import { replicaSet } from './source-server.ts';
import type { MongoClient } from 'mongodb';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

/** One measured run, alone in its process: `node bench/dump-run.ts <variant> <host> <folder> <parallel>`. Prints one line of JSON. */

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Told after the run was measured. */
let contentHash: (() => Promise<string>) | undefined;

/** Of the stored frames of every namespace, in scan order: the same data by the same codec has the same. */
async function hashOf(store: ObjectStore, index: LogicalBase['index']): Promise<string> {
  const hash = createHash('sha256');
  for (const { ns, sha256, documents, rawLength } of (await readIndex(store, index)).frames)
    hash.update(`${ns} ${sha256} ${documents} ${rawLength}\n`);
  return hash.digest('hex');
}

async function holdfast(client: MongoClient, host: string, codec: 'none' | 'zstd', folder: string, parallel: number) {
  const store = folder === '' ? new NowhereStore() : new DirectoryObjectStore({ root: folder });
  const input = {
    ...{ backupId: 'b', runId: 'r', deployment: 'bench', part: 'bench', partPrefix: 'bench/backups/b/bench/' },
    ...{ attempt: 1, fence: 1, codec, level: 1, parallel, member: host, replicaSet, replicaSetId: '', toolVersion: '' },
  };
  const { base } = await dumpPart(input, {
    ...{ client, store, clock: new SystemClock(), logger: silent, signal: new AbortController().signal },
    ...{ onProgress: () => undefined, checkFence: () => Promise.resolve() },
  });
  contentHash = () => hashOf(store, base.index);
  return { documents: base.documents, rawBytes: base.rawBytes, storedBytes: base.storedBytes };
}

/** What a script would do: a cursor of the driver per collection, one after the other, documents decoded or raw. */
async function driverCursor(client: MongoClient, raw: boolean) {
  let documents = 0;
  let rawBytes = 0;
  for (const { name } of await client.db('bench').listCollections({ type: 'collection' }, { nameOnly: true }).toArray())
    for await (const document of client.db('bench').collection(name).find({}, { raw })) {
      documents += 1;
      if (raw) rawBytes += (document as unknown as Uint8Array).length;
    }
  return { documents, rawBytes, storedBytes: 0 };
}

const [variant = '', host = '', folder = '', parallel = '2'] = process.argv.slice(2);
const client = createMongoClient(`mongodb://${host}/?directConnection=true`);
await client.connect();
const runs: Record<string, () => Promise<object>> = {
  'holdfast none, to nowhere': () => holdfast(client, host, 'none', '', Number(parallel)),
  'holdfast zstd-1, to nowhere': () => holdfast(client, host, 'zstd', '', Number(parallel)),
  'holdfast zstd-1, to a directory': () => holdfast(client, host, 'zstd', folder, Number(parallel)),
  'driver cursor, decoded': () => driverCursor(client, false),
  'driver cursor, raw': () => driverCursor(client, true),
};
await measureSelf(
  runs[variant],
  () => client.close(),
  async () => ({ contentHash: await contentHash?.() }),
);
