import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { findMongod } from './find-mongod.ts';
import { type MongodProcess, startMongod } from './mongod-process.ts';
import { makeOwnDirectory, removeOwnDirectory } from './reaper.ts';
import { createRoot, type Credentials, directClient, makeCredentials } from './root-user.ts';

export interface StandaloneServer {
  readonly host: string;
  /** Without credentials. */
  readonly uri: string;
  readonly root?: Credentials;
  readonly process: MongodProcess;
  /** As root, direct; one client, closed by `stop`. */
  client(): MongoClient;
  /** Also removes its directory. */
  stop(): Promise<void>;
}

export interface StandaloneOptions {
  readonly auth?: boolean;
  readonly args?: readonly string[];
}

/** A mongod that is no member of anything, on 127.0.0.1, in a directory of its own. For demo, tests and embedded mode. */
export async function startStandalone(options: StandaloneOptions = {}): Promise<StandaloneServer> {
  const { path: mongod } = await findMongod();
  const directory = await makeOwnDirectory('standalone');
  const args = [...(options.args ?? []), ...(options.auth ? ['--auth'] : [])];
  const server = await startMongod({ mongod, dbPath: join(directory, 'data'), args });
  try {
    const root = options.auth ? makeCredentials() : undefined;
    if (root !== undefined) {
      await using bootstrap = directClient(server);
      await createRoot(bootstrap, root);
    }
    return asStandalone(server, directory, root);
  } catch (error) {
    await server.kill();
    await removeOwnDirectory(directory);
    throw error;
  }
}

/** The handle of a running standalone; `stop` removes `directory`. */
export function asStandalone(server: MongodProcess, directory: string, root?: Credentials): StandaloneServer {
  let cached: MongoClient | undefined;
  return {
    host: server.host,
    uri: `mongodb://${server.host}/?directConnection=true`,
    ...(root === undefined ? {} : { root }),
    process: server,
    client: () => (cached ??= directClient(server, root)),
    async stop() {
      await cached?.close();
      await server.stop();
      await removeOwnDirectory(directory);
    },
  };
}
