import type { BackupRequest } from '../../domain/run.ts';
import type { Settings } from '../../domain/settings.ts';
import { startRun, type StartRunDeps } from '../start-run.ts';
import { completeRequest } from './inspect-deployment.ts';

export interface StartBackupDeps extends StartRunDeps {
  readonly settings: Settings;
}

export interface StartedRun {
  readonly runId: string;
  readonly workflow: 'backup' | 'restore';
  readonly deployment: string;
}

/**
 * Starts the workflow of a backup. What can be wrong with the request itself is told now, what can be wrong with the
 * deployment by the first state.
 * @throws UnknownDeployment, UnknownStorage, InvalidInput
 */
export async function startBackup(
  request: BackupRequest & { readonly deployment: string },
  deps: StartBackupDeps,
): Promise<StartedRun> {
  const { deployment, idempotencyKey } = request;
  completeRequest(request, deps.settings, deps.clock.now().toISOString());
  const runId = await startRun({ workflow: 'backup', deployment, request, idempotencyKey }, deps);
  return { runId, workflow: 'backup', deployment };
}
