import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataLayout } from '../../domain/data-layout.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { readDataLayout, scanDataDirectory } from './scan-data-directory.ts';

export interface MountedVolume {
  /** The data directory: where the volume is mounted, and the path within it. */
  readonly mount: string;
  readonly dataPath: string;
  /** For messages: `host:port`. */
  readonly member: string;
  /** The file of the member's oplog, as the member said when it was snapshotted; undefined for one that could not be asked. */
  readonly oplogFile: string | undefined;
}

/** How deep a data directory is looked for that is not where the config says. */
const deepest = 3;

/**
 * Looks into a volume that was made from a member's snapshot: nobody could before.
 * @throws VolumeNotFound when it is not the member's data, and says where data lies on it; VolumeLayoutUnsupported
 */
export async function readMountedVolume({ mount, dataPath, member, oplogFile }: MountedVolume): Promise<DataLayout> {
  const root = join(mount, dataPath);
  const scanned = await scanDataDirectory({ root, member, followLinks: false }).catch(async (error: unknown) => {
    if (!isHoldfastError(error, 'VolumeNotFound')) throw error;
    throw await elsewhere({ mount, dataPath, member }, error);
  });
  // Its name has a number by chance: no other data directory has it, but copies of this one.
  if (oplogFile !== undefined && !scanned.files.some(({ path }) => path === oplogFile))
    throw new HoldfastError(
      'VolumeNotFound',
      `The volume that was snapshotted is not that of ${member}: it holds the data of another server, without the file ${oplogFile} of this one’s oplog.`,
      { next: 'Correct volumes or ebs of the deployment in the config.' },
    );
  return readDataLayout({ root, member }, scanned);
}

async function elsewhere(
  { mount, dataPath, member }: Omit<MountedVolume, 'oplogFile'>,
  cause: Error,
): Promise<HoldfastError> {
  const found = await findDataDirectories(mount, '', deepest);
  const place = dataPath === '' ? 'at its root' : `at ${dataPath}`;
  const where = found.length === 0 ? 'none was found on it' : `it lies at ${found.join(', ')}`;
  return new HoldfastError('VolumeNotFound', `The volume of ${member} holds no data directory ${place}: ${where}.`, {
    cause,
    next:
      found.length === 0
        ? 'Correct volumes or ebs of the deployment in the config.'
        : 'Write the path under ebs.dataPath of the deployment.',
  });
}

async function findDataDirectories(mount: string, path: string, depth: number): Promise<string[]> {
  const entries = await readdir(join(mount, path), { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === 'WiredTiger.turtle')) return [path === '' ? '.' : path];
  if (depth === 0) return [];
  const below = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => (path === '' ? name : `${path}/${name}`));
  const found = await Promise.all(below.map((one) => findDataDirectories(mount, one, depth - 1)));
  return found.flat();
}
