import * as z from 'zod';
import { type StepDeps, stepSchema } from '../bind.ts';
import type { VolumeSnapshots } from '../ports/volume-snapshots.ts';

export const deleteSnapshotInput = stepSchema.extend({ part: z.string().min(1) });

export interface DeleteSnapshotDeps extends StepDeps {
  readonly volumes: VolumeSnapshots;
}

/** Deletes the snapshot that a part's files were copied from: they are in the storage. */
export async function deleteSnapshot(
  { runId, part }: z.output<typeof deleteSnapshotInput>,
  { volumes }: DeleteSnapshotDeps,
): Promise<{ readonly deleted: true }> {
  await volumes.delete({ runId, part });
  return { deleted: true };
}
