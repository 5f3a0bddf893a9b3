import type { Manifest } from '../../domain/manifest.ts';
import type { StepError } from '../../domain/run-documents.ts';
import type { BackupRequest, Outcome, Progress, RestoreRequest } from '../../domain/run.ts';

export interface RunStatus {
  readonly runId: string;
  readonly workflow: 'backup' | 'restore';
  readonly deployment: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly status: 'running' | 'succeeded' | 'failed' | 'cancelled' | 'duplicate' | 'interrupted';
  /** The state that the workflow is in, or ended in. */
  readonly state: string | null;
  readonly progress: readonly Progress[];
  /** The try that failed last, while the run goes on and has not come further since: it waits for its next one. */
  readonly lastFailure?: Pick<StepError, 'state' | 'attempt' | 'at' | 'error'>;
  readonly output: unknown;
  readonly error: Outcome['error'];
}

export interface BackupSummary {
  readonly backupId: string;
  readonly deployment: string;
  readonly storage: string;
  readonly method: string;
  readonly restoreTime: { readonly t: number; readonly i: number } | null;
  readonly createdAt: string;
  readonly finishedAt: string;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** Null where nobody has counted: a physical base is files. */
  readonly documents: number | null;
  readonly warnings: number;
}

/** A moment of a replica set's history. */
interface Moment {
  readonly t: number;
  readonly i: number;
}

export interface WindowHoleReport {
  /** The last time before it that can be restored to, and the first one after it. */
  readonly from: Moment;
  readonly to: Moment;
  /** For people. */
  readonly reason: string;
  readonly gaps: readonly {
    readonly reason: string;
    readonly after: Moment;
    readonly before: Moment;
    readonly foundAt: string;
    readonly explanation: string;
  }[];
}

/** What a restore to that time would read. */
export interface ServingReport {
  readonly time: Moment;
  /** Null: the time can't be restored to. */
  readonly backup: {
    readonly backupId: string;
    readonly storage: string;
    readonly method: string;
    readonly point: Moment;
  } | null;
  /** Of the archive, after the backup's own. */
  readonly slices: readonly {
    readonly storage: string;
    readonly key: string;
    readonly from: Moment;
    readonly to: Moment;
  }[];
}

export interface ReplicaSetWindow {
  readonly replicaSet: string;
  readonly replicaSetId: string | null;
  /** Times that can be restored to, both ends included. */
  readonly ranges: readonly { readonly from: Moment; readonly to: Moment }[];
  readonly holes: readonly WindowHoleReport[];
  /** Slices that nobody can read, as long as no gap was recorded for them: chains end before them. */
  readonly unreadable: readonly {
    readonly storage: string;
    readonly key: string;
    readonly from: Moment;
    readonly reason: string;
  }[];
  /** The archiver comes no further since then (ISO 8601), long enough that it was told; left out while it goes on. */
  readonly stalled?: { readonly since: string; readonly why: string };
  readonly latest: Moment | null;
  /**
   * What would be lost now, in seconds: how long ago the latest time is. Null: everything. Negative: not known, because the
   * set's time is so far ahead of the clock here.
   */
  readonly rpoSeconds: number | null;
  readonly backups: number;
  readonly slices: number;
  readonly archivedBytes: number;
  readonly serving?: ServingReport;
}

export interface RecoveryWindowReport {
  readonly deployment: string;
  /** ISO 8601. */
  readonly now: string;
  /** Nothing is archived yet, and turns fail, long enough that it was told; left out where they do not. */
  readonly stalled?: { readonly since: string; readonly why: string };
  /** One for each set that backups or archives are of, the one with the latest time first. */
  readonly replicaSets: readonly ReplicaSetWindow[];
}

/** What was pruned of one archive, or would be. */
export interface PrunedArchive {
  readonly deployment: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly storage: string;
  /** Every later time that could be restored to still can. */
  readonly promisedFrom: Moment;
  readonly slices: number;
  readonly bytes: number;
  /** The last entry of what went; null for nothing. */
  readonly upTo: Moment | null;
  /** Slices that stay. */
  readonly kept: number;
}

