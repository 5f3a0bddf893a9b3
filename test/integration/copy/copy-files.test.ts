import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BSON } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectorySnapshots } from '../../../src/adapters/directory/data-directory-snapshots.ts';
import { MemoryObjectStore } from '../../../src/adapters/memory/memory-object-store.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import type { PlannedVolume } from '../../../src/domain/run.ts';
import { copyFiles, type CopyFilesDeps } from '../../../src/engine/copy/copy-files.ts';
import { readMountedVolume } from '../../../src/engine/copy/mounted-volume.ts';
import { scanDataDirectory } from '../../../src/engine/copy/scan-data-directory.ts';
import { readFileIndex } from '../../../src/engine/packs/file-index.ts';
import { joinFrames, readFrames } from '../../../src/engine/packs/pack-reader.ts';
import { noLogger } from '../../support/no-logger.ts';
import { systemClock } from '../../support/take-backup.ts';

const MiB = 1024 * 1024;
const turtle = 'file:WiredTiger.wt\naccess_pattern_hint=none,encryption=(keyid=,name=),format=btree\n';

let root: string;
let store: MemoryObjectStore;
let state: MemoryObjectStore;

async function put(path: string, bytes: string | Buffer): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), bytes);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-copy-'));
  store = new MemoryObjectStore();
  state = new MemoryObjectStore();
  await put('WiredTiger.turtle', turtle);
  const options = { directoryPerDB: true, directoryForIndexes: false };
  await put('storage.bson', Buffer.from(BSON.serialize({ storage: { engine: 'wiredTiger', options } })));
  await put('shop/collection-1.wt', randomBytes(9 * MiB + 17));
  await put('shop/collection-2.wt', randomBytes(4 * MiB));
  await put('journal/WiredTigerLog.0000000001', Buffer.alloc(6 * MiB));
  await put('sizeStorer.wt', '');
  await put('diagnostic.data/metrics', 'x');
  await put('mongod.lock', '42\n');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const copy = (attempt: number, deps: Partial<CopyFilesDeps> = {}, snapshot = 'copy-1') =>
  copyFiles(
    {
      ...{
        backupId: 'b',
        part: 'rs0',
        partPrefix: 'orders/backups/b/rs0/',
        attempt,
        codec: 'zstd',
        level: 1,
        parallel: 2,
      },
      ...{ root, snapshot, member: 'h:1', maxPackBytes: 5 * MiB },
    },
    {
      ...{ store, clock: systemClock, logger: noLogger, signal: new AbortController().signal },
      checkFence: () => Promise.resolve(),
      checkpoints: { store: state, prefix: 'runs/r/checkpoints/rs0/' },
      onProgress: () => undefined,
      ...deps,
    },
  );

/** What the packs hold, by file: SHA-256 of its bytes. */
async function stored({ index: written }: Awaited<ReturnType<typeof copy>>): Promise<Record<string, string>> {
  const index = await readFileIndex(store, written);
  const keyOf = (pack: string) => `orders/backups/b/rs0/packs/${pack}.pack`;
  const found: Record<string, string> = {};
  for (const { file } of index.files) {
    const bytes: Buffer[] = [];
    for (const run of joinFrames(index.pieces.of(file), 8 * MiB))
      for await (const { raw } of readFrames({ store, codec: index.codec, keyOf }, run)) bytes.push(raw);
    found[file] = hash('sha256', Buffer.concat(bytes));
  }
  return found;
}

async function source(): Promise<Record<string, string>> {
  const { files } = await scanDataDirectory({ root, member: 'h:1', followLinks: false });
  const hashes = files.map(async ({ path }) => [path, hash('sha256', await readFile(join(root, path)))] as const);
  return Object.fromEntries(await Promise.all(hashes));
}

/** Ends the copy once so many packs are stored and written down. */
async function interruptedAfter(packs: number): Promise<void> {
  const abort = new AbortController();
  let begun = 0;
  const checkFence = () => {
    if ((begun += 1) > packs) abort.abort(new TypeError('the worker was told to end'));
    return Promise.resolve();
  };
  await expect(copy(1, { signal: abort.signal, checkFence })).rejects.toThrow('told to end');
}

