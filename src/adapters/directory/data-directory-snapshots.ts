import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
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
import { cloneFile, copyTree, syncTree } from '../../engine/copy/copy-tree.ts';
import { readDataLayout, scanDataDirectory, type ScannedDirectory } from '../../engine/copy/scan-data-directory.ts';

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
    if (typeof path !== 'string') return undefined;
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
      if (!(await isShared(scanned, root, place))) await this.#requireRoom(scanned.bytes, member);
      await copyTree(scanned, root, join(place, 'data'), { signal });
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
    await syncTree(scanned, data);
    // Not the original's bytes: what has nothing to do with the data, such as a log, goes on growing there.
    const snapshots = mark.taken.snapshots.map((snapshot) => ({ ...snapshot, bytes: scanned.bytes }));
    return { state: 'completed', percent: 100, layout: mark.layout, snapshots };
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

/** Whether the copy takes no room. What is behind links may lie on another disk, which shares nothing. */
async function isShared({ links }: ScannedDirectory, root: string, place: string): Promise<boolean> {
  if (links.length > 0) return false;
  const probe = join(place, 'probe');
  const shared = await cloneFile(join(root, 'WiredTiger.turtle'), probe);
  await rm(probe, { force: true });
  return shared;
}
