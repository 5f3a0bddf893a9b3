import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { HoldfastError } from '../../domain/errors.ts';
import { readsFilesOf, releaseSeries } from '../../domain/server-version.ts';
import { probeMongod } from './mongod-version.ts';

/** `~/.cache/holdfast`, or what HOLDFAST_CACHE names. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return env['HOLDFAST_CACHE'] ?? join(homedir(), '.cache', 'holdfast');
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function subfolders(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** HOLDFAST_MONGOD alone, where it is set; else the PATH's, then those that `npm run setup` has fetched. */
function candidates(env: NodeJS.ProcessEnv): string[] {
  const explicit = env['HOLDFAST_MONGOD'];
  if (explicit !== undefined && explicit !== '') return [explicit];
  const onPath = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  const cached = join(cacheDirectory(env), 'mongod');
  return [...onPath, ...subfolders(cached).map((version) => join(cached, version))]
    .map((directory) => join(directory, 'mongod'))
    .filter(isProgram);
}

/**
 * A mongod of this machine that reads the data files of a server of that version. Nothing is fetched.
 * @throws MongodUnavailable naming the version that is needed, and what was found instead
 */
export async function findInstalledMongod(
  serverVersion: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly path: string; readonly version: string }> {
  const refused: string[] = [];
  for (const path of candidates(env)) {
    const probe = await probeMongod(path);
    if ('reason' in probe) refused.push(`${path} ${probe.reason}`);
    else if (readsFilesOf(probe.version, serverVersion)) return { path, version: probe.version };
    else refused.push(`${path} is ${probe.version}`);
  }
  const found = refused.length === 0 ? 'there is none' : refused.join('; ');
  throw new HoldfastError(
    'MongodUnavailable',
    `Files of MongoDB ${serverVersion} need a mongod of ${releaseSeries(serverVersion)}, ${serverVersion} or later, on this machine: ${found}.`,
    { next: `Install MongoDB ${serverVersion} and put its mongod on the PATH, or name one by HOLDFAST_MONGOD.` },
  );
}
