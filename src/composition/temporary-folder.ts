import { join } from 'node:path';
import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../adapters/process/reaper.ts';
import type { TemporaryFolder } from '../application/ports/temporary-folder.ts';

/** Below the system's directory for temporary files, or what TMPDIR names. */
export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  const path = await makeOwnDirectory('restore');
  const stores: DirectoryObjectStore[] = [];
  return {
    path,
    openStore(name) {
      const store = new DirectoryObjectStore({ root: join(path, name), description: `temporary folder ${path}` });
      stores.push(store);
      return store;
    },
    async remove() {
      for (const store of stores) await store.close();
      await removeOwnDirectory(path);
    },
  };
}
