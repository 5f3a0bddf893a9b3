import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded } from '../../local/embedded.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type Settings, settingsSchema } from '../../src/domain/settings.ts';
import { storageFiles } from '../support/embedded-set.ts';
import { noLogger } from '../support/no-logger.ts';
import { type FileSystem, mountOwnDisk, type OwnDisk, whyNoDisk } from '../support/own-disk.ts';
import { isLocked, leftovers, physicalSettings } from '../support/physical-set.ts';
import { lookAt } from '../support/recovered-files.ts';

/** Where the copy of a data directory goes: to a disk that shares blocks, and to one that has no room left. */

const MiB = 1024 * 1024;
let directory: string;
let disk: OwnDisk | undefined;
let set: ReplicaSetServers | undefined;

beforeAll(async () => {
  directory = await makeOwnDirectory('disks');
});
afterEach(async () => {
  await set?.stop();
  await disk?.unmount();
  [set, disk] = [undefined, undefined];
});
afterAll(() => removeOwnDirectory(directory));

async function startOn(place: string): Promise<ReplicaSetServers> {
  set = await startReplicaSet({ directory: join(place, 'set'), members: [{}, { hidden: true, votes: 0 }] });
  const documents = Array.from({ length: 1000 }, (_, n) => ({ n }));
  await set
    .client()
    .db('shop')
    .collection('orders')
    .insertMany(documents, { writeConcern: { w: 2 } });
  return set;
}

const freeOf = async (path: string): Promise<number> => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

/** Bytes that take their room on any disk. */
const fill = (path: string, megabytes: number) => writeFile(path, randomBytes(megabytes * MiB), { flush: true });

async function backUp(settings: Settings, method: 'physical' | 'snapshot') {
  const client = await openEmbedded({ settings, logger: noLogger });
  try {
    const { runId } = await client.startBackup({ method });
    return await client.waitForRun(runId);
  } finally {
    await client.close();
  }
}

const sharing: readonly FileSystem[] = ['xfs', 'btrfs'];
describe.each(sharing)('a data directory on %s', (fileSystem) => {
  const problem = whyNoDisk(fileSystem);
  const named = problem === undefined ? '' : ` (skipped: ${problem})`;

  test.skipIf(problem !== undefined)(
    `is copied by reflink: where two of it have no room, and restored to the restore time${named}`,
    async () => {
      disk = await mountOwnDisk(fileSystem, directory, 2048);
      const { path } = disk;
      const source = await startOn(path);
      await fill(join(source.hidden.dbPath, 'ballast'), 900);
      const settings = physicalSettings(source, path, true);
      const before = await freeOf(path);
      expect(before, 'room for a copy, byte by byte').toBeLessThan(900 * MiB);
      expect(await backUp(settings, 'snapshot')).toMatchObject({ status: 'succeeded', error: null });
      // The members' journals and oplogs grow meanwhile.
      expect(before - (await freeOf(path)), 'room that the copy took').toBeLessThan(450 * MiB);
      expect(await isLocked(source.clientFor(source.hidden))).toBe(false);

      // The copy keeps what it held: the member writes on, and the ballast goes.
      await source
        .client()
        .db('shop')
        .collection('orders')
        .deleteMany({}, { writeConcern: { w: 2 } });
      await rm(join(source.hidden.dbPath, 'ballast'));
      const client = await openEmbedded({ settings, logger: noLogger });
      try {
        const to = join(directory, `restored-from-${fileSystem}`);
        const { runId } = await client.startRestore({ backup: 'orders', to });
        expect(await client.waitForRun(runId)).toMatchObject({ status: 'succeeded', error: null });
        expect(await lookAt(to, (copy) => copy.db('shop').collection('orders').countDocuments())).toBe(1000);
      } finally {
        await client.close();
      }
    },
  );
});

describe('a disk that becomes full', () => {
  const problem = whyNoDisk('tmpfs');
  const named = problem === undefined ? '' : ` (skipped: ${problem})`;

  /** Fills the disk as soon as the copy has begun. */
  async function fillDuringCopy(path: string, until: AbortSignal): Promise<void> {
    const begun = async () => (await readdir(path, { recursive: true })).some((name) => name.endsWith('ballast'));
    while (!until.aborted && !(await begun())) await turn();
    // As much as fits: whoever is first, both have no room.
    await writeFile(join(path, 'filler'), Buffer.alloc(500 * MiB)).catch(() => undefined);
  }

  test.skipIf(problem !== undefined)(
    `while the files are copied fails the run by name, unlocks the member and leaves nothing${named}`,
    async () => {
      disk = await mountOwnDisk('tmpfs', directory, 1300);
      const source = await startOn(directory);
      // Read late and for long: by then the other files are there.
      await fill(join(source.hidden.dbPath, 'ballast'), 800);
      const base = physicalSettings(source, join(directory, 'full'), true);
      const settings = settingsSchema.parse({ ...base, stateDir: disk.path });
      const ended = new AbortController();
      const filling = fillDuringCopy(disk.path, ended.signal);
      const run = await backUp(settings, 'physical');
      ended.abort();
      await filling;
      // The state lies on the same disk: its own writes may be the first that have no room.
      expect(run).toMatchObject({
        status: 'failed',
        error: {
          name: expect.stringMatching(/^(SnapshotFailed|StorageFull)$/) as string,
          next: expect.stringMatching(/room|Free space/) as string,
        },
      });
      expect(await isLocked(source.clientFor(source.hidden))).toBe(false);
      expect(await leftovers(settings)).toEqual([]);
      expect(await storageFiles(settings)).toEqual([]);
    },
  );
});
