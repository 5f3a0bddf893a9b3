import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './mongod-cache.ts';

const run = promisify(execFile);
export const python = 'python3';

/** What decides whether packages that were installed once still fit: the interpreter and the pinned versions. */
async function fingerprint(requirements: string): Promise<string> {
  const { stdout } = await run(python, ['-c', 'import sys; print(sys.implementation.cache_tag)']);
  const pins = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  return `${stdout.trim()}-${process.arch}-${pins.slice(0, 12)}`;
}

/** `--target`: no virtual environment is needed, and no Python of the system is changed, also where it forbids that. */
async function install(packages: string, requirements: string): Promise<void> {
  const working = `${packages}.installing-${randomBytes(6).toString('hex')}`;
  await mkdir(working, { recursive: true });
  try {
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--no-compile'];
    const how = ['--no-deps', '--only-binary=:all:', '--target', working, '--requirement', requirements];
    await run(python, ['-m', 'pip', 'install', ...quiet, ...how], { timeout: 600_000 });
    await rename(working, packages).catch((error: unknown) => {
      // Somebody else was faster.
      if (!existsSync(packages)) throw error;
    });
  } finally {
    await rm(working, { recursive: true, force: true });
  }
}

/**
 * Pinned Python packages in a folder of the project's cache; pip brings them when they are not there, once.
 * @param name of the folder in the cache. @param requirements path of the file with the pins
 * @returns the folder, for PYTHONPATH; programs are in its `bin/`. @throws what pip or the file system says
 */
export async function findPythonPackages(
  name: string,
  requirements: string,
  log: (line: string) => void = () => undefined,
): Promise<string> {
  const packages = join(cacheDirectory(), name, await fingerprint(requirements));
  if (!existsSync(packages)) {
    log(`${name}: installing it by pip`);
    await install(packages, requirements);
  }
  log(`${name} from the project's cache: ${packages}`);
  return packages;
}
