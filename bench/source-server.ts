import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { findMongod } from '../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../local/servers/mongod-process.ts';
import { fillDataSet, sizeAt } from './data-set.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

const directory = join(import.meta.dirname, '..', '.bench');
export const replicaSet = 'bench';

export interface SourceServer {
  readonly server: MongodProcess;
  /** Bytes of BSON in the data set. */
  readonly rawBytes: number;
}

/** A folder for output of the benchmarks, emptied. */
export async function emptyFolder(name: string): Promise<string> {
  const path = join(directory, name);
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true });
  return path;
}

/**
 * A member of a set of one with the data set of that scale; made once, then reused from `.bench/`.
 * @param scale 1 is about 1.85 GB; `replay`: one without it, for the workload that is replayed
 */
export async function startSource(scale: number | 'replay', log: (line: string) => void): Promise<SourceServer> {
  const { path: mongod, version } = await findMongod();
  const dbPath = join(directory, `source-${version}-${scale}`);
  const portFile = `${dbPath}.port`;
  const made = Number(await readFile(portFile, 'utf8').catch(() => '0'));
  if (!made) await rm(dbPath, { recursive: true, force: true });
  await mkdir(dbPath, { recursive: true });
  const args = [`--replSet=${replicaSet}`, '--oplogSize=990'];
  // The set's configuration names host and port: the same ones every time.
  const server = await startMongod({ mongod, dbPath, args, ...(made ? { port: made } : {}) });
  await using client = createMongoClient(`mongodb://${server.host}/?directConnection=true`);
  if (!made) {
    const members = [{ _id: 0, host: server.host }];
    await client.db('admin').command({ replSetInitiate: { _id: replicaSet, members } });
  }
  // The test servers' cache is small; the benchmark reads warm data.
  await client.db('admin').command({ setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=3G' });
  await primary(client);
  if (!made) {
    if (scale !== 'replay') await fillDataSet(client, sizeAt(scale), log);
    await writeFile(portFile, String(server.port));
  }
  const { dataSize } = await client.db('bench').command({ dbStats: 1 });
  return { server, rawBytes: Number(dataSize) };
}

async function primary(client: MongoClient): Promise<void> {
  for (;;) {
    const hello = await client.db('admin').command({ hello: 1 });
    if (hello['isWritablePrimary'] === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
