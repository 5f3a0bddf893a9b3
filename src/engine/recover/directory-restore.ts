import type { Clock } from '../../application/ports/clock.ts';
import type { ObjectStore } from '../../application/ports/object-store.ts';
import type { SnapshotFacts } from '../../domain/base.ts';
import type { Manifest } from '../../domain/manifest.ts';
import type { RestoreResult } from '../../domain/restore-result.ts';
import type { Timestamp } from '../../domain/timestamp.ts';
import type { SliceInStore } from '../oplog/read-slices.ts';
import type { RestoreProgress } from '../restore/restore-part.ts';
import type { RecoverDeps } from './recover-files.ts';

export interface DirectoryRestore {
  readonly runId: string;
  readonly manifest: Manifest;
  readonly part: string;
  /** Null for a standalone's snapshot, which is of its own time. */
  readonly restoreTime: Timestamp | null;
  /** Slices of the oplog archive, in order, that lead on from the backup's own; none for a time that those reach. */
  readonly archived?: readonly SliceInStore[] | undefined;
  /** Absolute. */
  readonly directory: string;
  readonly overwrite?: string | undefined;
  readonly parallel: number;
  /** The files of a snapshot are there already: the directory is on a volume that was made from it. */
  readonly inPlace?: boolean;
  /** Whether every block of a snapshot's files is read and compared with its checksum; default: true. */
  readonly validate?: boolean;
}

/** Where the data directory of a kept snapshot is to be read. @throws MethodNotAvailable where it can't be read from here */
export type SnapshotRoot = (snapshot: SnapshotFacts) => string;

export interface DirectoryRestoreDeps extends Omit<RecoverDeps, 'onAppended'> {
  /** The storage that holds the backup. */
  readonly store: ObjectStore;
  readonly snapshotRoot: SnapshotRoot;
  readonly clock: Clock;
  readonly onProgress: (progress: RestoreProgress) => void;
}

/** What filled the directory, files of a member or collections, says of it. */
export interface Filled {
  readonly oplog: RestoreResult['oplog'];
  /** Options of mongod that the files want. */
  readonly layout: readonly string[];
  readonly seconds: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
  /** UUIDs of collections whose fast counts are to be set right. */
  readonly uncounted?: readonly string[];
}

export type FillInput<Part> = DirectoryRestore & { readonly of: Part };

export const noProgress: RestoreProgress = {
  ...{ phase: 'check', documents: 0, rawBytes: 0, totalBytes: 0, entries: 0, totalEntries: 0 },
};
