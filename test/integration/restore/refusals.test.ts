import type { MongoClient } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ReplicaSetServers, startReplicaSet } from '../../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../../local/servers/standalone.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import type { Manifest } from '../../../src/domain/manifest.ts';
import type { SnapshotPart } from '../../../src/domain/manifest-parts.ts';
import { loadFromFiles } from '../../../src/engine/recover/load-from-files.ts';
import { writeMark } from '../../../src/engine/restore/restore-mark.ts';
import { makeBackup } from '../../support/handmade-backup.ts';
import { rawEntry, ui } from '../../support/oplog-entries.ts';
import { connectRestorer, markOf, restoreBackup } from '../../support/restore-backup.ts';
import { onlyPart, silentLogger, systemClock } from '../../support/take-backup.ts';

let target: StandaloneServer;
let set: ReplicaSetServers;
let client: MongoClient;
let store: MemoryObjectStore;
let manifest: Manifest;
const collections = [
  { ns: 'db.c', uuid: 1, documents: [{ _id: 1 }, { _id: 2 }] },
  { ns: 'db.d', uuid: 2, documents: [{ _id: 1 }] },
];

beforeAll(async () => {
  [target, set] = await Promise.all([
    startStandalone({ auth: true }),
    startReplicaSet({ members: [{}, { hidden: true, votes: 0 }] }),
  ]);
  client = await connectRestorer(target.client(), target.host);
});
afterAll(async () => {
  await client.close();
  await Promise.all([target.stop(), set.stop()]);
});
beforeEach(async () => {
  store = new MemoryObjectStore();
  manifest = await makeBackup(store, { collections });
});
afterEach(async () => {
  for (const name of await databases()) await client.db(name).dropDatabase();
});

const databases = async () =>
  (await client.db('admin').admin().listDatabases({ nameOnly: true })).databases
    .map(({ name }) => name)
    .filter((name) => !['admin', 'config', 'local'].includes(name));

/** Refused by that error, and nothing was written, not even the mark. */
async function refuses(made: Manifest, error: object): Promise<void> {
  await expect(restoreBackup(client, store, made)).rejects.toMatchObject(error);
  expect(await databases()).toEqual([]);
}

async function replace(key: string, change: (body: Buffer) => Buffer): Promise<void> {
  const { body } = await store.get(key);
  await store.put(key, change(Buffer.from(body)));
}
const flip = (at: number) => (body: Buffer) => {
  body[at] = (body[at] ?? 0) ^ 0x10;
  return body;
};

describe('a damaged backup is refused before anything is written', () => {
  it('for one flipped bit in a pack, the index or a slice, naming the object', async () => {
    const { base, oplog } = onlyPart(manifest);
    for (const { key } of [...base.packs, base.index, ...oplog.slices]) {
      await replace(key, flip(20));
      await refuses(manifest, { name: 'CorruptObject', message: expect.stringContaining(key) as string });
      await replace(key, flip(20));
    }
    expect(await restoreBackup(client, store, manifest)).toMatchObject({ documents: 3 });
  });

  it('for a missing, shortened or swapped object, naming it', async () => {
    const [pack] = onlyPart(manifest).base.packs;
    const [slice] = onlyPart(manifest).oplog.slices;
    const key = pack?.key ?? '';
    const { body } = await store.get(key);
    await store.delete([key]);
    await refuses(manifest, { name: 'ObjectNotFound', message: expect.stringContaining(key) as string });
    await store.put(key, body.subarray(1));
    await refuses(manifest, { name: 'CorruptObject', message: expect.stringContaining(key) as string });
    await store.put(key, (await store.get(slice?.key ?? '')).body);
    await refuses(manifest, { name: 'CorruptObject', message: expect.stringContaining(key) as string });
  });

  it('for an oplog entry of an unknown kind, naming op, namespace, time and command', async () => {
    const entries = [rawEntry(2, { op: 'c', ns: 'db.$cmd', ui: ui(1), o: { newCommand: 'c' } })];
    const strange = await makeBackup(store, { collections, entries });
    await refuses(strange, {
      name: 'UnsupportedOplogEntry',
      details: { ts: '100:2', op: 'c', ns: 'db.$cmd', command: 'newCommand' },
    });
    expect(
      await restoreBackup(client, store, await makeBackup(store, { collections, entries, applyFrom: 2 })),
    ).toBeDefined();
  });

  it('for oplog entries that are out of order, under a header that fits them', async () => {
    const entries = [5, 3, 6].map((n) => rawEntry(n, { op: 'i', ns: 'db.c', ui: ui(1), o: { _id: n } }));
    await refuses(await makeBackup(store, { collections, entries }), {
      name: 'VerificationFailed',
      message: expect.stringMatching(/100:3 comes after the one at 100:5/) as string,
    });
  });

  it('for an index that belongs to another backup', async () => {
    await refuses(
      { ...manifest, backupId: '20261122T101530Z-logical-zzzz' },
      {
        name: 'CorruptObject',
        message: expect.stringMatching(/belongs to the backup 20261122T101530Z-logical-hand/) as string,
      },
    );
  });

  it('for an oplog that ends before the restore time', async () => {
    await refuses(await makeBackup(store, { collections, restoreTime: 2 }), { name: 'OplogGap' });
  });
});

