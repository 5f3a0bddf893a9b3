import { randomUUID } from 'node:crypto';
import type { ErrorName } from '../../domain/error-registry.ts';
import { HoldfastError, isHoldfastError } from '../../domain/errors.ts';
import { asHoldfastError, type FailureRecord, failureRecord } from '../../domain/failure.ts';
import { artifactKeys } from '../../domain/names.ts';
import type { Settings } from '../../domain/settings.ts';
import { checkDeployment, type CheckDeploymentDeps, type DeploymentCheck } from '../check-deployment.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { OpenStorage } from '../run-folder.ts';

export interface CheckConfigDeps extends CheckDeploymentDeps {
  readonly openStorage: OpenStorage;
  /** The state storage; null where it can't be tried from here. */
  readonly state: ObjectStore | null;
}

export interface StorageCheck {
  /** Name in the config; `stateDir` for the state storage. */
  readonly name: string;
  readonly description: string;
  /** Null when an object could be written, read and removed. */
  readonly problem: FailureRecord | null;
}

export interface ConfigReport {
  readonly ok: boolean;
  readonly storages: readonly StorageCheck[];
  readonly deployments: readonly DeploymentCheck[];
  /** What could not be tried from here, each with why and what to do: for people. No problem of the config. */
  readonly notChecked: readonly string[];
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

/**
 * Tries what a config names, without a run: every storage takes and gives an object, every deployment answers, its user
 * has the privileges, and a backup would find a method, a member and, where files are copied, the member's own volume. Leaves nothing behind; locks nothing. Problems
 * are in the report; only an abort is thrown.
 */
export async function checkConfig(
  settings: Settings,
  deps: CheckConfigDeps,
  signal?: AbortSignal,
): Promise<ConfigReport> {
  const { state } = deps;
  const [storages, deployments] = await Promise.all([
    Promise.all([
      ...(state === null ? [] : [checkStorage('stateDir', () => state)]),
      ...Object.values(settings.storages).map((storage) => checkStorage(storage.name, () => deps.openStorage(storage))),
    ]),
    Promise.all(Object.values(settings.deployments).map((deployment) => checkDeployment(deployment, deps, signal))),
  ]);
  const ok =
    storages.every(({ problem }) => problem === null) && deployments.every(({ problems }) => problems.length === 0);
  return { ok, storages, deployments, notChecked: [] };
}
