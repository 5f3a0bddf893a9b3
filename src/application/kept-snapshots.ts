import { HoldfastError } from '../domain/errors.ts';
import type { Manifest } from '../domain/manifest.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';

export interface KeptSnapshotsDeps {
  readonly volumes: Pick<VolumeSnapshots, 'look'>;
}

/**
 * That every snapshot which a backup is made of is there, and whole: nothing of it is in the storage, and somebody may have
 * deleted it since it was taken.
 * @throws SnapshotFailed naming it
 */
export async function requireKeptSnapshots(manifest: Manifest, { volumes }: KeptSnapshotsDeps): Promise<void> {
  for (const { name: part, base } of manifest.parts) {
    if (base.method !== 'snapshot') continue;
    const { state, percent } = await volumes.look({ runId: manifest.run, part }, base.snapshot);
    if (state === 'completed') continue;
    const ids = base.snapshot.snapshots.map(({ id }) => id).join(', ');
    throw new HoldfastError(
      'SnapshotFailed',
      `The snapshot of ${part} of run ${manifest.run} (${ids}) was complete, and is at ${percent ?? 'an unknown number of'} % now.`,
    );
  }
}