it('a kept snapshot whose data directory is not where it was is refused at once, with nothing written', async () => {
  const part = onlyPart(manifest);
  const base = { method: 'snapshot', rawBytes: 1 } as unknown as SnapshotPart['base'];
  const of = { ...part, base, point: null, oplog: null } as SnapshotPart;
  const input = {
    runId: 'restore-1',
    manifest,
    part: part.name,
    of,
    restoreTime: null,
    parallel: 1,
    keepExpired: false,
  };
  const directory = '/nonexistent/mongodb/data';
  const unused = (): never => {
    throw new Error('nothing is begun');
  };
  const loading = loadFromFiles(
    { ...input, users: false },
    {
      ...{ client, store, clock: systemClock, logger: silentLogger, signal: new AbortController().signal },
      ...{ onProgress: () => undefined, snapshotRoot: unused, scratch: { find: unused, start: unused } },
      openWorkplace: () => Promise.resolve({ directory, inPlace: true, store, remove: () => Promise.resolve() }),
    },
  );
  await expect(loading).rejects.toMatchObject({
    name: 'RecoveryFailed',
    message: expect.stringContaining(`${directory} is no data directory`) as string,
  });
  expect(await databases()).toEqual([]);
});

it('restores a source that carries the mark of a restore which did not finish, without the mark', async () => {
  const mark = { ns: 'holdfast_restore.old', uuid: 9, documents: [{ _id: 'restore', run: 'old', state: 'loading' }] };
  const entries = [rawEntry(2, { op: 'd', ns: mark.ns, ui: ui(9), o: { _id: 'restore' } })];
  const marked = await makeBackup(store, { collections: [...collections, mark], entries });
  expect(await restoreBackup(client, store, marked)).toMatchObject({ collections: 2 });
  expect(await databases()).toEqual(['db']);
});

class LyingStore extends MemoryObjectStore {
  override async getRange(...args: Parameters<MemoryObjectStore['getRange']>): Promise<Buffer> {
    return flip(20)(Buffer.from(await super.getRange(...args)));
  }
}

describe('damage that the storage does not tell of', () => {
  it('is found while loading, by the frame, and leaves the mark of a half-filled target', async () => {
    const [pack] = onlyPart(manifest).base.packs;
    const lying = new LyingStore();
    await makeBackup(lying, { collections });
    await expect(restoreBackup(client, lying, manifest)).rejects.toMatchObject({
      name: 'CorruptObject',
      message: expect.stringMatching(new RegExp(`${pack?.key ?? ''}.*SHA-256`)) as string,
    });
    expect(await markOf(client)).toMatchObject({ run: 'restore-1', state: 'loading' });
  });
});

