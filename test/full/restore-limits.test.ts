import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Binary } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { workerFlags } from '../../src/adapters/process/worker-process.ts';
import { makeBackup } from '../support/handmade-backup.ts';
import { storeSlice } from '../support/made-slices.ts';
import { rawEntry, ui } from '../support/oplog-entries.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '..', 'support', 'restore-in-child.ts');

describe('limits of the restore', () => {
  let target: StandaloneServer;
  let folder: string;
  beforeAll(async () => {
    target = await startStandalone();
    // A document of 16 MiB does not fit into the cache that test servers start with.
    const cache = { setParameter: 1, wiredTigerEngineRuntimeConfig: 'cache_size=1G' };
    await target.client().db('admin').command(cache);
    folder = await mkdtemp(join(tmpdir(), 'holdfast-restore-limits-'));
  });
  afterAll(async () => {
    await target.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('documents of 16 MiB, eight connections: at most 512 MiB', async () => {
    const body = () => new Binary(randomBytes(16 * 1024 * 1024 - 100));
    const collections = Array.from({ length: 24 }, (_, n) => ({
      ...{ ns: `large.c${n}`, uuid: n + 1, documents: [{ _id: 1, body: body() }] },
    }));
    const manifest = await makeBackup(new DirectoryObjectStore({ root: folder }), { collections });
    const file = join(folder, 'manifest.json');
    await writeFile(file, JSON.stringify(manifest));
    const { stdout } = await run(process.execPath, [...workerFlags, script, target.uri, folder, file, '8']);
    const { documents, peakMiB } = JSON.parse(stdout) as { documents: number; peakMiB: number };
    console.log(`restore: peak ${Math.round(peakMiB)} MiB`);
    expect(documents).toBe(24);
    expect(peakMiB).toBeLessThan(512);
  });

  test('an oplog of 640 MB in 80 slices, which are not held at once: at most 384 MiB', async () => {
    const store = new DirectoryObjectStore({ root: join(folder, 'oplog') });
    const body = (n: number) => new Binary(Buffer.alloc(4_000_000, n % 251));
    const documents = [0, 1, 2, 3].map((_id) => ({ _id, body: body(0) }));
    const made = await makeBackup(store, { collections: [{ ns: 'shop.orders', uuid: 7, documents }] });
    const [part] = made.parts;
    if (!part?.oplog) throw new TypeError('a part with an oplog was expected');
    const slices = [...part.oplog.slices];
    let last = rawEntry(1, { op: 'n', ns: '', o: { msg: 'start' } });
    for (let i = 2; i <= 160; i += 2) {
      const entries = [i, i + 1].map((n) => {
        const _id = n % 4;
        return rawEntry(n, { op: 'u', ns: 'shop.orders', ui: ui(7), o: { _id, body: body(n) }, o2: { _id } });
      });
      const slice = await storeSlice(store, [last, ...entries]);
      slices.push({ ...slice, crc32: await store.checksum(slice.key) });
      last = entries[1] ?? last;
    }
    const end = slices.at(-1)?.to ?? part.point;
    const manifest = { ...made, restoreTime: end?.ts, parts: [{ ...part, oplog: { ...part.oplog, to: end, slices } }] };
    const file = join(folder, 'oplog.json');
    await writeFile(file, JSON.stringify(manifest));
    const input = JSON.stringify({ overwrite: target.host });
    const args = [script, target.uri, join(folder, 'oplog'), file, '2', input];
    const { stdout } = await run(process.execPath, [...workerFlags, ...args]);
    const { peakMiB } = JSON.parse(stdout) as { peakMiB: number };
    console.log(`restore over ${slices.length} slices: peak ${Math.round(peakMiB)} MiB`);
    const found = await target
      .client()
      .db('shop')
      .collection<{ _id: number }>('orders')
      .find()
      .sort({ _id: 1 })
      .toArray();
    expect(found.map((document) => (document as unknown as { body: Binary }).body.buffer[0])).toEqual(
      [160, 161, 158, 159].map((n) => n % 251),
    );
    expect(slices).toHaveLength(81);
    expect(peakMiB).toBeLessThan(384);
  });
});
