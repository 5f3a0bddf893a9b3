import { readFile } from 'node:fs/promises';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { LocalScratchServers } from '../src/adapters/process/local-scratch-servers.ts';
import { recoverFiles } from '../src/engine/recover/recover-files.ts';
import type { BenchBackup } from './backup-to-restore.ts';
import { measureSelf } from './measure-self.ts';

/**
 * One recovery of copied files, alone in its process: `node bench/recover-run.ts <directory> <backup.json> <seconds>:<increment>`, the
 * time that is restored to. Prints one line of JSON.
 */

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const [directory = '', file = '', time = '0:0'] = process.argv.slice(2);
const [t = 0, i = 0] = time.split(':').map(Number);
const { folder, manifest } = JSON.parse(await readFile(file, 'utf8')) as BenchBackup;
const store = new DirectoryObjectStore({ root: folder });
const slices = (manifest.parts[0]?.oplog?.slices ?? []).map((slice) => ({ store, slice }));

await measureSelf(
  async () => {
    const { appended, seconds } = await recoverFiles(
      {
        ...{ directory, slices, serverVersion: manifest.serverVersion },
        restoreTime: { t, i },
      },
      {
        ...{ scratch: new LocalScratchServers(), logger: silent, signal: new AbortController().signal },
        onAppended: () => undefined,
      },
    );
    return { entries: appended, appendSeconds: seconds.append, recoverySeconds: seconds.replay };
  },
  () => Promise.resolve(),
);
