import type { Document, MongoClient, ObjectId } from 'mongodb';
import { HoldfastError } from '../../domain/errors.ts';
import type { Manifest, ManifestPart } from '../../domain/manifest.ts';
import { splitNamespace } from '../../domain/names.ts';
import type { NamespaceSelection } from '../../domain/namespace-selection.ts';
import { type AuthInfo, missingPrivileges, restoreRole } from '../../domain/privileges.ts';
import { temporaryRoles, temporaryUsers } from '../replay/carried-namespaces.ts';
import { markDatabase, readMark, type RestoreMark } from './restore-mark.ts';
import { runParallel } from './run-parallel.ts';
import { atTarget } from './target-errors.ts';

export interface TargetCheck {
  readonly manifest: Manifest;
  readonly part: string;
  readonly runId: string;
  /** The target's name, typed by whoever asked: the replica set's name, or host:port of a standalone. */
  readonly overwrite?: string | undefined;
  /** Only these names of it are filled (NamespaceSelection.scope); undefined for all of it. */
  readonly selection?: Pick<NamespaceSelection, 'scope'> | undefined;
}

/** What a restore needs to know of its target. */
export interface TargetFacts {
  /** What must be typed to overwrite it. */
  readonly name: string;
  readonly version: string;
  readonly featureCompatibilityVersion: string;
  /** hello.maxWireVersion: 17 is 6.0. */
  readonly maxWireVersion: number;
  readonly replicaSet: boolean;
  readonly authenticated: boolean;
  /** `host:port` as the server calls itself; undefined where the client connects to it directly. */
  readonly host: string | undefined;
  /** Of {@link requireSameIncarnation}, before the first write. */
  readonly incarnation: string;
  /** Holds data: of an earlier try of this run, or to be overwritten as asked for. */
  readonly occupied: boolean;
  readonly mark: RestoreMark | undefined;
}

interface Hello {
  readonly isWritablePrimary?: boolean;
  readonly setName?: string;
  readonly me?: string;
  readonly hosts?: readonly string[];
  readonly msg?: string;
  readonly maxWireVersion: number;
  /** Of the primary: another one after every election. */
  readonly electionId?: ObjectId;
  /** Another process id after every start of the server. */
  readonly topologyVersion?: { readonly processId: ObjectId };
}

const incarnationOf = ({ electionId, topologyVersion }: Hello): string =>
  `${electionId?.toHexString() ?? ''}/${topologyVersion?.processId.toHexString() ?? ''}`;

const unsuitable = (message: string) => new HoldfastError('TargetNotSuitable', message);

const command = (client: MongoClient, what: string, document: Document) =>
  atTarget(what, () => client.db('admin').command(document));

const readHello = async (client: MongoClient): Promise<Hello> =>
  (await command(client, 'the first command', { hello: 1 })) as unknown as Hello;

/**
 * Writes are acknowledged by the primary alone and awaited on a majority at the end of each phase. That holds only for
 * writes of the same process in the same term: what a primary had not handed on is gone with it, while the driver goes
 * on with the next one.
 * @throws TargetUnreachable when the target's server was started or elected anew since the restore began
 */
export async function requireSameIncarnation(client: MongoClient, facts: TargetFacts): Promise<void> {
  if (incarnationOf(await readHello(client)) === facts.incarnation) return;
  throw new HoldfastError(
    'TargetUnreachable',
    `The target ${facts.name} has another primary, or was restarted, since the restore began: what it took before may be lost.`,
    { next: 'Restore again when the target is stable.' },
  );
}

/** `6.0.5` → [6, 0] */
function majorMinor(version: string): readonly [number, number] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return [major, minor];
}

const older = (a: string, b: string): boolean => {
  const [x, y] = [majorMinor(a), majorMinor(b)];
  return x[0] - y[0] < 0 || (x[0] === y[0] && x[1] < y[1]);
};

