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
});
