import { beforeEach, describe, expect, test } from 'vitest';
import { planVolume, type VolumeToPlan } from '../../../src/application/plan-volume.ts';
import type { Base } from '../../../src/domain/base.ts';
import type { Manifest, ManifestPart } from '../../../src/domain/manifest.ts';
import type { RestoreRequest } from '../../../src/domain/run.ts';
import { at } from '../../support/oplog-entries.ts';
import { FakeRestoreVolumes } from '../../support/fake-restore-volumes.ts';

const gib = 2 ** 30;
let volumes: FakeRestoreVolumes;
beforeEach(() => {
  volumes = new FakeRestoreVolumes();
  volumes.snapshots['snap-1'] = { state: 'completed', sizeGiB: 500, storedBytes: 100 * gib, kmsKey: null };
  volumes.instances['i-1'] = {
    zone: 'eu-central-1b',
    state: 'running',
    devices: ['/dev/xvda', '/dev/xvdf'],
    ofStage: true,
  };
  volumes.zones['vol-source'] = 'eu-central-1a';
});

const ebs = {
  ...{ type: 'ebs', snapshots: [{ id: 'snap-1', volume: 'vol-source', bytes: 500 * gib }], filesystem: 'ext4' },
  ...{ dataPath: 'mongodb/data', consistency: 'crash', lockSeconds: null },
  ...{ takenAt: '2026-11-22T10:00:00Z', completedAt: '2026-11-22T10:00:00Z' },
} as const;
const keyOf = (account: string, id: string) => `arn:aws:kms:eu-central-1:${account}:key/${id}`;
const ownKey = keyOf('111122223333', 'own');
const physical = { method: 'physical', rawBytes: 100 * gib, snapshot: ebs } as unknown as Base;
const kept = { method: 'snapshot', rawBytes: 500 * gib, snapshot: ebs } as unknown as Base;
const slice = { entries: 500_000, rawBytes: gib } as NonNullable<ManifestPart['oplog']>['slices'][number];

const planOf = (base: Base, request: Partial<RestoreRequest> = {}, mongodbVersions = ['6.0.5', '6.0.16']) => {
  const part = { name: 'rs0', base, point: at(1), oplog: { from: at(1), to: at(2), slices: [slice] } } as ManifestPart;
  const manifest = { backupId: 'b1', serverVersion: '6.0.9', parts: [part] } as unknown as Manifest;
  const input: VolumeToPlan = {
    ...{
      request: { backup: 'orders', to: 'volume', ...request },
      runId: 'run-1',
      manifest,
      part,
      restoreTime: at(2).ts,
      slices: [],
      keys: [ownKey],
    },
  };
  return planVolume(input, { volumes, stage: 'prod', subnets: ['subnet-a', 'subnet-b'], mongodbVersions });
};

describe('a volume for a physical base', () => {
  test('is empty, roomy, in the zone of the one that was backed up, with the data where it was', async () => {
    const { volume, description, estimate } = await planOf(physical);
    expect(volume).toEqual({
      ...{ zone: 'eu-central-1a', subnet: 'subnet-a', type: 'gp3', sizeGiB: 123, iops: 3_000, throughput: 125 },
      ...{ filesystem: 'xfs', kmsKey: null, snapshot: null, initialization: 'lazy', dataPath: 'mongodb/data' },
      ...{ mongodbVersion: '6.0.16', attach: null },
    });
    expect(description).toBe('a new volume, 123 GiB gp3 in eu-central-1a');
    expect(estimate.seconds).toBeGreaterThan((100 * 1024) / 75);
  });

  test('is another target in each run, and the same one for each that is to be attached to a device', async () => {
    const attach = { instance: 'i-1', device: '/dev/sdg' };
    const [one, other, first, second] = [
      await planOf(physical),
      await planOf(physical, { storage: 'primary' }),
      await planOf(physical, { volume: { attach } }),
      await planOf(physical, { volume: { attach: { ...attach, device: 'xvdg' } } }),
    ];
    expect(one.digest).toBe(other.digest);
    expect(first.digest).not.toBe(one.digest);
    expect(second.digest).toBe(first.digest);
    expect(first.volume.zone).toBe('eu-central-1b');
  });

  test('wants a zone where the one that was backed up is gone', async () => {
    volumes.zones = {};
    await expect(planOf(physical)).rejects.toMatchObject({
      name: 'InvalidInput',
      next: expect.stringContaining('eu-central-1a, eu-central-1b') as string,
    });
    expect((await planOf(physical, { volume: { zone: 'eu-central-1b' } })).volume.subnet).toBe('subnet-b');
  });

  test('is refused where a worker has no time to fill it', async () => {
    await expect(planOf({ ...physical, rawBytes: 12.5 * 1024 * gib })).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: expect.stringMatching(/about 49 hours; a worker of the stage has 48/) as string,
      next: expect.stringMatching(/^Restore it to a directory/) as string,
    });
  });

  test('has no blocks of a snapshot to load', async () => {
    await expect(planOf(physical, { volume: { initialization: 'fast' } })).rejects.toMatchObject({
      name: 'InvalidInput',
    });
  });

  test('needs an image with a mongod that reads its files', async () => {
    await expect(planOf(physical, {}, ['6.0.5'])).rejects.toMatchObject({
      name: 'MongodUnavailable',
      message: expect.stringContaining('mongod 6.0.9 or a later 6.0 is needed') as string,
    });
  });
});