/** @throws TargetNotSuitable when the target's release or FCV is older than the source's was */
async function checkVersion(client: MongoClient, manifest: Manifest): Promise<{ version: string; fcv: string }> {
  const { version } = (await command(client, 'a look at its version', { buildInfo: 1 })) as { version: string };
  if (older(version, manifest.serverVersion))
    throw unsuitable(`The target runs ${version}; the backup is of ${manifest.serverVersion} and needs that or newer.`);
  const reply = await command(client, 'a look at its FCV', { getParameter: 1, featureCompatibilityVersion: 1 });
  const fcv = (reply['featureCompatibilityVersion'] as { version: string }).version;
  if (older(fcv, manifest.featureCompatibilityVersion))
    throw unsuitable(
      `The target's feature compatibility version is ${fcv}; the backup is of ${manifest.featureCompatibilityVersion}.`,
    );
  return { version, fcv };
}

/** @throws MissingPrivileges naming them */
async function checkPrivileges(client: MongoClient): Promise<boolean> {
  const reply = await command(client, 'a look at its privileges', { connectionStatus: 1, showPrivileges: true });
  const authInfo = reply['authInfo'] as AuthInfo & { authenticatedUsers: readonly unknown[] };
  // Nobody is logged in: a server without access control takes everything, one with it refuses the next command.
  if (authInfo.authenticatedUsers.length === 0) return false;
  const missing = missingPrivileges(authInfo, restoreRole().privileges);
  if (missing.length > 0)
    throw new HoldfastError('MissingPrivileges', `The restore user lacks: ${missing.join(', ')}.`, {
      details: { missing },
      next: 'Create the restore role that `holdfast roles` prints and grant it to the restore user.',
    });
  return true;
}

/**
 * Whether the target is the deployment that was backed up: the same replica set id where both are known; else a host
 * of the source among the target's. A standalone does not know its own: what the client connects to counts.
 */
async function isSource(client: MongoClient, hello: Hello, part: ManifestPart): Promise<boolean> {
  if (hello.setName !== undefined) {
    const reply = await command(client, 'a look at its replica set config', { replSetGetConfig: 1 });
    const id = (reply['config'] as { settings?: { replicaSetId?: { toHexString(): string } } }).settings?.replicaSetId;
    if (id && part.topology.replicaSetId !== null) return id.toHexString() === part.topology.replicaSetId;
  }
  const own = hello.setName === undefined ? client.options.hosts.map(String) : [hello.me];
  const hosts = new Set<string | undefined>([...(hello.hosts ?? []), ...own]);
  return part.topology.members.some(({ host }) => hosts.has(host));
}

/** Databases and collections that a restore would meet. */
async function readOccupants(client: MongoClient, scope: readonly string[] | undefined): Promise<string[]> {
  const databases = await readDatabases(client);
  if (scope) return readNamed(client, databases, scope);
  const own = new Set(['admin', 'config', 'local', markDatabase]);
  const temporary = new Set([temporaryUsers, temporaryRoles]);
  const inAdmin = await readCollections(client, 'admin');
  const collections = inAdmin.filter((ns) => !ns.startsWith('admin.system.') && !temporary.has(ns));
  return [...databases.filter((name) => !own.has(name)), ...collections];
}

async function readDatabases(client: MongoClient): Promise<string[]> {
  const reply = await command(client, 'a list of its databases', { listDatabases: 1, nameOnly: true });
  return (reply['databases'] as readonly { name: string }[]).map(({ name }) => name);
}

async function readCollections(client: MongoClient, db: string): Promise<string[]> {
  const listed = await atTarget(`a list of the collections of ${db}`, () =>
    client.db(db).listCollections({}, { nameOnly: true }).toArray(),
  );
  return listed.map(({ name }) => `${db}.${name}`);
}

/** What there is of these names: a database for `db.*`, else a collection or a view. */
async function readNamed(
  client: MongoClient,
  databases: readonly string[],
  scope: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const db of databases.filter((name) => scope.includes(`${name}.*`))) found.push(db);
  const single = scope.filter((ns) => !ns.endsWith('.*') && !found.includes(splitNamespace(ns).db));
  for (const db of new Set(single.map((ns) => splitNamespace(ns).db))) {
    const present = databases.includes(db) ? await readCollections(client, db) : [];
    found.push(...present.filter((ns) => single.includes(ns)));
  }
  return found;
}

