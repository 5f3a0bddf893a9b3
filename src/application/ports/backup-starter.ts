import type { BackupRequest } from '../../domain/run.ts';

/** Starts the backup workflow, and does not wait for it. */
export interface BackupStarter {
  startBackup(request: BackupRequest & { readonly deployment: string }): Promise<{ readonly runId: string }>;
}
