import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { parseMongoUri, redactUri } from '../../domain/mongodb-uri.ts';
import { deploymentNamePattern } from '../../domain/names.ts';
import { isVolumeTarget } from '../../domain/restore-place.ts';
import type { RestoreRequest } from '../../domain/run.ts';
import type { Settings } from '../../domain/settings.ts';
import { storageOf } from '../run-folder.ts';
import { startRun, type StartRunDeps } from '../start-run.ts';
import type { StartedRun } from './start-backup.ts';

export interface StartRestoreDeps extends StartRunDeps {
  readonly settings: Settings;
}

/** A restore of a backup of the deployment; of its newest when no backup is named. */
export type RestoreOrder = Omit<RestoreRequest, 'backup' | 'deployment'> & {
  readonly deployment: string;
  readonly backup?: string | undefined;
};

/**
 * Starts the workflow of a restore. Backup and target are looked at by its first state. The deployment need not be
 * configured any more: its backups are there all the same.
 * @throws UnknownDeployment for what can't be the name of one, UnknownStorage, InvalidInput for a target that is none
 */
export async function startRestore(
  { backup, ...order }: RestoreOrder,
  idempotencyKey: string | undefined,
  deps: StartRestoreDeps,
): Promise<StartedRun> {
  const { deployment, storage, to } = order;
  if (!deploymentNamePattern.test(deployment)) {
    throw new HoldfastError('UnknownDeployment', `${JSON.stringify(deployment)} is not the name of a deployment`);
  }
  if (storage !== undefined) storageOf(deps.settings, storage);
  requireTarget(to);
  const request = { ...order, backup: backup ?? deployment };
  const runId = await startRun({ workflow: 'restore', deployment, request, idempotencyKey }, deps);
  return { runId, workflow: 'restore', deployment };
}

function requireTarget(to: string): void {
  if (isVolumeTarget(to)) return;
  try {
    parseMongoUri(to);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const details = { where: 'to', given: redactUri(to) };
    throw new HoldfastError(error.name, error.message, { next: error.next, details, cause: error });
  }
}
