import { constants } from 'node:fs';
import { access, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import type { FilesPart, LogicalPart } from '../../domain/manifest-parts.ts';
import { restoreResultSchema } from '../../domain/restore-result.ts';
import type { SliceInStore } from '../oplog/read-slices.ts';
import { makeFolder, syncFolder } from './durable-files.ts';

/** A directory that a restore fills: empty, or named to be replaced, or what an earlier try of the same run left. */

/** Lies in the directory from the first byte on, until its run has won the outcome `completed`. mongod does not mind it. */
const markFile = 'HOLDFAST_INCOMPLETE';

const markSchema = z.strictObject({
  run: z.string(),
  state: z.enum(['laying files', 'recovering', 'loading', 'finishing', 'restored']),
  at: z.iso.datetime(),
  /** Of files that are whole: what their worker has to say, so that it need not be done again to be said. */
  result: restoreResultSchema.optional(),
});
export type DirectoryMark = z.infer<typeof markSchema>;

/** As long as a process takes to end that has much memory to give back. */
const endLimitMs = 60_000;

const isMissing = (error: unknown) => (error as { code?: unknown }).code === 'ENOENT';

export interface DirectoryCheck {
  readonly directory: string;
  readonly runId: string;
  /** The directory's path, typed by whoever asked: everything in it is deleted first. */
  readonly overwrite?: string | undefined;
  /** That the files and their recovery will need. */
  readonly bytes: number;
}

/** @returns undefined for a directory that is not there */
async function list(directory: string): Promise<string[] | undefined> {
  try {
    // Of the file system's own: the root of a volume that was just made.
    return (await readdir(directory)).filter((name) => name !== 'lost+found');
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw unsuitable(`The target ${directory} cannot be listed (${(cause as Error).message}).`, cause);
  }
}

function unsuitable(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('TargetNotSuitable', message, { cause });
}

/** @returns undefined without a mark, and for one that says nothing that can be read */
export async function readDirectoryMark(directory: string): Promise<DirectoryMark | undefined> {
  try {
    return markSchema.safeParse(JSON.parse(await readFile(join(directory, markFile), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Written as a whole and durably. */
export async function writeDirectoryMark(directory: string, mark: DirectoryMark): Promise<void> {
  const [file, draft] = [join(directory, markFile), join(directory, `${markFile}.new`)];
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(mark, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  await syncFolder(directory);
}

/** Takes the run's own mark off; safe to run again, and when the directory is gone. */
export async function removeDirectoryMark(directory: string, runId: string): Promise<void> {
  if ((await readDirectoryMark(directory))?.run !== runId) return;
  await rm(join(directory, markFile), { force: true });
  await syncFolder(directory);
}

/** Of a mongod that has the directory open, by the process id in its lock file; a crash leaves one of a process that is gone. */
async function processOn(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, 'mongod.lock'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || pid < 1) return undefined;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.includes('mongod') ? pid : undefined;
}

/**
 * A worker that was killed takes its mongod with it, but not at the same instant: the next one of the same run waits.
 * @throws the signal's reason
 */
export async function untilFree(directory: string, runId: string, signal: AbortSignal): Promise<void> {
  if ((await readDirectoryMark(directory))?.run !== runId) return;
  for (const deadline = performance.now() + endLimitMs; performance.now() < deadline;) {
    if ((await processOn(directory)) === undefined) return;
    await delay(50, undefined, { signal });
  }
}

/** Where nothing is there yet, the parent must take it. */
async function requireWritable(directory: string, exists: boolean): Promise<void> {
  const place = exists ? directory : dirname(directory);
  try {
    if (!(await stat(place)).isDirectory()) throw unsuitable(`${place} is no directory.`);
    await access(place, constants.W_OK | constants.X_OK);
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw unsuitable(`Nothing can be written to ${place} (${(cause as Error).message}).`, cause);
  }
}

/** @throws TargetNotSuitable with what is free and what is needed, in bytes */
export async function requireSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw unsuitable(`The target ${directory} has ${free} bytes free; ${bytes} are needed.`);
}

/** What of a data directory nothing else has: whoever names another directory by mistake keeps it. */
const signs = ['storage.bson', 'WiredTiger', markFile, `${markFile}.new`];

function refuseOccupied(directory: string, names: readonly string[], mark: DirectoryMark | undefined): HoldfastError {
  const dead = mark
    ? ` It is what the restore run ${mark.run} left, which did not finish (${mark.state}, ${mark.at}).`
    : '';
  const listed = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
  return new HoldfastError('TargetNotEmpty', `The target ${directory} already holds ${listed}.${dead}`, {
    next: `Restore to an empty directory, or replace everything in it with --overwrite ${directory}.`,
    details: { occupants: names.slice(0, 20), ...(mark ? { run: mark.run } : {}) },
  });
}

function requireAllowed(check: DirectoryCheck, names: readonly string[], mark: DirectoryMark | undefined): void {
  const { directory, overwrite, runId } = check;
  if (overwrite !== undefined && overwrite !== directory)
    throw new HoldfastError('TargetNotEmpty', `The target is ${directory}, not ${overwrite}.`, {
      next: `Check which directory you mean; to overwrite this one, type --overwrite ${directory}.`,
    });
  if (names.length === 0 || mark?.run === runId) return;
  if (overwrite === undefined) throw refuseOccupied(directory, names, mark);
  if (names.some((name) => signs.includes(name))) return;
  throw new HoldfastError(
    'TargetNotEmpty',
    `The target ${directory} holds files, and is no data directory of MongoDB.`,
    {
      next: 'Nothing of it was deleted. Empty it yourself if that is meant, or name another directory.',
      details: { occupants: names.slice(0, 20) },
    },
  );
}

/**
 * Everything that is known of a directory beforehand. Writes nothing.
 * @throws TargetNotSuitable (no directory, not writable, no room, in use), TargetNotEmpty
 */
export async function checkDirectory(check: DirectoryCheck): Promise<void> {
  const { directory } = check;
  const names = await list(directory);
  await requireWritable(directory, names !== undefined);
  const pid = await processOn(directory);
  if (pid !== undefined) throw unsuitable(`A mongod runs on ${directory} (process ${pid}).`);
  requireAllowed(check, names ?? [], names && (await readDirectoryMark(directory)));
  // What is deleted first makes room: then it is looked at once more.
  if (!names?.length) await requireSpace(names ? directory : dirname(directory), check.bytes);
}

/**
 * Empties a directory that {@link checkDirectory} let pass, and marks it.
 * @throws TargetNotSuitable when there is no room
 */
export async function claimDirectory({ directory, runId, bytes }: DirectoryCheck, now: Date): Promise<void> {
  await makeFolder(directory);
  await writeDirectoryMark(directory, { run: runId, state: 'laying files', at: now.toISOString() });
  for (const name of (await list(directory)) ?? [])
    if (name !== markFile) await rm(join(directory, name), { recursive: true, force: true });
  await syncFolder(directory);
  await requireSpace(directory, bytes);
}

/** Journal, and what the server writes beside the data. */
const constantBytes = 400 * 1024 * 1024;

/** What files, oplog and recovery take on the disk, in bytes: the entries once in the oplog and once as what they do. */
export function neededBytes(
  part: LogicalPart | FilesPart,
  archived: readonly { readonly slice: Pick<SliceInStore['slice'], 'rawBytes'> }[] = [],
): number {
  return part.base.rawBytes + recoveryBytes(part, archived);
}

/** The same without the files, where they are there already. */
export function recoveryBytes(
  part: LogicalPart | FilesPart,
  archived: readonly { readonly slice: Pick<SliceInStore['slice'], 'rawBytes'> }[] = [],
): number {
  const slices = [...(part.oplog?.slices ?? []), ...archived.map(({ slice }) => slice)];
  return 2 * slices.reduce((sum, { rawBytes }) => sum + rawBytes, 0) + constantBytes;
}
