import type { ObjectStore } from './object-store.ts';

/** Room on this machine for the time of one piece of work: gone with this process at the latest. */
export interface TemporaryFolder {
  /** Absolute, and empty at first. */
  readonly path: string;
  /** A storage in a folder of it. */
  openStore(name: string): ObjectStore;
  remove(): Promise<void>;
}

export type MakeTemporaryFolder = () => Promise<TemporaryFolder>;
