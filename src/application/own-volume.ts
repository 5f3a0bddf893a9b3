import { HoldfastError } from '../domain/errors.ts';
import type { PlannedVolume } from '../domain/run.ts';
import { readServerPid, type Source } from '../engine/source/member-state.ts';
import type { VolumeSnapshots } from './ports/volume-snapshots.ts';

/**
 * Compares who has the data open with the member: a wrong path in the config would be a backup of something else.
 * @throws VolumeNotFound when the data is that of another server, or of none
 */
export async function requireOwnVolume(
  volume: PlannedVolume,
  source: Source,
  volumes: Pick<VolumeSnapshots, 'openedBy'>,
): Promise<void> {
  const owner = await volumes.openedBy(volume);
  const pid = owner === undefined ? undefined : await readServerPid(source);
  if (owner === undefined || pid === undefined || owner === pid) return;
  throw new HoldfastError(
    'VolumeNotFound',
    `${volume.volumes.join(', ')} is not the data of ${source.member}: ${owner === 0 ? 'no process has it open' : `the process ${owner} has it open`}, and the member is process ${pid}.`,
    { next: 'Correct the path of that member under volumes in the config.' },
  );
}