function refuseOccupied(
  occupants: readonly string[],
  mark: RestoreMark | undefined,
  name: string,
  partial: boolean,
): HoldfastError {
  const dead = mark
    ? ` It is what the restore run ${mark.run} left, which did not finish (${mark.state}, ${mark.at.toISOString()}).`
    : '';
  const listed = occupants.slice(0, 5).join(', ') + (occupants.length > 5 ? ', …' : '');
  return new HoldfastError('TargetNotEmpty', `The target ${name} already holds ${listed}.${dead}`, {
    next: partial
      ? `Restore under other names (--rename), or replace these with --overwrite ${name}.`
      : `Restore to an empty server, or replace everything in it with --overwrite ${name}.`,
    details: { occupants: occupants.slice(0, 20), ...(mark ? { run: mark.run } : {}) },
  });
}

function checkOverwrite(check: TargetCheck, name: string): void {
  if (check.overwrite !== undefined && check.overwrite !== name)
    throw new HoldfastError('TargetNotEmpty', `The target is called ${name}, not ${check.overwrite}.`, {
      next: `Check which server you mean; to overwrite this one, type --overwrite ${name}.`,
    });
}

/**
 * Everything that is known beforehand about a target, in this order: reachable, writable, no mongos, version and FCV,
 * privileges, not the source, empty. Writes nothing.
 * @throws TargetUnreachable, TargetNotSuitable, MissingPrivileges, TargetIsSource, TargetNotEmpty, UnknownBackup (part)
 */
export async function checkTarget(client: MongoClient, check: TargetCheck): Promise<TargetFacts> {
  const part = check.manifest.parts.find(({ name }) => name === check.part);
  if (!part) throw new HoldfastError('UnknownBackup', `The backup has no part ${check.part}.`);
  const hello = await readHello(client);
  if (hello.msg === 'isdbgrid') throw unsuitable('The target is a mongos; a logical part goes to a replica set.');
  if (hello.isWritablePrimary !== true) throw unsuitable('The target is not a writable primary.');
  const authenticated = await checkPrivileges(client);
  const { version, fcv } = await checkVersion(client, check.manifest);
  const name = hello.setName ?? client.options.hosts[0]?.toString() ?? '';
  checkOverwrite(check, name);
  if (check.overwrite === undefined && (await isSource(client, hello, part)))
    throw new HoldfastError('TargetIsSource', `The target ${name} is the deployment that was backed up.`);
  const mark = await readMark(client, check.runId);
  const { scope } = check.selection ?? {};
  const occupants = await readOccupants(client, scope);
  const allowed = check.overwrite !== undefined || mark?.run === check.runId;
  if (occupants.length > 0 && !allowed) throw refuseOccupied(occupants, mark, name, scope !== undefined);
  return {
    name,
    version,
    featureCompatibilityVersion: fcv,
    maxWireVersion: hello.maxWireVersion,
    replicaSet: hello.setName !== undefined,
    authenticated,
    host: client.options.directConnection ? undefined : hello.me,
    incarnation: incarnationOf(hello),
    occupied: occupants.length > 0,
    mark,
  };
}

/** A server drops a database in some ten milliseconds, of which it mostly waits for its disk. */
const parallelDrops = 4;

/**
 * Empties a target that {@link checkTarget} let pass although it was occupied: everything but admin's own, config and local.
 * @param scope only these names of it
 */
export async function clearTarget(client: MongoClient, scope?: readonly string[]): Promise<void> {
  const occupants = [...(await readOccupants(client, scope)), temporaryUsers, temporaryRoles];
  await runParallel(occupants, parallelDrops, async (occupant) => {
    const [db = '', ...coll] = occupant.split('.');
    await atTarget(`the removal of ${occupant}`, async () => {
      if (coll.length === 0) await client.db(db).dropDatabase();
      else await client.db(db).dropCollection(coll.join('.'));
    });
  });
}
