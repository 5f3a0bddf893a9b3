import { artifactKeys } from '../domain/names.ts';
import { objectUri } from '../domain/settings.ts';
import type { StepDeps } from './bind.ts';
import { readConfig, storageOf } from './run-folder.ts';

/** What a state hands on is small; all of them are in the manifest, or in the result of a restore. */
const maxWarnings = 20;

/** The first of a run's warnings, for the output of its execution. */
export function shownWarnings(warnings: readonly string[]): readonly string[] {
  return warnings.slice(0, maxWarnings);
}

/** Where the manifest of a backup lies, by the config that the run began with. */
export async function manifestUri(
  runId: string,
  backup: { readonly storage: string; readonly deployment: string; readonly backupId: string },
  { state }: Pick<StepDeps, 'state'>,
): Promise<string> {
  const storage = storageOf(await readConfig(state, runId), backup.storage);
  return objectUri(storage, artifactKeys.manifest(backup.deployment, backup.backupId));
}
