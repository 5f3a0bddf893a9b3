import { spawnSync } from 'node:child_process';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file system of a test's own. Mounting takes root; XFS and Btrfs take their mkfs and a kernel that has them. */
export interface OwnDisk {
  readonly path: string;
  unmount(): Promise<void>;
}

export type FileSystem = 'xfs' | 'btrfs' | 'tmpfs';

const run = (command: string, args: readonly string[]): string | undefined => {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : `${command}: ${error?.message ?? stderr.trim()}`;
};

/** Why none can be had here; undefined when it can. */
export function whyNoDisk(fileSystem: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting takes root';
  return fileSystem === 'tmpfs' ? undefined : run(`mkfs.${fileSystem}`, ['-V']);
}

/** @param megabytes what is in use of it only is taken from the machine */
export async function mountOwnDisk(fileSystem: FileSystem, folder: string, megabytes: number): Promise<OwnDisk> {
  const path = join(folder, `${fileSystem}-disk`);
  const image = join(folder, `${fileSystem}.image`);
  await mkdir(path, { recursive: true });
  const must = (problem: string | undefined): void => {
    if (problem !== undefined) throw new Error(problem);
  };
  if (fileSystem === 'tmpfs') must(run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]));
  else {
    await writeFile(image, '');
    await truncate(image, megabytes * 1024 * 1024);
    must(run(`mkfs.${fileSystem}`, ['-q', image]));
    must(run('mount', ['-o', 'loop', image, path]));
  }
  return {
    path,
    unmount: async () => {
      must(run('umount', [path]));
      await rm(image, { force: true });
    },
  };
}
