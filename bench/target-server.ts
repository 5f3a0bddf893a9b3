import type { MongoClient } from 'mongodb';
import { findMongod } from '../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../local/servers/mongod-process.ts';
import { until } from '../local/servers/poll.ts';
import { HoldfastError } from '../src/domain/errors.ts';
import type { Measured } from './measure.ts';
import { emptyFolder } from './source-server.ts';
import { createMongoClient } from '../src/engine/wire/mongo-client.ts';

async function startTarget(): Promise<MongodProcess> {
  const { path: mongod } = await findMongod();
  const dbPath = await emptyFolder('restore-target');
  const server = await startMongod({ mongod, dbPath, args: ['--replSet=target', '--oplogSize=2000'] });
  await using client = createMongoClient(`mongodb://${server.host}/?directConnection=true`);
  const admin = client.db('admin');
  await admin.command({ replSetInitiate: { _id: 'target', members: [{ _id: 0, host: server.host }] } });
  await admin.command({ setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=3G' });
  await until('the target is primary', async () => {
    const hello = await admin.command({ hello: 1 });
    return hello['isWritablePrimary'] === true ? true : undefined;
  });
  return server;
}

/** By collection, of the database that the benchmarks fill: over all documents, in the order of `_id`. */
export type Hashes = Readonly<Record<string, string>>;

export async function readHashes(client: MongoClient): Promise<Hashes> {
  const { collections } = (await client.db('bench').command({ dbHash: 1 })) as { collections: Hashes };
  return collections;
}

/** @throws RestoreVerificationFailed */
export async function requireHashes(host: string, expected: Hashes): Promise<void> {
  await using client = createMongoClient(`mongodb://${host}/?directConnection=true`);
  const found = await readHashes(client);
  const different = Object.keys({ ...expected, ...found }).filter((name) => expected[name] !== found[name]);
  if (different.length > 0)
    throw new HoldfastError('RestoreVerificationFailed', `The target differs in ${different.join(', ')}.`);
}

/**
 * One measured run into a fresh target: what the one before left in caches and checkpoints must not count.
 * @param expected of the source, compared afterwards
 * @throws RestoreVerificationFailed
 */
export async function measureRestore(
  expected: Hashes,
  run: (server: MongodProcess) => Promise<Measured>,
): Promise<Measured> {
  const server = await startTarget();
  try {
    const measured = await run(server);
    await requireHashes(server.host, expected);
    return measured;
  } finally {
    await server.kill();
  }
}
