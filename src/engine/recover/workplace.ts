import { join } from 'node:path';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { TemporaryFolder } from '../../application/ports/temporary-folder.ts';

/** Where files become collections on their way to a running server. */
export interface Workplace {
  /** Of the files; absolute. */
  readonly directory: string;
  /** The files of a snapshot are there already: the directory is on a volume that was made from it, and goes with this work. */
  readonly inPlace: boolean;
  /** For the collections. */
  readonly store: ObjectStore;
  remove(): Promise<void>;
}

/** Room for both in one folder. */
export function workplaceIn(folder: TemporaryFolder): Workplace {
  return {
    directory: join(folder.path, 'files'),
    inPlace: false,
    store: folder.openStore('collections'),
    remove: () => folder.remove(),
  };
}
