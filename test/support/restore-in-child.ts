import { readFile } from 'node:fs/promises';
import { MongoClient } from 'mongodb';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import type { Manifest } from '../../src/domain/manifest.ts';
import type { RestorePartInput } from '../../src/engine/restore/restore-part.ts';
import { restoreBackup } from './restore-backup.ts';

/** A restore alone in its process, so that its memory can be told: `<uri> <folder> <manifest> <parallel> [<input>]`. */
const [uri = '', root = '', file = '', parallel = '4', input = '{}'] = process.argv.slice(2);
const client = new MongoClient(uri);
const manifest = JSON.parse(await readFile(file, 'utf8')) as Manifest;
const store = new DirectoryObjectStore({ root });
const { documents } = await restoreBackup(client, store, manifest, {
  parallel: Number(parallel),
  ...(JSON.parse(input) as Partial<RestorePartInput>),
});
await client.close();
// Not resourceUsage().maxRSS: across fork and exec a process inherits that of its parent.
const status = await readFile('/proc/self/status', 'utf8');
console.log(JSON.stringify({ documents, peakMiB: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024 }));
