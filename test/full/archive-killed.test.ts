import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRandom } from '../../local/demo/random.ts';
import { openEmbedded } from '../../local/embedded.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { archiveLeaseMs } from '../../src/application/archive-lease.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { listArchive } from '../../src/engine/oplog/archive-tail.ts';
import { readOplog } from '../../src/engine/oplog/oplog-source.ts';
import { capturedSlice, readStoredSlice } from '../../src/engine/oplog/read-chain.ts';
import { readSlices } from '../../src/engine/oplog/read-slices.ts';
import { settingsFor } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { archiveToEnd } from '../support/physical-set.ts';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';

const script = join(import.meta.dirname, '..', 'support', 'archive-in-child.ts');
let set: ReplicaSetServers;
let root: string;
let settings: Settings;
let prefix: string;

beforeAll(async () => {
  root = await makeOwnDirectory('archive-killed');
  set = await startReplicaSet({ members: [{}, { hidden: true, votes: 0 }], oplogSizeMb: 990 });
  const plain = settingsFor(set, root);
  const oplogArchive = { enabled: true, storage: 'local', retention: { days: 1 } };
  settings = settingsSchema.parse({
    ...plain,
    deployments: { orders: { ...plain.deployments['orders'], oplogArchive } },
  });
  const { config } = await set.client().db('admin').command({ replSetGetConfig: 1 });
  const { replicaSetId } = (config as { settings: { replicaSetId: { toHexString(): string } } }).settings;
  prefix = artifactKeys.archive('orders', set.name, replicaSetId.toHexString());
});
afterAll(async () => {
  await set.stop();
  await removeOwnDirectory(root);
});

/** An archiver that is killed with SIGKILL, so long after its first turn. */
async function archiveAndDie(ms: number): Promise<void> {
  const child = spawn(process.execPath, [...workerFlags, script, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  await pause(ms);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  expect((await gone)[1]).toBe('SIGKILL');
}

test('archivers that are killed, again and again, while the set is written to leave one chain that holds every entry', async () => {
  const random = makeRandom(7);
  const items = set.client().db('shop').collection<{ _id: number; payload: string }>('items');
  await items.insertOne({ _id: 0, payload: '' }, { writeConcern: { w: 'majority' } });
  const writing = new AbortController();
  const writer = (async () => {
    for (let _id = 1; !writing.signal.aborted; _id += 1) await items.insertOne({ _id, payload: 'x'.repeat(2000) });
  })();
  const kills = 12;
  try {
    for (let n = 0; n < kills; n += 1) await archiveAndDie(random.below(400));
  } finally {
    writing.abort();
    await writer;
  }
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    // One that was killed while it wrote a slice has left its lease, which the next one waits for.
    await archiveToEnd(client, set, 2 * archiveLeaseMs);
  } finally {
    await client.close();
  }
  const store = new DirectoryObjectStore({ root: join(root, 'storage') });
  const slices = await Promise.all((await listArchive(store, prefix)).map((object) => readStoredSlice(store, object)));
  const [from, to] = [slices[0]?.header.from, slices.at(-1)?.header.to];
  if (!from || !to) throw new TypeError('nothing is archived');
  const archived: string[] = [];
  for await (const entries of readSlices(store, slices.map(capturedSlice)))
    archived.push(...entries.map((entry) => entry.toString('base64')));
  const source = { client: set.clientFor(set.hidden), member: set.hidden.host, signal: new AbortController().signal };
  const expected: string[] = [];
  for await (const { raw } of readOplog(source, from, to.ts)) expected.push(raw.toString('base64'));
  console.log(`${slices.length} slices, ${archived.length} entries, ${kills} kills`);
  expect(archived.length).toBeGreaterThan(100);
  expect(archived).toEqual(expected);
  const gaps: string[] = [];
  for await (const { key } of store.list(artifactKeys.gaps(prefix))) gaps.push(key);
  expect(gaps).toEqual([]);
});