const packsOf = ({ packs }: Awaited<ReturnType<typeof copy>>) => packs.map(({ key }) => key.slice(-15, -11));

describe('copying a data directory', () => {
  it('stores every file that belongs, byte for byte, and nothing else', async () => {
    const copied = await copy(1);
    expect(await stored(copied)).toEqual(await source());
    expect(Object.keys(await stored(copied)).sort()).toEqual([
      ...['WiredTiger.turtle', 'journal/WiredTigerLog.0000000001', 'shop/collection-1.wt', 'shop/collection-2.wt'],
      ...['sizeStorer.wt', 'storage.bson'],
    ]);
    expect(copied.storedBytes).toBeLessThan(copied.rawBytes);
  });

  it('goes on behind the pieces that an earlier attempt stored', async () => {
    await interruptedAfter(2);
    const copied = await copy(2);
    expect(await stored(copied)).toEqual(await source());
    expect(new Set(packsOf(copied))).toEqual(new Set(['0001', '0002']));
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['a pack is gone', () => store.delete(['orders/backups/b/rs0/packs/0001-00001.pack']), 'copy-1'],
    ['the snapshot is another one', () => Promise.resolve(), 'copy-2'],
    [
      'a checkpoint is damaged',
      async () => {
        for await (const { key } of state.list('')) await state.put(key, Buffer.from('nonsense'));
      },
      'copy-1',
    ],
  ])('reads again what cannot be used any more: %s', async (_, damage, snapshot) => {
    await interruptedAfter(2);
    await damage();
    const copied = await copy(2, {}, snapshot);
    expect(await stored(copied)).toEqual(await source());
  });

  it.each(['Cancelled', 'WorkerLost'] as const)(
    'ends when given up (%s) where the storage takes nothing',
    async (name) => {
      const reason = new HoldfastError(name, 'given up');
      const abort = new AbortController();
      store.putStream = async (_key, _source, options) => {
        abort.abort(reason);
        if (options?.signal?.aborted === false) await once(options.signal, 'abort');
        throw reason;
      };
      // The time in which what was read may be stored still is over at once.
      const clock = { now: () => new Date(), sleep: () => Promise.resolve() };
      await expect(copy(1, { signal: abort.signal, clock })).rejects.toBe(reason);
    },
  );

  it('fails when a file changes while it is read, and says which', async () => {
    // More than is in memory at once: it is not read to its end before the first pack is begun.
    const file = join(root, 'shop/collection-1.wt');
    await truncate(file, 64 * MiB);
    const checkFence = () => appendFile(file, 'more');
    await expect(copy(1, { checkFence })).rejects.toMatchObject({
      name: 'CorruptSource',
      message: expect.stringContaining('shop/collection-1.wt') as string,
    });
  });
});

