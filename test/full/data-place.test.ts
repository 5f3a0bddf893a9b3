import { spawnSync } from 'node:child_process';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findMongod } from '../../local/servers/find-mongod.ts';
import { type MongodProcess, startMongod } from '../../local/servers/mongod-process.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { MongoDeploymentInspector } from '../../src/adapters/mongodb/inspect-deployment.ts';
import type { PlannedVolume } from '../../src/domain/run.ts';
import { withLayout } from '../../src/domain/volume-layout.ts';
import { deploymentSettings } from '../support/deployment-settings.ts';
import { whyNoDisk } from '../support/own-disk.ts';

/** What a real server says of real disks. Mounting takes root, and so do partitions, which addpart (util-linux) makes. */

const MiB = 1024 * 1024;
let directory: string;
let server: MongodProcess | undefined;
let undo: (() => void)[] = [];

const run = (command: string, ...args: string[]): string => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
};

beforeAll(async () => {
  directory = await makeOwnDirectory('data-place');
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  for (const step of undo.reverse()) step();
  undo = [];
});
afterAll(() => removeOwnDirectory(directory));

/** @returns the block device of an empty disk, or of its one partition */
async function makeDisk(name: string, partition: boolean): Promise<string> {
  const image = join(directory, `${name}.image`);
  await rm(image, { force: true });
  await writeFile(image, '');
  await truncate(image, 700 * MiB);
  const loop = run('losetup', '--find', '--show', image);
  undo.push(() => run('losetup', '--detach', loop));
  if (!partition) return loop;
  run('addpart', loop, '1', '2048', '1400000');
  undo.push(() => run('delpart', loop, '1'));
  return `${loop}p1`;
}

async function mountDisk(device: string, path: string, propagation: 'shared' | 'private'): Promise<void> {
  await mkdir(path, { recursive: true });
  run('mkfs.ext4', '-q', device);
  run('mount', device, path);
  undo.push(() => run('umount', path));
  run('mount', `--make-${propagation}`, path);
}

async function layoutOf(dbPath: string) {
  await mkdir(dbPath, { recursive: true });
  server = await startMongod({ mongod: (await findMongod()).path, dbPath });
  const volumes = { [server.host]: 'vol-1' };
  const settings = deploymentSettings({ uri: `mongodb://${server.host}/?directConnection=true`, volumes });
  const { parts } = await new MongoDeploymentInspector().inspect(settings);
  const volume: PlannedVolume = {
    ...{ type: 'ebs', volumes: ['vol-1'], instance: 'i-1', filesystem: 'xfs', dataPath: '', atOnce: true },
    reason: 'vol-1 of i-1',
  };
  return withLayout(volume, parts[0]?.members[0]?.dataPlace, server.host);
}

const problem = whyNoDisk('tmpfs');
describe.skipIf(problem !== undefined)(
  `a server's word for its disks${problem ? ` (skipped: ${problem})` : ''}`,
  () => {
    test('tells a partition', async () => {
      const device = await makeDisk('partitioned', true);
      const path = join(directory, 'partitioned');
      await mountDisk(device, path, 'shared');
      expect(await layoutOf(join(path, 'db'))).toMatchObject({
        ...{ filesystem: null, unmountable: `its data lies on ${device}, a partition` },
        reason: `vol-1 of i-1; the server has ${join(path, 'db')} on ${device} (ext4 at ${path})`,
      });
    });

    test('tells a journal that lies on a disk of its own: a snapshot of one volume is refused', async () => {
      const [data, journal] = [await makeDisk('data', true), await makeDisk('journal', true)];
      const dbPath = join(directory, 'apart');
      await mountDisk(data, dbPath, 'shared');
      await mountDisk(journal, join(dbPath, 'journal'), 'shared');
      const layout = layoutOf(dbPath);
      await expect(layout).rejects.toMatchObject({
        ...{ name: 'VolumeLayoutUnsupported', message: expect.stringMatching(/not be all of the data/) as string },
      });
    });

    test('says nothing of a private mount, and follows no link: then nothing is concluded', async () => {
      const device = await makeDisk('private', true);
      const path = join(directory, 'private');
      await mountDisk(device, path, 'private');
      const unknown = { filesystem: 'xfs', reason: expect.stringMatching(/is not known before it does/) as string };
      expect(await layoutOf(join(path, 'db'))).toMatchObject(unknown);
      await server?.stop();
      const link = join(directory, 'link');
      await symlink(join(path, 'db'), link);
      const linked = await layoutOf(link).catch((error: unknown) => error);
      expect(linked).toMatchObject(unknown);
    });
  },
);