describe('a volume for a snapshot that is kept', () => {
  test('is made of it, as large, with its file system', async () => {
    const { volume, estimate } = await planOf(kept, { volume: { initialization: { rate: 300 } } });
    expect(volume).toMatchObject({
      ...{ snapshot: 'snap-1', sizeGiB: 500, filesystem: 'ext4', initialization: { rate: 300 } },
    });
    // By what EBS says that it holds.
    const chosen = estimate.initializations.find(
      ({ initialization }) => typeof initialization === 'object' && initialization.rate === 300,
    );
    expect(chosen?.usd).toBeCloseTo(0.36, 6);
  });

  test.each([
    [undefined, /snap-1 of the backup is gone/, /Recycle Bin/],
    ['pending', /EBS calls it pending/, /describe-snapshots --snapshot-ids snap-1/],
    ['error', /EBS calls it error/, /describe-snapshots/],
  ])('is refused while that is %s', async (state, message, next) => {
    volumes.snapshots =
      state === undefined ? {} : { 'snap-1': { state, sizeGiB: 500, storedBytes: null, kmsKey: null } };
    await expect(planOf(kept)).rejects.toMatchObject({
      name: 'ObjectNotFound',
      message: expect.stringMatching(message) as string,
      next: expect.stringMatching(next) as string,
    });
  });

  const encrypted = (kmsKey: string) => ({
    'snap-1': { state: 'completed', sizeGiB: 500, storedBytes: null, kmsKey, account: '111122223333' },
  });
  test('has a key that the roles of the stage may use: one that they may not is refused, with what to add', async () => {
    volumes.snapshots = encrypted(ownKey);
    const plain = await planOf(kept);
    expect(plain.estimate.assumptions.join()).not.toContain('kmsKeys');
    expect((await planOf(kept, { volume: { kmsKey: ownKey } })).volume.kmsKey).toBe(ownKey);
    const foreign = keyOf('999988887777', 'theirs');
    volumes.snapshots = encrypted(foreign);
    await expect(planOf(kept)).rejects.toMatchObject({
      ...{
        name: 'VolumeKeyUnavailable',
        message: expect.stringContaining(`snap-1 is encrypted with ${foreign}`) as string,
      },
      next: expect.stringContaining(`Add ${foreign} to ebs.kmsKeys`) as string,
    });
    for (const base of [physical, kept])
      await expect(planOf(base, { volume: { kmsKey: keyOf('111122223333', 'other') } })).rejects.toMatchObject({
        ...{
          name: 'VolumeKeyUnavailable',
          next: expect.stringMatching(/Add .*key\/other to ebs\.kmsKeys.*or leave/) as string,
        },
      });
  });

  test("may have AWS's own key, which nobody tells from another of the account: the plan says so", async () => {
    volumes.snapshots = encrypted(keyOf('111122223333', 'awsebs'));
    expect((await planOf(kept)).estimate.assumptions.at(-1)).toMatch(/snap-1 is encrypted with .*awsebs, .* AWS's own/);
  });

  const refused: readonly [string, object, RegExp][] = [
    [
      'several volumes',
      { snapshots: [...ebs.snapshots, { id: 'snap-2', volume: 'vol-2', bytes: 1 }] },
      /2 volumes \(snap-1, snap-2\)/,
    ],
    ['a directory', { type: 'directory' }, /a copy in a directory/],
    ['what no task can mount', { filesystem: null }, /partitions, LVM, RAID or LUKS on it/],
    ['another file system', { filesystem: 'btrfs' }, /has the file system btrfs/],
    ['a path that leads out', { dataPath: 'a/../../etc' }, /lies outside of its volume/],
  ];
  test.each(refused)('is refused for %s, with what to do', async (_, facts, message) => {
    const base = { ...kept, snapshot: { ...ebs, ...facts } } as Base;
    await expect(planOf(base)).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: expect.stringMatching(message) as string,
    });
  });

  test('by fast snapshot restore waits for whoever switches that on, and says how', async () => {
    const fast = (dryRun = false) => planOf(kept, { volume: { initialization: 'fast' }, dryRun });
    await expect(fast()).rejects.toMatchObject({
      ...{ name: 'TargetNotSuitable', message: 'Fast snapshot restore of snap-1 is off in eu-central-1a.' },
      next: expect.stringContaining(
        'enable-fast-snapshot-restores --availability-zones eu-central-1a --source-snapshot-ids snap-1',
      ) as string,
    });
    expect((await fast(true)).estimate.assumptions.at(-1)).toContain('Switch it on first');
    volumes.fast['snap-1 eu-central-1a'] = 'optimizing';
    await expect(fast()).rejects.toMatchObject({ next: expect.stringContaining('Wait until it is enabled') as string });
    volumes.fast['snap-1 eu-central-1a'] = 'enabled';
    expect((await fast()).volume.initialization).toBe('fast');
  });

  test('keeps its file system', async () => {
    await expect(planOf(kept, { volume: { filesystem: 'xfs' } })).rejects.toMatchObject({ name: 'InvalidInput' });
  });
});

