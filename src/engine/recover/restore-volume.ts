import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../domain/errors.ts';
import type { RestoreResult } from '../../domain/restore-result.ts';
import type { TargetVolume } from '../../domain/volume-target.ts';
import { readLayout } from './data-directory-layout.ts';
import type { DirectoryRestore, DirectoryRestoreDeps } from './directory-restore.ts';
import { restoreDirectory } from './restore-directory.ts';
import { removeDirectoryMark } from './target-directory.ts';

export interface VolumeRestore extends Omit<DirectoryRestore, 'directory' | 'overwrite'> {
  /** Where the volume is mounted. */
  readonly mountPoint: string | undefined;
  readonly volume: TargetVolume;
  /** Of the worker, whose volume it is. */
  readonly attempt: number;
}

const notValidated =
  'Every collection and index was opened, and not every block read: with lazy initialization that loads all of them. db.collection.validate() does it.';

/**
 * Restores one part to the volume that the worker was launched with; files that came with it from a snapshot are recovered
 * where they are. The mark on the files comes off at the end: nobody
 * reaches them once this worker has stopped. From then on the tag on the volume says that its run is not complete.
 * @throws what {@link restoreDirectory} throws
 */
export async function restoreVolume(
  { mountPoint, volume, attempt, ...subject }: VolumeRestore,
  deps: DirectoryRestoreDeps,
): Promise<RestoreResult> {
  if (mountPoint === undefined) throw new HoldfastError('Internal', 'a worker without a volume restores to none');
  const directory = join(mountPoint, volume.dataPath);
  const inPlace = volume.snapshot !== null;
  if (!inPlace) await mkdir(directory, { recursive: true, mode: 0o700 });
  // To read every block would load every block: who chose to load them when they are read wants to begin before that.
  const validate = !inPlace || volume.initialization !== 'lazy';
  const result = await restoreDirectory({ ...subject, directory, inPlace, validate }, deps);
  const { serverVersion, kind } = subject.manifest;
  const layout = await readLayout(directory);
  await removeDirectoryMark(directory, subject.runId);
  const warnings = [...result.warnings, ...(validate ? [] : [notValidated])];
  return { ...result, attempt, files: { serverVersion, kind, layout }, warnings, steps: [] };
}