/** What a turn of the check found in one archive. */
export interface CheckedArchive {
  readonly deployment: string;
  readonly replicaSet: string;
  readonly replicaSetId: string;
  readonly storage: string;
  /** `more`: the round goes on with the next turn. `notDue`: the last round was within a day. */
  readonly status: 'whole' | 'lost' | 'replaced' | 'more' | 'notDue';
  /** That this turn looked at. */
  readonly slices: number;
  /** What this turn found, and recorded as gaps. */
  readonly losses: readonly { readonly after: Moment; readonly before: Moment; readonly damaged: readonly string[] }[];
  /** Slices that are whole and hold something else than when they were looked at before. */
  readonly replaced: readonly string[];
}

/** What one turn of the archive did for one replica set. */
export interface ArchiveTurnReport {
  readonly replicaSet: string;
  /**
   * `archived`: slices were written. `idle`: nothing but empty entries happened. `behind`: the member is behind the archive.
   * `busy`: another archiver works. `off`: the archive is not enabled.
   */
  readonly status: 'archived' | 'idle' | 'behind' | 'busy' | 'off';
  /** The last archived entry, `t:i`; null for none. */
  readonly archivedTo: string | null;
  /** Up to it the source did nothing that is not archived. */
  readonly checkedTo: string | null;
  readonly slices: number;
  readonly entries: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** More waits than the turn took. */
  readonly more: boolean;
  readonly member: string | null;
}

export interface ArchivedSet {
  readonly turn: ArchiveTurnReport;
  /** The backup that was started because of a gap; null for none. */
  readonly base: { readonly status: string; readonly runId: string | null } | null;
}

export interface CheckArchiveRequest {
  readonly deployment: string;
  /** How long the turn may read. */
  readonly seconds: number;
  /** Also when the last round was within a day. */
  readonly now: boolean;
}

/** The product as the CLI and a console see it: in process (embedded) or by the API. */
export interface HoldfastClient {
  /** Starts a run and returns at once. Embedded: the run lives in this process; await {@link waitForRun}. */
  startBackup(request: BackupRequest): Promise<{ readonly runId: string }>;
  startRestore(request: RestoreRequest): Promise<{ readonly runId: string }>;
  /** Resolves when the run has ended, however; `onChange` gets its status about once a second and at each new state. */
  waitForRun(runId: string, onChange?: (status: RunStatus) => void): Promise<RunStatus>;
  listBackups(filter: {
    readonly deployment?: string;
    readonly storage?: string;
    readonly since?: Date;
  }): Promise<readonly BackupSummary[]>;
  /** @throws UnknownBackup, UnsupportedFormat, VerificationFailed (a manifest that was changed) */
  describeBackup(backupId: string): Promise<Manifest>;
  /** To which times a deployment can be restored; with `at` also by what. @throws UnknownDeployment, InvalidInput */
  recoveryWindow(request: { readonly deployment: string; readonly at?: string }): Promise<RecoveryWindowReport>;
  /** Deletes what retention lets go of oplog archives. @throws UnknownDeployment, VerificationFailed, UnsupportedFormat */
  prune(request: { readonly deployment?: string; readonly dryRun: boolean }): Promise<readonly PrunedArchive[]>;
  /** One run, or the newest twenty. @throws UnknownRun */
  status(runId?: string): Promise<readonly RunStatus[]>;
  /** Asks a run to stop and clean up; resolves when the request is durable. @throws UnknownRun */
  cancel(runId: string): Promise<void>;
  /**
   * Starts a new run with the request of one that failed, was cancelled or was interrupted.
   * @throws UnknownRun, InvalidInput (it runs, succeeded, or must be asked for anew)
   */
  retry(
    runId: string,
    requestedBy: string,
  ): Promise<{ readonly runId: string; readonly workflow: 'backup' | 'restore' }>;
  /**
   * One turn of the oplog archive. Left out where the product does it by itself: on AWS a rule starts a turn every minute.
   * @throws what a turn fails with
   */
  archiveOplog?(deployment: string): Promise<readonly ArchivedSet[]>;
  /**
   * One turn of checking what is archived. Left out where the product does it by itself, once a day.
   * @throws what the check fails with
   */
  checkArchive?(request: CheckArchiveRequest): Promise<readonly CheckedArchive[]>;
  close(): Promise<void>;
}
