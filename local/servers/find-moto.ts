import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError } from '../../src/domain/errors.ts';
import { cacheDirectory } from './mongod-cache.ts';

/** Finds moto, the S3 server of tests and demo, and installs it, once, into the project's cache and nowhere else. */

const run = promisify(execFile);
const requirements = join(import.meta.dirname, 'moto-requirements.txt');
const python = 'python3';

export interface FoundMoto {
  readonly python: string;
  /** For PYTHONPATH. */
  readonly packages: string;
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr?.trim() ? stderr : message).trim().split('\n').at(-1) ?? message;
}

/** What decides whether packages that were installed once still fit: the interpreter and the pinned versions. */
async function fingerprint(): Promise<string> {
  const { stdout } = await run(python, ['-c', 'import sys; print(sys.implementation.cache_tag)']);
  const pins = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  return `${stdout.trim()}-${process.arch}-${pins.slice(0, 12)}`;
}

/** `--target`: no virtual environment is needed, and no Python of the system is changed, also where it forbids that. */
async function install(packages: string): Promise<void> {
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
 * The packages from the project's cache; pip brings them when they are not there.
 * @throws HoldfastError ObjectServerUnavailable with the reason
 */
export async function findMoto(log: (line: string) => void = () => undefined): Promise<FoundMoto> {
  try {
    const packages = join(cacheDirectory(), 'moto', await fingerprint());
    if (!existsSync(packages)) {
      log('moto (an S3 server): installing it by pip');
      await install(packages);
    }
    log(`moto from the project's cache: ${packages}`);
    return { python, packages };
  } catch (error) {
    throw new HoldfastError('ObjectServerUnavailable', `moto could not be installed: ${lastLine(error)}`, {
      cause: error,
    });
  }
}
