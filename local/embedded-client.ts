import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { toStorageError } from '../src/adapters/directory/file-errors.ts';
import { ownerOnly } from '../src/adapters/directory/owner-only.ts';
import { makeFolders } from '../src/adapters/make-folders.ts';
import type {
  ArchivedSet,
  BackupSummary,
  CheckArchiveRequest,
  CheckedArchive,
  HoldfastClient,
  PrunedArchive,
  RecoveryWindowReport,
  RunStatus,
} from '../src/application/ports/holdfast-client.ts';
import type { RunHistory } from '../src/application/ports/run-history.ts';
import { cancelRun } from '../src/application/use-cases/cancel-run.ts';
import { checkArchive } from '../src/application/use-cases/check-archive.ts';
import { describeBackup } from '../src/application/use-cases/describe-backup.ts';
import { listBackups } from '../src/application/use-cases/list-backups.ts';
import { pruneArchive } from '../src/application/use-cases/prune-archive.ts';
import { recordFailure } from '../src/application/use-cases/record-failure.ts';
import { releaseLease } from '../src/application/use-cases/release-lease.ts';
import { requestToRetry } from '../src/application/use-cases/retry-run.ts';
import { runStatus } from '../src/application/use-cases/run-status.ts';
import { showRecoveryWindow } from '../src/application/use-cases/show-recovery-window.ts';
import { sweepRuns } from '../src/application/use-cases/sweep-runs.ts';
import type { LocalDeps } from '../src/composition/compose-local.ts';
import { HoldfastError, isErrorName } from '../src/domain/errors.ts';
import { nameFailure } from '../src/domain/failure.ts';
import type { Manifest } from '../src/domain/manifest.ts';
import { makeRunId, stateKeys } from '../src/domain/names.ts';
import {
  type BackupRequest,
  backupRequestSchema,
  type RestoreRequest,
  restoreRequestSchema,
} from '../src/domain/run.ts';
import type { WorkflowName } from '../statemachines/manifest.ts';
import { loadWorkflow } from './bindings.ts';
import type { CredentialEnvironment } from './credential-environment.ts';
import type { EmbeddedExecutions, Execution, ExecutionResult } from './states-language/executions.ts';

/** How often a waiting caller hears how a run is doing, in milliseconds. */
const statusInterval = 500;

export interface EmbeddedParts {
  readonly deps: LocalDeps;
  readonly executions: EmbeddedExecutions;
  readonly history: RunHistory;
  readonly credentials: CredentialEnvironment;
  readonly stateDir: string;
  /** Removes what killed processes left half-written in the storages. */
  readonly sweepTemporaryFiles: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A run of this process. */
interface RunningHere {
  readonly execution: Execution;
  /** Resolves when nothing is left to do for the run here. Never rejects. */
  readonly ended: Promise<ExecutionResult>;
}

/** The product in this process: a run lives as long as the process that started it. */
export class EmbeddedClient implements HoldfastClient {
  readonly #parts: EmbeddedParts;
  readonly #running = new Map<string, RunningHere>();
  /** Of the archive. */
  #turn: Execution | undefined;

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
  }

