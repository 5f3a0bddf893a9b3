import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { probeMongod } from './mongod-version.ts';

export { cacheDirectory } from '../../src/adapters/process/installed-mongod.ts';

/** The version that is fetched when the machine has none: what the facts and the fixtures were taken on. */
export const pinnedVersion = '6.0.5';

/** Where the fetched mongod lies in a cache directory. */
export function cachedMongod(cache: string): string {
  return join(cache, 'mongod', pinnedVersion, 'mongod');
}

/**
 * Lets `produce` make a mongod in a directory of its own below the cache and puts it into place by one rename, after
 * it ran. Installers that work at the same time each bring a whole file; the last one stays, processes that already
 * run keep theirs.
 * @param produce writes into the directory and returns the path of the binary in it.
 * @returns the path in the cache, or the reason why what was produced is not usable.
 */
export async function installInCache(
  cache: string,
  produce: (directory: string) => Promise<string>,
): Promise<{ path: string; version: string } | { reason: string }> {
  const path = cachedMongod(cache);
  const working = join(cache, 'mongod', `.installing-${process.pid}-${randomBytes(6).toString('hex')}`);
  await mkdir(working, { recursive: true });
  try {
    const binary = await produce(working);
    await chmod(binary, 0o755);
    const probe = await probeMongod(binary);
    if ('reason' in probe) return probe;
    await mkdir(join(path, '..'), { recursive: true });
    await rename(binary, path);
    return { path, version: probe.version };
  } finally {
    await rm(working, { recursive: true, force: true });
  }
}
