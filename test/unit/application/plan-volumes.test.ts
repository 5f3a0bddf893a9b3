import { beforeEach, describe, expect, test } from 'vitest';
import { readDocument } from '../../../src/application/documents.ts';
import type { VolumeSnapshots } from '../../../src/application/ports/volume-snapshots.ts';
import { HoldfastError } from '../../../src/domain/errors.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import { backupPlanSchema, type PlannedVolume } from '../../../src/domain/run.ts';
import { settingsSchema } from '../../../src/domain/settings.ts';
import { inspect, plan } from '../../support/backup-steps.ts';
import { type BackupWorld, makeWorld, member, worldSettings, worldTopology } from '../../support/backup-world.ts';

let world: BackupWorld;
beforeEach(() => {
  world = makeWorld();
});

describe('Plan Backup, where volumes are named', () => {
  const planOf = (runId: string) => readDocument(world.state, stateKeys.plan(runId), backupPlanSchema);
  const volume: PlannedVolume = {
    ...{ type: 'directory', volumes: ['/data/h'], instance: null, filesystem: null, dataPath: '', reason: '/data/h' },
    atOnce: false,
  };
  /** Plans with what is found under the member, and a config that says whether it may be locked. */
  async function planWith(find: VolumeSnapshots['find'], lock: boolean, request: object = {}, more: object = {}) {
    const [orders] = Object.values(worldSettings.deployments);
    const settings = settingsSchema.parse({ ...worldSettings, deployments: { orders: { ...orders, lock, ...more } } });
    const deps = { ...world.deps, settings, volumes: { ...world.deps.volumes, find } };
    await inspect({ ...world, deps }, 'run-1', request);
    await plan({ ...world, deps }, 'run-1');
    return planOf('run-1');
  }

  test('takes physical of itself where a volume is found that can be snapshotted, and says why', async () => {
    const { method, methodReason, parts } = await planWith(() => Promise.resolve({ ...volume, atOnce: true }), false);
    expect({ method, methodReason }).toMatchObject({
      method: 'physical',
      methodReason: expect.stringContaining('/data/h') as string,
    });
    expect(parts[0]).toMatchObject({ method: 'physical', lock: false, volume: { volumes: ['/data/h'] } });
  });

  test('leaves alone by itself what no worker can mount, refuses physical of it, and keeps its snapshot when asked', async () => {
    const unmountable = 'the data lies on 2 volumes, and a worker gets one';
    const find = () => Promise.resolve({ ...volume, atOnce: true, unmountable });
    expect(await planWith(find, false)).toMatchObject({
      ...{ method: 'logical', methodReason: expect.stringContaining(unmountable) as string },
    });
    world = makeWorld();
    expect((await planWith(find, false, { method: 'snapshot' })).parts[0]).toMatchObject({ method: 'snapshot' });
    world = makeWorld();
    await expect(planWith(find, false, { method: 'physical' })).rejects.toMatchObject({
      ...{ name: 'VolumeLayoutUnsupported', message: expect.stringContaining(unmountable) as string },
    });
  });

  test('keeps no snapshot of what nobody names and nothing proves, and copies the files of it as before', async () => {
    const attached = { devices: ['/dev/sdf'], others: [], guess: { bytes: 100, instanceStore: true } };
    const found = { ...volume, type: 'ebs' as const, volumes: ['vol-1'], instance: 'i-1', atOnce: true, attached };
    const find = () => Promise.resolve(found);
    expect((await planWith(find, false)).method).toBe('physical');
    world = makeWorld();
    await expect(planWith(find, false, { method: 'snapshot' })).rejects.toMatchObject({
      ...{ name: 'VolumeLayoutUnsupported', message: expect.stringMatching(/data of h:1 is on vol-1/) as string },
      next: expect.stringMatching(/under volumes .* holdfast:member = h:1/) as string,
    });
    world = makeWorld();
    const named = () => Promise.resolve({ ...found, attached: { devices: ['/dev/sdf'], others: [] } });
    expect((await planWith(named, false, { method: 'snapshot' })).method).toBe('snapshot');
  });

  test('takes what the member says of its disks: leaves alone by itself what no worker can mount', async () => {
    const found = { ...volume, type: 'ebs' as const, volumes: ['vol-1'], instance: 'i-1', atOnce: true };
    const planOn = async (source: string, request: object = {}) => {
      world = makeWorld();
      const mount = { mountPoint: '/data', root: '/', type: 'ext4', source };
      const dataPlace = { dbPath: '/data/db', mount, below: [] };
      const [part] = worldTopology.parts;
      const members = [member('a:1', { state: 'PRIMARY' }), member('h:1', { hidden: true, priority: 0, dataPlace })];
      world.inspection = { ...worldTopology, parts: part ? [{ ...part, members }] : [] };
      return planWith(() => Promise.resolve(found), false, request);
    };
    expect((await planOn('/dev/nvme1n1')).parts[0]).toMatchObject({
      ...{ method: 'physical', volume: { filesystem: 'ext4', dataPath: 'db' } },
    });
    expect(await planOn('/dev/nvme1n1p1')).toMatchObject({
      ...{ method: 'logical', methodReason: expect.stringMatching(/nvme1n1p1, a partition/) as string },
    });
    expect((await planOn('/dev/nvme1n1p1', { method: 'snapshot' })).parts[0]).toMatchObject({
      ...{ method: 'snapshot', volume: { filesystem: null } },
    });
    await expect(planOn('/dev/nvme1n1p1', { method: 'physical' })).rejects.toMatchObject({
      ...{ name: 'VolumeLayoutUnsupported', next: expect.stringContaining('snapshot') as string },
    });
    await expect(planOn('/dev/md0', { method: 'snapshot' })).rejects.toMatchObject({
      ...{
        name: 'VolumeLayoutUnsupported',
        message: expect.stringMatching(/would not be all of the data of h:1/) as string,
      },
    });
  });

  test('leaves alone by itself what has a key of another account, until the config names it', async () => {
    const key = 'arn:aws:kms:eu-central-1:999988887777:key/theirs';
    const attached = { devices: [], others: [], account: '111122223333', key };
    const found = { ...volume, type: 'ebs' as const, volumes: ['vol-1'], atOnce: true, attached };
    const planOf = (ebs?: object) => planWith(() => Promise.resolve(found), false, {}, { ebs });
    expect(await planOf()).toMatchObject({
      ...{ method: 'logical', methodReason: expect.stringMatching(/key\/theirs of another account/) as string },
    });
    world = makeWorld();
    expect(await planOf({ instance: true, kmsKeys: [key] })).toMatchObject({ method: 'physical' });
  });

  test('asks nobody for volumes when a logical backup was asked for', async () => {
    const unreachable = () => Promise.reject(new Error('EC2 does not answer'));
    expect(await planWith(unreachable, false, { method: 'logical' })).toMatchObject({ method: 'logical' });
  });

  test('locks only where the config allows it, and falls back to logical where that was not asked otherwise', async () => {
    expect((await planWith(() => Promise.resolve(volume), true)).parts[0]).toMatchObject({
      method: 'physical',
      lock: true,
    });
    world = makeWorld();
    const { method, methodReason } = await planWith(() => Promise.resolve(volume), false);
    expect({ method, methodReason }).toMatchObject({
      method: 'logical',
      methodReason: expect.stringMatching(/lock: false/) as string,
    });
  });

  test('says that the method is that of the schedule which asked, and only then', async () => {
    const schedules = { nightly: { cron: '0 3 * * ? *', method: 'physical' } };
    const reasonFor = async (request: object) => {
      world = makeWorld();
      return (await planWith(() => Promise.resolve(volume), true, request, { schedules })).methodReason;
    };
    const requestedBy = 'schedule nightly';
    expect(await reasonFor({ method: 'physical', requestedBy })).toBe('the method of the schedule nightly');
    expect(await reasonFor({ method: 'snapshot', requestedBy })).toBe('asked for');
    expect(await reasonFor({ method: 'physical', requestedBy: 'schedule other' })).toBe('asked for');
    expect(await reasonFor({ requestedBy })).toMatch(/neither request nor config/);
  });

  test('does not lock a member whose set could lose a majority by it', async () => {
    const [part] = worldTopology.parts;
    const members = [member('a:1', { state: 'PRIMARY' }), member('b:1'), member('h:1', { hidden: true, priority: 0 })];
    world.inspection = { ...worldTopology, parts: part ? [{ ...part, members }] : [] };
    await expect(planWith(() => Promise.resolve(volume), true, { method: 'physical' })).rejects.toMatchObject({
      name: 'LockRefused',
      message: expect.stringContaining('needs 2 votes') as string,
    });
  });

  test('refuses a method that needs a volume where none is usable, with what is wrong with it', async () => {
    const refuse = (error: HoldfastError) => planWith(() => Promise.reject(error), true, { method: 'physical' });
    await expect(refuse(new HoldfastError('VolumeLayoutUnsupported', 'encrypted'))).rejects.toMatchObject({
      message: 'encrypted',
    });
    world = makeWorld();
    await expect(planWith(() => Promise.resolve(undefined), true, { method: 'snapshot' })).rejects.toMatchObject({
      name: 'VolumeNotFound',
    });
  });
});
