import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ScratchServer, ScratchServerOptions, ScratchServers } from '../../application/ports/scratch-servers.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { findInstalledMongod } from './installed-mongod.ts';
import { type MongodProcess, startMongod } from './mongod-process.ts';
import { makeOwnDirectory, removeOwnDirectory } from './reaper.ts';

/** Of the last line with that id: the server's log is JSON, one line for each message. */
async function findLogged(logPath: string, id: number): Promise<Record<string, unknown> | undefined> {
  let found: string | undefined;
  for await (const line of createInterface({ input: createReadStream(logPath), crlfDelay: Infinity }))
    if (line.includes(`"id":${id},`)) found = line;
  return found === undefined ? undefined : (JSON.parse(found) as { attr?: Record<string, unknown> }).attr;
}

const gigabyte = 1024 ** 3;

/**
 * A quarter of the memory that is left to this process, also in a container: recovery keeps what it changes in the cache,
 * and one that is full makes its threads write instead. It is taken as it is needed. Less than 1 GB is too little for
 * large transactions (mongod-process.ts).
 */
function cacheGigabytes(): number {
  return Math.max(1, Math.floor(process.availableMemory() / 4 / gigabyte));
}

class LocalScratchServer implements ScratchServer {
  readonly password: string;
  readonly #server: MongodProcess;
  readonly #folder: string;

  constructor(server: MongodProcess, folder: string, password: string) {
    this.#server = server;
    this.#folder = folder;
    this.password = password;
  }

  get host(): string {
    return this.#server.host;
  }

  get port(): number {
    return this.#server.port;
  }

  logged(id: number): Promise<Record<string, unknown> | undefined> {
    return findLogged(this.#server.logPath, id);
  }

  async stop(): Promise<void> {
    const code = await this.#server.stop();
    await removeOwnDirectory(this.#folder);
    if (code === 0) return;
    const how = code === null ? 'was killed' : `ended with code ${code}`;
    throw new HoldfastError(
      'ScratchServerFailed',
      `The mongod on ${this.#server.dbPath} ${how} instead of ending well.`,
    );
  }

  async kill(): Promise<void> {
    await this.#server.kill();
    await removeOwnDirectory(this.#folder);
  }
}

/**
 * Scratch servers as processes of this machine. Each wants a login, with a key that is in a file of its own folder
 * (readable by this user alone) and gone with the server: whoever else is on the machine reads nothing of what it holds.
 */
export class LocalScratchServers implements ScratchServers {
  find(serverVersion: string): Promise<{ readonly path: string; readonly version: string }> {
    return findInstalledMongod(serverVersion);
  }

  async start({ dbPath, port, args, serverVersion, signal }: ScratchServerOptions): Promise<ScratchServer> {
    const { path: mongod } = await this.find(serverVersion);
    const folder = await makeOwnDirectory('scratch');
    try {
      const [keyFile, logPath] = [join(folder, 'key'), join(folder, 'mongod.log')];
      const password = randomBytes(96).toString('base64');
      await writeFile(keyFile, password, { mode: 0o600 });
      const server = await startMongod({
        ...{ mongod, dbPath, keyFile, logPath, signal },
        args: [`--wiredTigerCacheSizeGB=${cacheGigabytes()}`, ...args],
        ...(port !== undefined && { port }),
      });
      return new LocalScratchServer(server, folder, password);
    } catch (error) {
      await removeOwnDirectory(folder);
      signal.throwIfAborted();
      if (!isHoldfastError(error, 'MongodUnavailable')) throw error;
      throw new HoldfastError('ScratchServerFailed', error.message, { cause: error });
    }
  }
}
