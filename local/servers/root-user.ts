import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { MongoClient, MongoClientOptions } from 'mongodb';
import { createMongoClient } from '../../src/engine/wire/mongo-client.ts';
import type { MongodProcess } from './mongod-process.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A key file as mongod wants it: 6 to 1024 base64 characters, readable by its owner alone. */
export async function writeKeyFile(file: string): Promise<void> {
  await writeFile(file, randomBytes(96).toString('base64'), { mode: 0o600 });
}

export function makeCredentials(): Credentials {
  return { username: 'root', password: randomBytes(12).toString('hex') };
}

const patience: MongoClientOptions = { serverSelectionTimeoutMS: 30_000 };

/** A client of exactly this member, whatever its state. */
export function directClient(server: Pick<MongodProcess, 'host'>, credentials?: Credentials): MongoClient {
  return createMongoClient(`mongodb://${server.host}/`, {
    ...patience,
    directConnection: true,
    ...(credentials === undefined ? {} : { auth: credentials, authSource: 'admin' }),
  });
}

/** As the members see each other: the user __system, whose password is the content of the key file. */
export async function internalClient(server: MongodProcess, keyFile: string): Promise<MongoClient> {
  const password = (await readFile(keyFile, 'utf8')).trim();
  return createMongoClient(`mongodb://${server.host}/`, {
    ...patience,
    directConnection: true,
    auth: { username: '__system', password },
    authSource: 'local',
    authMechanism: 'SCRAM-SHA-256',
  });
}

/** The first user, through the localhost exception or an internal client. */
export async function createRoot(client: MongoClient, credentials: Credentials): Promise<void> {
  const { username, password } = credentials;
  // root alone may not read system.views, which a proof of equality does.
  await client.db('admin').command({ createUser: username, pwd: password, roles: ['root', '__system'] });
}
