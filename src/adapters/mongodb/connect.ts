import type { MongoClient, MongoClientOptions } from 'mongodb';
import { type MongoUri, parseMongoUri } from '../../domain/mongodb-uri.ts';
import type { Secret } from '../../domain/secret.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { createMongoClient } from '../../engine/wire/mongo-client.ts';
import { type DriverErrorContext, mapDriverError, type ServerRole } from './driver-errors.ts';
import { parseCredentials } from './parse-credentials.ts';

export interface ConnectOptions {
  /** Without: no authentication. */
  readonly credentials?: Secret | undefined;
  /** Shows in the server's log and currentOp: `holdfast dump <run>`. */
  readonly appName: string;
  readonly maxPoolSize?: number;
  /** How long to look for the server; 5 seconds when neither this nor the URI says. */
  readonly serverSelectionTimeoutMS?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ConnectDirectOptions extends ConnectOptions {
  /** host:port of the one server to talk to, whatever its state: also a hidden member. */
  readonly host: string;
  readonly settings: Pick<DeploymentSettings, 'uri' | 'tls'>;
  /** How long an answer may stay out, or stop, before the connection counts as lost; milliseconds. */
  readonly silenceLimitMS?: number;
}

export interface ConnectToOptions extends ConnectOptions {
  /** Without credentials. */
  readonly uri: string;
  readonly tls?: DeploymentSettings['tls'] | undefined;
  /** Decides whether failing to connect is SourceUnreachable or TargetUnreachable. */
  readonly role: ServerRole;
}

const defaultSelectionTimeout = 5_000;
/**
 * What a backup asks for is answered in milliseconds, and in some seconds by a disk that is slow: two minutes without a
 * byte are a connection that a firewall forgot. (Servers that do not answer at all are noticed by the driver's monitor, in
 * connectTimeoutMS and 10 s.) Targets have no such limit: building an index takes hours.
 */
const defaultSilenceLimit = 120_000;

function authOptions(uri: MongoUri, credentials: Secret | undefined): MongoClientOptions {
  if (credentials === undefined) return {};
  const { username, password, authSource, authMechanism, tlsCertificateKeyFile } = parseCredentials(credentials);
  const mechanism = authMechanism ?? uri.options.get('authmechanism');
  const source =
    mechanism === 'MONGODB-X509' ? '$external' : (authSource ?? uri.options.get('authsource') ?? uri.database);
  return {
    ...(username !== undefined && { auth: { username, ...(password !== undefined && { password }) } }),
    ...(tlsCertificateKeyFile !== undefined && { tlsCertificateKeyFile }),
    ...(mechanism !== undefined && { authMechanism: mechanism as NonNullable<MongoClientOptions['authMechanism']> }),
    authSource: source ?? 'admin',
  };
}

function tlsOptions(uri: MongoUri, tls: DeploymentSettings['tls']): MongoClientOptions {
  const inUri = uri.options.get('tls') ?? uri.options.get('ssl');
  const on = inUri === undefined ? tls !== undefined : inUri === 'true';
  return on ? { tls: true, ...(tls?.ca !== undefined && { ca: tls.ca }) } : {};
}

function clientOptions(uri: MongoUri, tls: DeploymentSettings['tls'], options: ConnectOptions): MongoClientOptions {
  const milliseconds = (name: string) => Number(uri.options.get(name) ?? Number.NaN) || undefined;
  const selection =
    options.serverSelectionTimeoutMS ?? milliseconds('serverselectiontimeoutms') ?? defaultSelectionTimeout;
  return {
    appName: options.appName.slice(0, 128),
    maxPoolSize: options.maxPoolSize ?? 10,
    serverSelectionTimeoutMS: selection,
    connectTimeoutMS: milliseconds('connecttimeoutms') ?? selection,
    ...tlsOptions(uri, tls),
    ...authOptions(uri, options.credentials),
  };
}

async function open(
  url: string,
  options: MongoClientOptions,
  context: DriverErrorContext,
  signal: AbortSignal | undefined,
): Promise<MongoClient> {
  signal?.throwIfAborted();
  let client: MongoClient | undefined;
  const stop = () => void client?.close();
  signal?.addEventListener('abort', stop);
  try {
    client = createMongoClient(url, options);
    await client.connect();
    signal?.throwIfAborted();
    return client;
  } catch (error) {
    await client?.close();
    signal?.throwIfAborted();
    throw mapDriverError(error, context);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * Connects to exactly one server. A direct connection is the only way to a hidden member: with `replicaSet=` the driver
 * drops it and silently reads from others (reference: MongoDB's SDAM specification; measured on 6.0).
 * @throws SourceUnreachable, AuthenticationFailed, CredentialsUnavailable, InvalidConfig
 */
export async function connectDirect(options: ConnectDirectOptions): Promise<MongoClient> {
  const { host, settings, signal } = options;
  const uri = parseMongoUri(settings.uri);
  const socketTimeoutMS = options.silenceLimitMS ?? defaultSilenceLimit;
  const direct = { ...clientOptions(uri, settings.tls, options), directConnection: true, socketTimeoutMS };
  return open(`mongodb://${host}/`, direct, { host, role: 'source' }, signal);
}

/** What is asked of a target may take hours, an index, or be answered never: the signal ends it, with the client. */
function closeOnAbort(client: MongoClient, signal: AbortSignal): void {
  const close = () => void client.close();
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  client.once('topologyClosed', () => {
    signal.removeEventListener('abort', close);
  });
}

/**
 * Connects as the URI says, with the driver's own discovery: to the set of a member that is named, or to a standalone.
 * The signal closes it also later on.
 * @throws SourceUnreachable or TargetUnreachable, AuthenticationFailed, CredentialsUnavailable, InvalidInput (no URI)
 */
export async function connectTo(options: ConnectToOptions): Promise<MongoClient> {
  const uri = parseMongoUri(options.uri);
  const replicaSet = uri.options.get('replicaset');
  const how = {
    ...(replicaSet !== undefined && { replicaSet }),
    ...(uri.options.get('directconnection') === 'true' && { directConnection: true }),
  };
  const settings = { ...clientOptions(uri, options.tls, options), ...how };
  const host = uri.hosts.join(',');
  const client = await open(`mongodb://${host}/`, settings, { host, role: options.role }, options.signal);
  if (options.signal) closeOnAbort(client, options.signal);
  return client;
}
