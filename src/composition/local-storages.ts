import { DirectoryObjectStore } from '../adapters/directory/directory-object-store.ts';
import type { StorageSettings } from '../domain/settings.ts';

/** The artifact storages of one process: each place is opened once, and given back at the end. */
export class LocalStorages {
  readonly #open = new Map<string, DirectoryObjectStore>();

  /** The adapter by the storage's type. */
  open(settings: StorageSettings): DirectoryObjectStore {
    const { name, path: root } = settings;
    const store =
      this.#open.get(root) ?? new DirectoryObjectStore({ root, description: `storage ${name} (directory ${root})` });
    this.#open.set(root, store);
    return store;
  }

  async close(): Promise<void> {
    for (const store of this.#open.values()) await store.close();
    this.#open.clear();
  }
}
