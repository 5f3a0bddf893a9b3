import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys } from '../../domain/names.ts';
import type { BackupRequest, RestoreRequest } from '../../domain/run.ts';
import { type BackupRun, runRequestSchema } from '../../domain/run-documents.ts';
import { findDocument, sha256Hex } from '../documents.ts';
import { startOnce, type StartRunDeps } from '../start-run.ts';
import { runStatus, type RunStatusDeps } from './run-status.ts';

export type RetriedRequest =
  | { readonly workflow: 'backup'; readonly request: BackupRequest }
  | { readonly workflow: 'restore'; readonly request: RestoreRequest };

export type RetryRunDeps = RunStatusDeps & Pick<StartRunDeps, 'starter'>;

export interface RetriedRun {
  readonly runId: string;
  readonly workflow: RetriedRequest['workflow'];
  readonly retryOf: string;
}

/**
 * What to ask for again when a run came to nothing: its request as it was completed then (deployment, storage,
 * compression), for a new run, which begins at nothing: what the old one wrote is deleted (ADR 0016). No idempotency key:
 * whoever retries means another run.
 * @throws UnknownRun; InvalidInput for a run that runs, succeeded, never got so far, or overwrote its target
 */
export async function requestToRetry(runId: string, requestedBy: string, deps: RunStatusDeps): Promise<RetriedRequest> {
  const [status] = await runStatus(runId, deps);
  if (status === undefined) throw new HoldfastError('UnknownRun', `there is no run ${runId}`);
  if (status.status === 'running') throw refused(runId, 'it still runs', `Wait for it, or cancel it first.`);
  if (status.status === 'succeeded' || status.status === 'duplicate')
    throw refused(runId, 'it has done what it was asked for', 'Start another run.');
  const asked = await findDocument(deps.state, stateKeys.runRequest(runId), runRequestSchema);
  if (asked === undefined)
    throw refused(runId, 'it ended before its request was accepted', 'Correct what it failed with, and start it anew.');
  if (asked.workflow === 'backup') return { workflow: 'backup', request: backupRequestOf(asked, requestedBy) };
  if (asked.request.overwrite !== undefined)
    throw refused(runId, 'it replaces what its target holds, which is confirmed each time', 'Type the restore again.');
  return { workflow: 'restore', request: { ...asked.request, requestedBy } };
}

/**
 * Retries a run where requests may come twice: the new run's id is made of the old one's, so that a run has one retry, also
 * of two requests at the same instant. `-retry-` keeps it apart from the ids that are made of idempotency keys.
 * @throws as {@link requestToRetry}
 */
export async function retryRun(runId: string, requestedBy: string, deps: RetryRunDeps): Promise<RetriedRun> {
  const { workflow, request } = await requestToRetry(runId, requestedBy, deps);
  const retry = `${workflow}-retry-${sha256Hex(runId).slice(0, 40)}`;
  await startOnce({ workflow, runId: retry, request }, deps);
  return { runId: retry, workflow, retryOf: runId };
}

function backupRequestOf({ deployment, storage, method, compression, labels }: BackupRun, requestedBy: string) {
  const { codec, level } = compression;
  return {
    ...{ deployment, storage, labels, requestedBy },
    ...(method !== null && { method }),
    // A codec without levels is recorded with 0.
    compression: { codec, ...(level > 0 && { level }) },
  };
}

function refused(runId: string, why: string, next: string): HoldfastError {
  return new HoldfastError('InvalidInput', `run ${runId} can't be retried: ${why}`, { next });
}
