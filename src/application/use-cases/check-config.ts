import { randomUUID } from 'node:crypto';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { asHoldfastError, type FailureRecord, failureRecord } from '../../domain/failure.ts';
import { chooseMember, type MemberVerdict } from '../../domain/member-choice.ts';
import { chooseMethod, type MethodChoice } from '../../domain/method-choice.ts';
import { artifactKeys } from '../../domain/names.ts';
import { backupRole, roleCommands, suggestedUsers } from '../../domain/privileges.ts';
import type { DeploymentSettings, Settings } from '../../domain/settings.ts';
import type { Topology, TopologyPart } from '../../domain/topology.ts';
import type { DeploymentInspector } from '../ports/deployment-inspector.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { OpenStorage } from '../run-folder.ts';

export interface CheckConfigDeps {
  readonly inspector: DeploymentInspector;
  readonly openStorage: OpenStorage;
  /** The state storage. */
  readonly state: ObjectStore;
}

export interface StorageCheck {
  /** Name in the config; `stateDir` for the state storage. */
  readonly name: string;
  readonly description: string;
  /** Null when an object could be written, read and removed. */
  readonly problem: FailureRecord | null;
}

export interface PartCheck {
  readonly name: string;
  readonly member: string;
  readonly memberReason: string;
  readonly warnings: readonly string[];
  readonly verdicts: readonly MemberVerdict[];
}

export interface DeploymentCheck {
  readonly name: string;
  readonly kind: Topology['kind'] | null;
  readonly serverVersion: string | null;
  /** What a backup would do now; null when it could not be found out, or none is possible. */
  readonly method: MethodChoice | null;
  readonly parts: readonly PartCheck[];
  readonly problems: readonly FailureRecord[];
  /** `find on local.oplog.rs`, …: of the backup user. */
  readonly missingPrivileges: readonly string[];
  /** mongosh commands that make the role and a user; null when no privilege is missing. */
  readonly commands: string | null;
}

export interface ConfigReport {
  readonly ok: boolean;
  readonly storages: readonly StorageCheck[];
  readonly deployments: readonly DeploymentCheck[];
}

const probeBody = Buffer.from('written by holdfast config check; may be deleted\n');

/** Writes, reads, lists and removes, and breaks the conditions on which leases and commits rest: each must be refused. */
async function probeStorage(store: ObjectStore): Promise<void> {
  const key = artifactKeys.probe(randomUUID());
  const { etag } = await store.put(key, probeBody, { ifNoneMatch: '*' });
  try {
    const { body } = await store.get(key);
    if (!body.equals(probeBody)) {
      throw new HoldfastError('VerificationFailed', `${store.description} returned other bytes than were written.`);
    }
    if (!(await lists(store, key))) throw unsuitable(store, 'does not list an object that was just written');
    await requireRefusal(store, 'ObjectExists', 'replaces an object that must only be created (If-None-Match)', () =>
      store.put(key, Buffer.from('created twice'), { ifNoneMatch: '*' }),
    );
    await store.put(key, Buffer.from('replaced'), { ifMatch: etag });
    await requireRefusal(store, 'PreconditionFailed', 'replaces an object that has changed (If-Match)', () =>
      store.put(key, Buffer.from('replaced twice'), { ifMatch: etag }),
    );
    await store.requireSuitable(`${key}-suitable`);
  } finally {
    await store.delete([key]);
  }
}

async function lists(store: ObjectStore, key: string): Promise<boolean> {
  for await (const object of store.list(key)) if (object.key === key) return true;
  return false;
}

async function requireRefusal(
  store: ObjectStore,
  refusal: ErrorName,
  otherwise: string,
  write: () => Promise<unknown>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (isHoldfastError(error, refusal)) return;
    throw error;
  }
  throw unsuitable(store, otherwise);
}

function unsuitable(store: ObjectStore, what: string): HoldfastError {
  return new HoldfastError('StorageNotSuitable', `${store.description} ${what}.`);
}

async function checkStorage(name: string, open: () => ObjectStore): Promise<StorageCheck> {
  let description = name;
  try {
    const store = open();
    description = store.description;
    await probeStorage(store);
    return { name, description, problem: null };
  } catch (error) {
    return { name, description, problem: failureRecord(asHoldfastError(error)) };
  }
}

/** Runs a rule; what it refuses is a problem of the report, not of the check. */
function attempt<Result>(rule: () => Result, problems: FailureRecord[]): Result | null {
  try {
    return rule();
  } catch (error) {
    problems.push(failureRecord(asHoldfastError(error)));
    return null;
  }
}

function checkPart(part: TopologyPart, settings: DeploymentSettings): PartCheck {
  const { member, reason, warnings, verdicts } = chooseMember(part, settings.member);
  return { name: part.name, member: member.host, memberReason: reason, warnings, verdicts };
}

function describeTopology(settings: DeploymentSettings, topology: Topology): DeploymentCheck {
  const problems: FailureRecord[] = [];
  const method = attempt(() => chooseMethod(topology, { deploymentDefault: settings.method }), problems);
  const parts =
    method === null ? [] : topology.parts.flatMap((part) => attempt(() => checkPart(part, settings), problems) ?? []);
  return {
    name: settings.name,
    kind: topology.kind,
    serverVersion: topology.serverVersion,
    method,
    parts,
    problems,
    missingPrivileges: [],
    commands: null,
  };
}

function missingOf(error: HoldfastError): readonly string[] {
  const missing = error.details['missing'];
  return Array.isArray(missing) ? missing.map(String) : [];
}

async function checkDeployment(
  settings: DeploymentSettings,
  { inspector }: CheckConfigDeps,
  signal: AbortSignal | undefined,
): Promise<DeploymentCheck> {
  try {
    return describeTopology(settings, await inspector.inspect(settings, signal));
  } catch (error) {
    signal?.throwIfAborted();
    const failure = asHoldfastError(error);
    const lacks = failure.name === 'MissingPrivileges';
    return {
      name: settings.name,
      kind: null,
      serverVersion: null,
      method: null,
      parts: [],
      problems: [failureRecord(failure)],
      missingPrivileges: missingOf(failure),
      commands: lacks ? roleCommands(backupRole(settings), suggestedUsers.backup) : null,
    };
  }
}

/**
 * Tries what a config names, without a run: every storage takes and gives an object, every deployment answers, its user
 * has the privileges, and a backup would find a method and a member. Leaves nothing behind; locks nothing. Problems
 * are in the report; only an abort is thrown.
 */
export async function checkConfig(
  settings: Settings,
  deps: CheckConfigDeps,
  signal?: AbortSignal,
): Promise<ConfigReport> {
  const [storages, deployments] = await Promise.all([
    Promise.all([
      checkStorage('stateDir', () => deps.state),
      ...Object.values(settings.storages).map((storage) => checkStorage(storage.name, () => deps.openStorage(storage))),
    ]),
    Promise.all(Object.values(settings.deployments).map((deployment) => checkDeployment(deployment, deps, signal))),
  ]);
  const ok =
    storages.every(({ problem }) => problem === null) && deployments.every(({ problems }) => problems.length === 0);
  return { ok, storages, deployments };
}