describe('a data directory that cannot be used', () => {
  const scan = (followLinks = false) => scanDataDirectory({ root, member: 'h:1', followLinks });

  it('is refused when it is encrypted at rest, is none, or holds a link to elsewhere on a volume', async () => {
    await put('WiredTiger.turtle', turtle.replace('name=)', 'name=AES256-CBC)'));
    await expect(scan()).rejects.toMatchObject({
      name: 'VolumeLayoutUnsupported',
      message: expect.stringContaining('AES256') as string,
    });
    await put('WiredTiger.turtle', turtle);
    await symlink(tmpdir(), join(root, 'elsewhere'));
    await expect(scan()).rejects.toMatchObject({
      name: 'VolumeLayoutUnsupported',
      message: expect.stringContaining('elsewhere') as string,
    });
    await rm(join(root, 'WiredTiger.turtle'));
    await rm(join(root, 'elsewhere'));
    await expect(scan()).rejects.toMatchObject({ name: 'VolumeNotFound' });
  });

  it('may hold sockets and links in a circle; the first are left out, the second are refused', async () => {
    const server = createServer().listen(join(root, 'mongodb-1.socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    expect((await scan()).files.map(({ path }) => path)).not.toContain('mongodb-1.socket');
    server.close();
    await symlink(root, join(root, 'shop/circle'));
    await expect(scan(true)).rejects.toMatchObject({ name: 'VolumeLayoutUnsupported' });
  });
});

describe('a copy of a local data directory', () => {
  const volume = (): PlannedVolume => ({
    ...{
      type: 'directory',
      volumes: [root],
      instance: null,
      filesystem: null,
      dataPath: '',
      atOnce: false,
      reason: root,
    },
  });

  it('holds the same bytes, also of a journal that lies behind a link, and what mongod must be started with', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
    const place = await mkdtemp(join(tmpdir(), 'holdfast-snapshots-'));
    try {
      await writeFile(
        join(outside, 'WiredTigerLog.0000000001'),
        Buffer.concat([randomBytes(5 * MiB), Buffer.alloc(9 * MiB)]),
      );
      await rm(join(root, 'journal'), { recursive: true });
      await symlink(outside, join(root, 'journal'));
      const snapshots = new DataDirectorySnapshots(place);
      const owner = { runId: 'r', part: 'rs0' };
      const taken = await snapshots.create({
        ...owner,
        deployment: 'orders',
        member: 'h:1',
        volume: volume(),
        keep: false,
      });
      const { layout, state: progress } = await snapshots.look(owner);
      expect({ layout, progress }).toMatchObject({
        progress: 'completed',
        layout: { directoryPerDb: true, links: [{ path: 'journal', target: outside }] },
      });
      const copied = taken.snapshots[0]?.id ?? '';
      for (const file of ['journal/WiredTigerLog.0000000001', 'shop/collection-1.wt'])
        expect(hash('sha256', await readFile(join(copied, file)))).toBe(
          hash('sha256', await readFile(join(root, file))),
        );
      await snapshots.delete(owner);
      expect(
        await snapshots.adopt({ ...owner, deployment: 'orders', member: 'h:1', volume: volume(), keep: false }),
      ).toBeUndefined();
    } finally {
      await rm(outside, { recursive: true });
      await rm(place, { recursive: true });
    }
  });
});

describe('a volume that was made from a snapshot', () => {
  const look = (dataPath: string, oplogFile?: string, mount = root) =>
    readMountedVolume({ mount, dataPath, member: 'h:1', oplogFile });

  it('is laid out as its own files say, and is known by the file of the oplog', async () => {
    const layout = { directoryPerDb: true, directoryForIndexes: false, links: [] };
    expect(await look('', 'shop/collection-1.wt')).toMatchObject(layout);
    await expect(look('', 'collection-1--77.wt')).rejects.toMatchObject({
      ...{
        name: 'VolumeNotFound',
        message: expect.stringMatching(/data of another server, without the file collection-1--77\.wt/) as string,
      },
    });
  });

  it('that has its data elsewhere says where', async () => {
    await mkdir(join(root, 'lost+found'));
    await expect(look('data/db')).rejects.toMatchObject({
      ...{
        name: 'VolumeNotFound',
        message: expect.stringMatching(/no data directory at data\/db: it lies at \./) as string,
      },
    });
    const above = await mkdtemp(join(tmpdir(), 'holdfast-above-'));
    await rename(root, join(above, 'inner'));
    root = join(above, 'inner');
    await expect(look('', undefined, above)).rejects.toMatchObject({
      ...{
        message: expect.stringContaining('it lies at inner') as string,
        next: expect.stringMatching(/ebs\.dataPath/) as string,
      },
    });
    await expect(look('', undefined, join(root, 'lost+found'))).rejects.toMatchObject({
      message: expect.stringMatching(/none was found/) as string,
    });
    root = above;
  });

  it('whose files lead elsewhere is refused', async () => {
    await rm(join(root, 'journal'), { recursive: true });
    // Of another volume, which a worker has not: the link leads nowhere.
    await symlink('/mnt/other-volume/journal', join(root, 'journal'));
    await expect(look('')).rejects.toMatchObject({
      ...{
        name: 'VolumeLayoutUnsupported',
        message: expect.stringMatching(/holds journal, a symbolic link/) as string,
      },
    });
  });
});
