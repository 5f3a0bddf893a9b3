import type { StoredObject } from '../domain/backup-index.ts';
import { HoldfastError, isHoldfastError } from '../domain/errors.ts';
import { asHoldfastError } from '../domain/failure.ts';
import type { Manifest } from '../domain/manifest.ts';
import { partObjects } from '../domain/manifest-parts.ts';
import { artifactKeys } from '../domain/names.ts';
import { mapParallel, runParallel } from '../engine/restore/run-parallel.ts';
import type { StepDeps } from './bind.ts';
import type { ListedObject, ObjectStore } from './ports/object-store.ts';

/** Where a storage knows no checksums, each of these reads a whole object. */
const checksumsAtOnce = 4;
/** Requests without a body. */
const requestsAtOnce = 16;

export function manifestObjects(manifest: Manifest): StoredObject[] {
  return manifest.parts.flatMap((part) => partObjects(part));
}

/**
 * Compares what the storage holds for a part with what was written: names, sizes and the storage's own checksums.
 * Packs and slices that nothing names are left from attempts that ended early, and are no fault.
 * @param goOn asked before each object: what it throws ends the work, which takes hours where checksums are made anew
 * @throws VerificationFailed with every difference
 */
export async function verifyStored(
  partPrefix: string,
  expected: readonly StoredObject[],
  storage: ObjectStore,
  goOn: () => Promise<void>,
): Promise<void> {
  const listed = new Map<string, ListedObject>();
  for await (const object of storage.list(partPrefix)) listed.set(object.key, object);
  const found = await mapParallel(expected, checksumsAtOnce, async (object) => {
    await goOn();
    return compareObject(object, listed.get(object.key), storage);
  });
  const problems = found.flat();
  const named = new Set(expected.map((object) => object.key));
  const leftovers = [artifactKeys.packs(partPrefix), artifactKeys.oplog(partPrefix)];
  for (const key of listed.keys()) {
    if (!named.has(key) && !leftovers.some((prefix) => key.startsWith(prefix)))
      problems.push(`${key}: not of this backup`);
  }
  if (problems.length === 0) return;
  throw new HoldfastError('VerificationFailed', `in ${storage.description}:\n${problems.join('\n')}`, {
    details: { problems },
  });
}

/**
 * That every object is there, with its size; the worker compares checksums before it writes.
 * @throws ObjectNotFound, CorruptObject naming the object
 */
export async function requireStored(
  expected: readonly StoredObject[],
  storage: ObjectStore,
  signal?: AbortSignal,
): Promise<void> {
  await runParallel(expected, requestsAtOnce, async ({ key, size }) => {
    signal?.throwIfAborted();
    const found = await storage.head(key);
    const where = `The object ${key} in ${storage.description}`;
    if (found === undefined) throw new HoldfastError('ObjectNotFound', `${where} is missing.`, { details: { key } });
    if (found.size !== size) {
      throw new HoldfastError('CorruptObject', `${where} has ${found.size} bytes instead of ${size}.`, {
        details: { key },
      });
    }
  });
}

async function compareObject(
  expected: StoredObject,
  found: ListedObject | undefined,
  storage: ObjectStore,
): Promise<string[]> {
  if (found === undefined) return [`${expected.key}: missing`];
  if (found.size !== expected.size) return [`${expected.key}: ${found.size} bytes, ${expected.size} were written`];
  try {
    const crc32 = await storage.checksum(expected.key);
    return crc32 === expected.crc32 ? [] : [`${expected.key}: checksum ${crc32}, ${expected.crc32} was written`];
  } catch (error) {
    if (isHoldfastError(error, 'ObjectNotFound')) return [`${expected.key}: missing`];
    throw error;
  }
}

/**
 * Locks every object of a backup that is complete, its manifest last. Re-runnable.
 * @throws StorageNotSuitable, and the storage's errors: the backup is there, and not all of it is locked
 */
export async function lockBackup(manifest: Manifest, storage: ObjectStore): Promise<void> {
  const { objectLock, deployment, backupId } = manifest;
  if (objectLock === undefined) return;
  const lock = async (key: string): Promise<void> => {
    if (storage.lock === undefined) {
      throw new HoldfastError('StorageNotSuitable', `${storage.description} knows no locks.`);
    }
    await storage.lock(key, objectLock);
  };
  const keys = manifestObjects(manifest).map(({ key }) => key);
  await runParallel(keys, requestsAtOnce, lock);
  await lock(artifactKeys.manifest(deployment, backupId));
}

/**
 * Gives up what killed workers of a run that is over were in the middle of writing. A user who may not look for it is
 * warned; what is complete is none the worse.
 */
export async function discardUnfinished(
  { runId, prefix }: { readonly runId: string; readonly prefix: string },
  storage: ObjectStore,
  { logger }: Pick<StepDeps, 'logger'>,
): Promise<void> {
  try {
    await storage.discardUnfinished(prefix);
  } catch (error) {
    logger.warn('unfinished objects could not be removed', { runId, reason: asHoldfastError(error).message });
  }
}
