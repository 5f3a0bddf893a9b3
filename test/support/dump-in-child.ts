import { readFile } from 'node:fs/promises';
import { MongoClient } from 'mongodb';
import { DirectoryObjectStore } from '../../src/adapters/directory/directory-object-store.ts';
import { SystemClock } from '../../src/adapters/process/system-clock.ts';
import { dumpPart } from '../../src/engine/dump/dump-part.ts';

/** A dump alone in its process, as the worker runs it, so that its memory can be told: `<host> <set> <folder> <codec> <parallel>`. */
const [host = '', replicaSet = '', folder = '', codec = 'zstd', parallel = '4'] = process.argv.slice(2);
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const client = new MongoClient(`mongodb://${host}/?directConnection=true`);
const { base } = await dumpPart(
  {
    ...{ backupId: 'b', runId: 'r', deployment: 'd', part: 'p', partPrefix: 'd/backups/b/p/', attempt: 1, fence: 1 },
    ...{ codec: codec === 'none' ? 'none' : 'zstd', level: 1, parallel: Number(parallel), member: host, replicaSet },
    ...{ replicaSetId: '', toolVersion: '' },
  },
  {
    ...{ client, store: new DirectoryObjectStore({ root: folder }), clock: new SystemClock(), logger: silent },
    ...{ signal: new AbortController().signal, onProgress: () => undefined, checkFence: () => Promise.resolve() },
  },
);
await client.close();
// Not resourceUsage().maxRSS: across fork and exec a process inherits that of its parent.
const status = await readFile('/proc/self/status', 'utf8');
const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
console.log(JSON.stringify({ documents: base.documents, peakMiB }));
