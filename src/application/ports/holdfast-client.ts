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
  /** One run, or the newest twenty. @throws UnknownRun */
  status(runId?: string): Promise<readonly RunStatus[]>;
  /** Asks a run to stop and clean up; resolves when the request is durable. @throws UnknownRun */
  cancel(runId: string): Promise<void>;
  close(): Promise<void>;
}