  /** Finishes or cleans up what runs of dead processes left. */
  async sweep(): Promise<void> {
    await sweepRuns(this.#parts.deps);
    await this.#parts.sweepTemporaryFiles();
  }

  startBackup(request: BackupRequest): Promise<{ readonly runId: string }> {
    return this.#start('backup', checked(backupRequestSchema, request));
  }

  startRestore(request: RestoreRequest): Promise<{ readonly runId: string }> {
    this.#parts.credentials.add(request.credentials);
    return this.#start('restore', checked(restoreRequestSchema, request));
  }

  async waitForRun(runId: string, onChange?: (status: RunStatus) => void): Promise<RunStatus> {
    const here = this.#running.get(runId);
    let result: ExecutionResult | undefined;
    const ended = here?.ended.then((known) => (result = known));
    let last: RunStatus | undefined;
    for (;;) {
      const over = result;
      const status = await this.#look(runId, here !== undefined && (over === undefined || last !== undefined));
      if (status !== undefined && JSON.stringify(status) !== JSON.stringify(last)) onChange?.(status);
      last = status ?? last;
      if (last !== undefined && last.status !== 'running') return last;
      // Its last event could not be written: what is on record would call it running for as long as this process lives.
      if (over !== undefined && last !== undefined) return endedWith(over, last, this.#parts.deps.clock.now());
      await this.#pause(ended);
    }
  }

  listBackups(filter: {
    readonly deployment?: string;
    readonly storage?: string;
    readonly since?: Date;
  }): Promise<readonly BackupSummary[]> {
    return listBackups(filter, this.#parts.deps);
  }

  describeBackup(backupId: string): Promise<Manifest> {
    return describeBackup(backupId, this.#parts.deps);
  }

  recoveryWindow(request: { readonly deployment: string; readonly at?: string }): Promise<RecoveryWindowReport> {
    return showRecoveryWindow(request, this.#parts.deps);
  }

  prune(request: { readonly deployment?: string; readonly dryRun: boolean }): Promise<readonly PrunedArchive[]> {
    return pruneArchive(request, this.#parts.deps);
  }

  status(runId?: string): Promise<readonly RunStatus[]> {
    return runStatus(runId, { ...this.#parts.deps, history: this.#parts.history });
  }

  cancel(runId: string): Promise<void> {
    return cancelRun(runId, { ...this.#parts.deps, history: this.#parts.history });
  }

  async retry(
    failed: string,
    requestedBy: string,
  ): Promise<{ readonly runId: string; readonly workflow: 'backup' | 'restore' }> {
    const { deps, history } = this.#parts;
    const { workflow, request } = await requestToRetry(failed, requestedBy, { ...deps, history });
    const { runId } = await (workflow === 'backup' ? this.startBackup(request) : this.startRestore(request));
    return { runId, workflow };
  }

  /** One turn of the oplog archive; it is no run, and leaves none behind. */
  async archiveOplog(deployment: string): Promise<readonly ArchivedSet[]> {
    const { executions, deps } = this.#parts;
    const turn = executions.start(
      loadWorkflow('archive-oplog'),
      makeRunId('archive-oplog', deps.clock.now(), randomBytes(3).toString('hex')),
      {
        deployment,
      },
    );
    this.#turn = turn;
    const result = await turn.result;
    this.#turn = undefined;
    if (result.status === 'SUCCEEDED') return result.output as unknown as readonly ArchivedSet[];
    const { name, message, next } = nameFailure({ Error: result.error, Cause: result.cause });
    throw new HoldfastError(isErrorName(name) ? name : 'Internal', message, { next });
  }

  checkArchive(request: CheckArchiveRequest): Promise<readonly CheckedArchive[]> {
    return checkArchive(request, this.#parts.deps);
  }

  /** Ends what still runs here, as a process that dies would, but cleans up after it. */
  async close(): Promise<void> {
    const running = [...this.#running.values()];
    await this.#turn?.abort('the process that ran it ends', 'Interrupted');
    for (const { execution } of running) void execution.abort('the process that ran it ends', 'Interrupted');
    await Promise.all(running.map(({ ended }) => ended));
    if (running.length > 0) await this.sweep();
    await this.#parts.close();
  }

  async #start(workflow: WorkflowName, request: object): Promise<{ readonly runId: string }> {
    const { executions, deps, stateDir } = this.#parts;
    const runId = makeRunId(workflow, deps.clock.now(), randomBytes(3).toString('hex'));
    // The journal is a file of its own kind: it grows while the run goes on.
    await makeJournalFolder(join(stateDir, stateKeys.journal(runId)));
    const execution = executions.start(loadWorkflow(workflow), runId, request);
    const ended = execution.result.then(async (result) => {
      await this.#cleanUpAfter(runId, result);
      this.#running.delete(runId);
      return result;
    });
    this.#running.set(runId, { execution, ended });
    return { runId };
  }

  /** An execution that was stopped, or that no Catch could save (a full history, a journal on a full disk), ran no clean-up. */
  async #cleanUpAfter(runId: string, result: ExecutionResult): Promise<void> {
    const { deps } = this.#parts;
    try {
      if (result.status === 'SUCCEEDED' || (await deps.state.head(stateKeys.settled(runId))) !== undefined) return;
      const step = { runId, state: 'Clean Up', retry: 0 };
      await recordFailure({ ...step, failure: { Error: result.error, Cause: result.cause } }, deps);
      await releaseLease(step, deps);
    } catch (error) {
      deps.logger.error('a run could not be cleaned up; the next start tries again', { runId, reason: String(error) });
    }
  }

  /** @param mayFail of a run of this process its own result says how it ended, whatever becomes of its record. */
  async #look(runId: string, mayFail: boolean): Promise<RunStatus | undefined> {
    try {
      return await this.#statusOf(runId);
    } catch (error) {
      if (!mayFail) throw error;
      return undefined;
    }
  }

  async #statusOf(runId: string): Promise<RunStatus> {
    const [status] = await this.status(runId);
    if (status === undefined) throw new HoldfastError('UnknownRun', `there is no run ${runId}`);
    return status;
  }

  async #pause(ended: Promise<unknown> | undefined): Promise<void> {
    const done = new AbortController();
    const pause = this.#parts.deps.clock.sleep(statusInterval, done.signal).catch(() => undefined);
    await Promise.race([pause, ...(ended === undefined ? [] : [ended])]);
    done.abort();
  }
}

/** @throws StorageFull, StorageAccessDenied, StorageUnavailable */
async function makeJournalFolder(journal: string): Promise<void> {
  try {
    await makeFolders(dirname(journal), ownerOnly.folder);
  } catch (error) {
    throw toStorageError(error, { storage: 'of the state', key: journal, action: 'make the folder of' });
  }
}

function endedWith(result: ExecutionResult, last: RunStatus, now: Date): RunStatus {
  const failure = result.status === 'SUCCEEDED' ? null : nameFailure({ Error: result.error, Cause: result.cause });
  return { ...last, status: 'failed', endedAt: now.toISOString(), error: last.error ?? failure };
}

/** @throws InvalidInput with all problems */
function checked<S extends z.ZodType>(schema: S, request: unknown): z.output<S> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('InvalidInput', z.prettifyError(parsed.error));
}

/** Whether an execution is a turn of the archive. */
export function isTurn(runId: string): boolean {
  return runId.startsWith('archive-oplog-');
}
