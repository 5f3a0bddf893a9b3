import { constants, copyFile, type FileHandle, mkdir, open, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type {
  SnapshotOwner,
  SnapshotProgress,
  SnapshotRequest,
  TakenSnapshot,
  VolumeSnapshots,
} from '../../application/ports/volume-snapshots.ts';
import { snapshotFactsSchema } from '../../domain/base.ts';
import { dataLayoutSchema } from '../../domain/data-layout.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { PlannedVolume } from '../../domain/run.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { readDataLayout, scanDataDirectory, type ScannedDirectory } from '../../engine/copy/scan-data-directory.ts';

const chunkBytes = 4 * 1024 * 1024;
/** Room that is left free beside a copy, in bytes. */
const spare = 256 * 1024 * 1024;

const markSchema = z.strictObject({
  taken: snapshotFactsSchema.omit({ completedAt: true, consistency: true, lockSeconds: true }),
  layout: dataLayoutSchema,
});

/**
 * Snapshots of the data directories of mongods on this machine: copies, shared with the original where the file system
 * can (reflink). They are made file by file, not at one instant, so nobody may write meanwhile.
 */
export class DataDirectorySnapshots implements VolumeSnapshots {
  readonly #root: string;

  /** @param root where the copies go: on the file system of the data, they take no time and no room where it can reflink */
  constructor(root: string) {
    this.#root = root;
  }

  async find({ volumes = {} }: DeploymentSettings, member: string): Promise<PlannedVolume | undefined> {
    const path = Object.entries(volumes).find(([host]) => host.toLowerCase() === member.toLowerCase())?.[1];
    if (path === undefined) return undefined;
    await scanDataDirectory({ root: path, member, followLinks: true });
    return {
      ...({ type: 'directory', volumes: [path], instance: null, filesystem: null, dataPath: '' } as const),
      atOnce: false,
      reason: `the data directory ${path}, named under volumes`,
    };
  }

  /** `mongod.lock` holds the id of the process; it is empty when nobody runs on the directory. */
  async openedBy({ volumes: [root = ''] }: PlannedVolume): Promise<number | undefined> {
    const text = await readFile(join(root, 'mongod.lock'), 'utf8').catch(() => '');
    const pid = Number(text.trim());
    return Number.isSafeInteger(pid) ? pid : undefined;
  }

  async create(request: SnapshotRequest, signal?: AbortSignal): Promise<TakenSnapshot> {
    const { member, volume } = request;
    const [root = ''] = volume.volumes;
    const place = this.#place(request);
    const takenAt = new Date().toISOString();
    try {
      const scanned = await scanDataDirectory({ root, member, followLinks: true });
      await mkdir(join(place, 'data'), { recursive: true, mode: 0o700 });
      await this.#requireRoom(scanned.bytes, member);
      await copyTree(scanned, root, join(place, 'data'), signal);
      const taken: TakenSnapshot = {
        ...({ type: 'directory', filesystem: null, dataPath: '' } as const),
        snapshots: [{ id: join(place, 'data'), volume: root, bytes: scanned.bytes }],
        takenAt,
      };
      const layout = await readDataLayout({ root: join(place, 'data'), member }, scanned);
      await writeFile(join(place, 'snapshot.json'), JSON.stringify({ taken, layout }), { flush: true });
      return taken;
    } catch (error) {
      await this.delete(request);
      signal?.throwIfAborted();
      if (error instanceof HoldfastError) throw error;
      throw new HoldfastError('SnapshotFailed', `The data of ${member} could not be copied: ${String(error)}.`, {
        cause: error,
      });
    }
  }

  async adopt(request: SnapshotRequest): Promise<TakenSnapshot | undefined> {
    return (await this.#readMark(request))?.taken;
  }

  /** Makes it durable: what was copied under a lock is on the disk only now. */
  async look(owner: SnapshotOwner): Promise<SnapshotProgress> {
    const mark = await this.#readMark(owner);
    if (mark === undefined)
      throw new HoldfastError(
        'SnapshotFailed',
        `The copy of ${owner.part} of run ${owner.runId} is not there any more.`,
      );
    const data = join(this.#place(owner), 'data');
    const scanned = await scanDataDirectory({ root: data, member: owner.part, followLinks: false });
    for (const { path } of [...scanned.files, ...scanned.directories, { path: '' }]) await sync(join(data, path));
    return { state: 'completed', percent: 100, layout: mark.layout, snapshots: mark.taken.snapshots };
  }

  async delete(owner: SnapshotOwner): Promise<void> {
    await rm(this.#place(owner), { recursive: true, force: true });
    // Of the last part of a run, its folder too; of any other it is not empty.
    await rm(dirname(this.#place(owner)), { force: true, recursive: false }).catch(() => undefined);
  }

  #place({ runId, part }: SnapshotOwner): string {
    return join(this.#root, runId, part);
  }

  async #requireRoom(bytes: number, member: string): Promise<void> {
    const { bavail, bsize } = await statfs(this.#root);
    if (bavail * bsize >= bytes + spare) return;
    throw new HoldfastError(
      'SnapshotFailed',
      `A copy of the data of ${member} takes ${bytes} bytes, and ${this.#root} has ${bavail * bsize} free.`,
      { next: 'Make room, or put stateDir on a larger disk.' },
    );
  }

  async #readMark(owner: SnapshotOwner): Promise<z.infer<typeof markSchema> | undefined> {
    try {
      return markSchema.parse(JSON.parse(await readFile(join(this.#place(owner), 'snapshot.json'), 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function copyTree(
  { directories, files }: ScannedDirectory,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { path, mode } of directories) await mkdir(join(to, path), { mode: mode | 0o700 });
  let canClone = true;
  for (const { path } of files) {
    signal?.throwIfAborted();
    canClone &&= await cloneFile(join(from, path), join(to, path));
    if (!canClone) await copyBytes(join(from, path), join(to, path), signal);
  }
}

/** @returns false where the file system cannot share blocks, or not between these two places */
async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (
      ['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY'].includes(
        String((error as NodeJS.ErrnoException).code),
      )
    ) {
      await rm(to, { force: true });
      return false;
    }
    throw error;
  }
}

const zeros = Buffer.alloc(chunkBytes);

/**
 * In pieces, so that a lock that lasts too long can be given up in the middle of a large file; without writing zeros, of
 * which most of a journal consists.
 */
async function copyBytes(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'wx', (await source.stat()).mode & 0o7777);
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let at = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, at);
    if (bytesRead === 0) break;
    if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0)
      await writeWhole(target, buffer.subarray(0, bytesRead), at);
    at += bytesRead;
  }
  await target.truncate(at);
}

async function writeWhole(target: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
