import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { DirectoryObjectStore } from '../../../src/adapters/directory/directory-object-store.ts';
import { findDifferences, readDeploymentState } from '../../support/deployment-hashes.ts';
import { restoreBackup } from '../../support/restore-backup.ts';
import { takeBackup } from '../../support/take-backup.ts';

/** Names that MongoDB takes, and that a file system, a shell, a regular expression or a terminal would not. */
const databases = ['names', 'ünïcode-数据', `d${'x'.repeat(62)}`, '__proto__', "it's", 'CON', 'a,b;c&d', '%2e%2e'];
const collections = [
  ...['x/../y', '/../../etc/passwd', 'a/../../b', 'a\\..\\b', '/', '~', 'a.b.c', 'a..b', 'ends.', ' ', ' a b ', '\t'],
  ...['ü', '数据', '😀', 'e\u0301', '\u202egpj', 'a\nb', '\u001b[2Jx', '"', "'", '*', '?', '%s', '%00', '-rf', '--'],
  ...['system', 'systemx.y', 'constructor', '__proto__', 'toString', 'null', '0', 'NUL', 'holdfast_users'],
];
/** db, dot and collection: 255 bytes is the most that a server takes. */
const longest = 'l'.repeat(255 - 'names.'.length);
const odd: Document = { _id: '', '': '', 'a.b': 1, $or: [{ '': { '': null } }], 'ü ': '\u0000', __proto__x: {} };

let set: ReplicaSetServers;
let target: StandaloneServer;
let root: string;
beforeAll(async () => {
  [set, target, root] = await Promise.all([
    startReplicaSet({ members: [{}] }),
    startStandalone(),
    mkdtemp(join(tmpdir(), 'holdfast-names-')),
  ]);
});
afterAll(async () => {
  await Promise.all([set.stop(), target.stop()]);
  await rm(root, { recursive: true, force: true });
});

test('every name comes back as it was, whether it is read from the base or from the oplog', async () => {
  const client = set.client();
  const write = async (names: readonly string[]) => {
    for (const name of names) {
      const collection = client.db('names').collection(name);
      await collection.insertOne({ name });
      await collection.createIndex({ name: 1 }, { name: `index of ${name}`.slice(0, 100) }, {});
    }
  };
  for (const db of databases) await client.db(db).collection('c').insertOne({ db });
  await client.db('names').command({ insert: 'odd', documents: [odd] });
  await client.db('names').createCollection('view of x/../y', { viewOn: 'x/../y', pipeline: [] });
  const half = collections.length >> 1;
  await write([...collections.slice(0, half), longest]);
  const store = new DirectoryObjectStore({ root });
  const manifest = await takeBackup({ set, store, afterBase: () => write(collections.slice(half)) });
  await restoreBackup(target.client(), store, manifest, { overwrite: target.host });
  const [source, restored] = await Promise.all([set, target].map((one) => readDeploymentState(one.client())));
  expect(source && restored && findDifferences(source, restored)).toEqual([]);
  const names = Object.keys(restored?.databases['names']?.collections ?? {});
  expect(names).toEqual(expect.arrayContaining([...collections, longest, 'odd', 'view of x/../y']));
  expect(Object.keys(restored?.databases ?? {})).toEqual(expect.arrayContaining(databases));

  // No name of the source becomes a part of a path.
  const files = await readdir(root, { recursive: true, withFileTypes: true });
  const stored = files.filter((file) => file.isFile() && !file.parentPath.includes('.holdfast-store'));
  for (const { name } of stored) expect(name).toMatch(/^(index\.ndjson\.zst|\d+-\d+\.(pack|bson\.zst))$/);
});
