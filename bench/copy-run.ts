import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { JsonLogger } from '../src/adapters/process/json-logger.ts';
import { SystemClock } from '../src/adapters/process/system-clock.ts';
import { artifactKeys } from '../src/domain/names.ts';
import { copyFiles } from '../src/engine/copy/copy-files.ts';
import { measureSelf } from './measure-self.ts';
import { NowhereStore } from './nowhere-store.ts';

/** One run of bench/copy.ts in a process of its own: variant, data directory, folder for the packs. */
const [variant = '', root = '', folder = ''] = process.argv.slice(2);
const directory = variant.endsWith('directory')
  ? new DirectoryObjectStore({ root: folder, description: 'bench' })
  : undefined;
const clock = new SystemClock();

await measureSelf(
  async () => {
    const { files, rawBytes, storedBytes, index } = await copyFiles(
      {
        ...{ backupId: 'bench', part: 'rs0', partPrefix: artifactKeys.part('bench', 'bench', 'rs0'), attempt: 1 },
        ...{ codec: 'zstd', level: 1, parallel: 4, root, snapshot: root, member: 'bench' },
      },
      {
        store: directory ?? new NowhereStore(),
        ...{ clock, logger: new JsonLogger({ clock, level: 'error' }), signal: new AbortController().signal },
        checkFence: () => Promise.resolve(),
        onProgress: () => undefined,
      },
    );
    return { files, rawBytes, storedBytes, index };
  },
  async () => {
    await directory?.close();
  },
);
