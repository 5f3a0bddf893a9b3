import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../adapters/process/reaper.ts';
import type { TemporaryFolder } from '../application/ports/temporary-folder.ts';

/** Below the system's directory for temporary files, or what TMPDIR names. */
export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  return folderAt(await makeOwnDirectory('restore'), removeOwnDirectory);
}

/** On a volume that goes with this process' task. */
export async function makeFolderOn(mountPoint: string): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(mountPoint, 'restore-'));
  return folderAt(path, () => rm(path, { recursive: true, force: true }));
}

function folderAt(path: string, remove: (path: string) => Promise<void>): TemporaryFolder {
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
      await remove(path);
    },
  };
}
