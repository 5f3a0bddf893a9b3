import { HoldfastError } from '../../domain/errors.ts';
import {
  type FilesPart,
  isFilesPart,
  isLogicalPart,
  isSnapshotPart,
  type LogicalPart,
  requireReachable,
} from '../../domain/manifest-parts.ts';
import type { RestoreResult } from '../../domain/restore-result.ts';
import { checkArtifacts } from '../restore/check-artifacts.ts';
import { readLayout } from './data-directory-layout.ts';
import { type DirectoryRestore, type DirectoryRestoreDeps, noProgress } from './directory-restore.ts';
import { fillFromCollections } from './fill-from-collections.ts';
import { fillFromFiles } from './fill-from-files.ts';
import { describeUncounted } from './fast-counts.ts';
import { handOver } from './hand-over.ts';
import { describeSteps } from './hand-over-steps.ts';
import { checkKeptSnapshot } from './kept-snapshot.ts';
import { scratchPlace } from './recover-files.ts';
import {
  checkDirectory,
  claimDirectory,
  type DirectoryCheck,
  neededBytes,
  readDirectoryMark,
  recoveryBytes,
  requireSpace,
  untilFree,
  writeDirectoryMark,
} from './target-directory.ts';
import { describeUnfinished } from './unfinished-indexes.ts';

function findPart({ manifest, part: name, restoreTime }: Omit<DirectoryRestore, 'parallel'>): LogicalPart | FilesPart {
  const part = manifest.parts.find((one) => one.name === name);
  if (!part) throw new HoldfastError('UnknownBackup', `The backup ${manifest.backupId} has no part ${name}.`);
  if (!isLogicalPart(part) && !isFilesPart(part))
    throw new HoldfastError(
      'VerificationFailed',
      `The manifest of ${manifest.backupId} has a part ${name} without an oplog.`,
    );
  requireReachable(part, restoreTime, manifest.backupId);
  return part;
}

/**
 * Everything that can be known beforehand about a directory as a target of a part. Writes nothing.
 * @throws UnknownBackup, InvalidInput, MongodUnavailable, TargetNotSuitable, TargetNotEmpty; of a snapshot ObjectNotFound,
 *   CorruptObject, MethodNotAvailable (it can't be read from here)
 */
export async function checkDirectoryRestore(
  input: Omit<DirectoryRestore, 'parallel'>,
  { scratch, snapshotRoot }: Pick<DirectoryRestoreDeps, 'scratch' | 'snapshotRoot'>,
): Promise<LogicalPart | FilesPart> {
  const part = findPart(input);
  await scratch.find(input.manifest.serverVersion);
  if (isSnapshotPart(part)) await checkKeptSnapshot(part, snapshotRoot(part.base.snapshot), input.directory);
  await checkDirectory(directoryCheck(input, part));
  return part;
}

/** @throws UnknownBackup, InvalidInput, MongodUnavailable, RecoveryFailed (no data directory), TargetNotSuitable (no room) */
async function checkInPlace(
  input: DirectoryRestore,
  { scratch }: Pick<DirectoryRestoreDeps, 'scratch'>,
): Promise<LogicalPart | FilesPart> {
  const part = findPart(input);
  await scratch.find(input.manifest.serverVersion);
  await requireInPlace(input.directory, recoveryBytes(part, input.archived));
  return part;
}

/**
 * That files lie there to be recovered where they are, with so many bytes free for it.
 * @throws RecoveryFailed (no data directory), TargetNotSuitable (no room)
 */
export async function requireInPlace(directory: string, bytes: number): Promise<void> {
  await readLayout(directory);
  await requireSpace(directory, bytes);
}

function directoryCheck(input: Omit<DirectoryRestore, 'parallel'>, part: LogicalPart | FilesPart): DirectoryCheck {
  const { directory, runId, overwrite, archived } = input;
  return { directory, runId, overwrite, bytes: neededBytes(part, archived) };
}

/**
 * Restores one part to a directory, as files that a mongod of the backup's release starts on, with exactly what the
 * source held at the restore time and none of its identity. Everything that can be known is proved first; the directory
 * carries a mark from the first write on, which whoever wins the run's outcome takes off (removeDirectoryMark). Run
 * again by the same run it begins anew, unless the mark says that everything was done.
 * @throws with nothing written: UnknownBackup, InvalidInput, MethodNotAvailable, MongodUnavailable, TargetNotSuitable,
 *   TargetNotEmpty, ObjectNotFound, CorruptObject; later: OplogGap, RecoveryFailed, RestoreVerificationFailed,
 *   RestoreRejected, ScratchServerFailed, CorruptObject, the storage's errors, and the signal's reason
 */
export async function restoreDirectory(input: DirectoryRestore, deps: DirectoryRestoreDeps): Promise<RestoreResult> {
  const { directory, runId, manifest } = input;
  const done = await readDirectoryMark(directory);
  if (done?.run === runId && done.result?.part === input.part) return done.result;
  await untilFree(directory, runId, deps.signal);
  const from = performance.now();
  const inPlace = input.inPlace === true;
  const of = await (inPlace ? checkInPlace(input, deps) : checkDirectoryRestore(input, deps));
  await checkArtifacts(deps.store, of, deps.signal);
  const check = (performance.now() - from) / 1000;
  const at = deps.clock.now();
  if (inPlace) await writeDirectoryMark(directory, { run: runId, state: 'recovering', at: at.toISOString() });
  else await claimDirectory(directoryCheck(input, of), at);
  const filled = await (isFilesPart(of)
    ? fillFromFiles({ ...input, of }, deps)
    : fillFromCollections({ ...input, of }, deps));
  const place = await scratchPlace({ directory, serverVersion: manifest.serverVersion }, deps);
  const verified = performance.now();
  deps.onProgress({ ...noProgress, phase: 'verify' });
  const validate = isSnapshotPart(of) && input.validate !== false;
  const { uncounted = [] } = filled;
  const summary = await handOver(place, { keepsLocal: input.restoreTime === null, validate, uncounted });
  const result: RestoreResult = {
    ...{ schemaVersion: 1, part: of.name, target: directory, restoreTime: input.restoreTime },
    ...{ collections: summary.collections, documents: summary.documents, rawBytes: of.base.rawBytes },
    indexes: summary.indexes,
    oplog: filled.oplog,
    usersAndRoles: { users: summary.users, roles: summary.roles },
    uuidsKept: true,
    keepExpired: true,
    seconds: { check, ...filled.seconds, verify: (performance.now() - verified) / 1000 },
    warnings: [...filled.warnings, ...describeUnfinished(summary.unfinished), ...describeUncounted(summary.uncounted)],
    steps: describeSteps(directory, manifest, filled.layout),
  };
  await writeDirectoryMark(directory, { run: runId, state: 'restored', at: deps.clock.now().toISOString(), result });
  return result;
}