describe('a target that must not be filled', () => {
  it('is refused when it holds data, and another name than its own does not help', async () => {
    await client.db('theirs').collection('x').insertOne({});
    const refused = { name: 'TargetNotEmpty', message: expect.stringContaining('theirs') as string };
    await expect(restoreBackup(client, store, manifest)).rejects.toMatchObject(refused);
    const mistyped = restoreBackup(client, store, manifest, { overwrite: 'another:1' });
    await expect(mistyped).rejects.toMatchObject({ name: 'TargetNotEmpty' });
    expect(await databases()).toEqual(['theirs']);
  });

  it('is refused for a user collection in admin', async () => {
    await client.db('admin').collection('theirs').insertOne({});
    await expect(restoreBackup(client, store, manifest)).rejects.toMatchObject({ name: 'TargetNotEmpty' });
    await client.db('admin').collection('theirs').drop();
  });

  it('is named as what a dead run left, and begun anew by the same run', async () => {
    await writeMark(client, { run: 'dead', state: 'loading', at: new Date(0) });
    await client.db('db').collection('c').insertOne({});
    await expect(restoreBackup(client, store, manifest)).rejects.toThrow(/restore run dead left/);
    const result = await restoreBackup(client, store, manifest, { runId: 'dead' });
    expect(result.documents).toBe(3);
    expect(await databases()).toEqual(['db']);
  });

  it('is refused when it is the deployment that was backed up, by its replica set id or its hosts', async () => {
    const reply = await set.client().db('admin').command({ replSetGetConfig: 1 });
    const { settings } = reply['config'] as { settings: { replicaSetId: { toHexString(): string } } };
    const part = onlyPart(manifest);
    const members = [{ host: set.members[0]?.host }] as typeof part.topology.members;
    const topologies = [
      { ...part.topology, replicaSetId: settings.replicaSetId.toHexString() },
      { ...part.topology, members },
    ];
    for (const topology of topologies) {
      const source = { ...manifest, parts: [{ ...part, topology }] };
      await expect(restoreBackup(set.client(), store, source)).rejects.toMatchObject({ name: 'TargetIsSource' });
    }
  });

  it('is refused when it is no primary, or older than the source', async () => {
    const hidden = restoreBackup(set.clientFor(set.hidden), store, manifest);
    await expect(hidden).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: expect.stringMatching(/not a writable primary/) as string,
    });
    await refuses({ ...manifest, serverVersion: '99.1.0' }, { name: 'TargetNotSuitable' });
    await refuses({ ...manifest, featureCompatibilityVersion: '99.1' }, { name: 'TargetNotSuitable' });
  });

  it('is refused to a user without the restore role, naming what is missing', async () => {
    const admin = target.client().db('admin');
    await admin.command({ createUser: 'weak', pwd: 'for this test', roles: ['root'] });
    const { MongoClient: Client } = await import('mongodb');
    const auth = { username: 'weak', password: 'for this test' };
    await using weak = new Client(target.uri, { auth });
    await expect(restoreBackup(weak, store, manifest)).rejects.toMatchObject({
      name: 'MissingPrivileges',
      message: expect.stringContaining('anyAction on any resource') as string,
    });
    const wrong = new Client(target.uri, { auth: { ...auth, password: 'wrong' } });
    await expect(restoreBackup(wrong, store, manifest)).rejects.toMatchObject({ name: 'AuthenticationFailed' });
    await wrong.close();
  });

  it('is refused when nothing answers', async () => {
    const { MongoClient: Client } = await import('mongodb');
    await using nobody = new Client('mongodb://127.0.0.1:9/?directConnection=true', { serverSelectionTimeoutMS: 200 });
    await expect(restoreBackup(nobody, store, manifest)).rejects.toMatchObject({ name: 'TargetUnreachable' });
  });
});

describe('a write that the target rejects', () => {
  it('fails the restore, naming the namespace and the error', async () => {
    const strange = [{ ns: 'db.c', uuid: 1, documents: [{ _id: 1 }, { _id: [1] }] }];
    await expect(restoreBackup(client, store, await makeBackup(store, { collections: strange }))).rejects.toMatchObject(
      {
        name: 'RestoreRejected',
        message: expect.stringMatching(/db\.c.*_id.*\(code \d+\)/) as string,
      },
    );
  });
});