describe('an instance to attach to', () => {
  const attachTo = (device: string, instance = 'i-1') => planOf(physical, { volume: { attach: { instance, device } } });

  test('is refused where the device is in use, whatever it is called', async () => {
    await expect(attachTo('/dev/sdf')).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: 'The device /dev/sdf of i-1 is in use; in use are /dev/xvda, /dev/xvdf.',
    });
    expect((await attachTo('/dev/sdg')).volume.attach).toEqual({ instance: 'i-1', device: '/dev/sdg' });
  });

  test('is refused in another zone than was asked for', async () => {
    const volume = { zone: 'eu-central-1a', attach: { instance: 'i-1', device: '/dev/sdg' } };
    await expect(planOf(physical, { volume })).rejects.toMatchObject({ name: 'InvalidInput' });
  });

  test('is refused when there is none, when it is gone, and when it is none of the stage’s', async () => {
    await expect(attachTo('/dev/sdg', 'i-2')).rejects.toMatchObject({
      message: expect.stringMatching(/no instance i-2/) as string,
    });
    volumes.instances['i-1'] = { zone: 'eu-central-1b', state: 'terminated', devices: [], ofStage: true };
    await expect(attachTo('/dev/sdg')).rejects.toMatchObject({ message: 'The instance i-1 is terminated.' });
    volumes.instances['i-1'] = { zone: 'eu-central-1b', state: 'running', devices: [], ofStage: false };
    await expect(attachTo('/dev/sdg')).rejects.toMatchObject({
      next: expect.stringContaining('create-tags --resources i-1 --tags Key=holdfast:stage,Value=prod') as string,
    });
  });
});

test.each<Partial<RestoreRequest>>([
  { credentials: { env: 'X' } },
  { overwrite: 'rs0' },
  { keepExpired: true },
  { namespaces: ['shop.orders'] },
  { users: ['shop'] },
])('%j is of servers, and refused', async (request) => {
  await expect(planOf(physical, request)).rejects.toMatchObject({ name: 'InvalidInput' });
});
