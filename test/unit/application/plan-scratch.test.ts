import { describe, expect, test } from 'vitest';
import { planScratch } from '../../../src/application/plan-scratch.ts';
import type { Base } from '../../../src/domain/base.ts';
import type { Manifest, ManifestPart } from '../../../src/domain/manifest.ts';
import type { FilesPart } from '../../../src/domain/manifest-parts.ts';
import { workerLimitSeconds } from '../../../src/domain/stage-sizes.ts';
import type { VolumeRequest } from '../../../src/domain/volume-target.ts';
import { FakeRestoreVolumes } from '../../support/fake-restore-volumes.ts';
import { at } from '../../support/oplog-entries.ts';

const gib = 2 ** 30;
const slice = { entries: 500_000, rawBytes: gib } as NonNullable<ManifestPart['oplog']>['slices'][number];

const ownKey = 'arn:aws:kms:eu-central-1:111122223333:key/own';
const volumes = new FakeRestoreVolumes();
volumes.snapshots['snap-1'] = { state: 'completed', sizeGiB: 500, storedBytes: 200 * gib, kmsKey: null };
const ebs = { type: 'ebs', snapshots: [{ id: 'snap-1' }], filesystem: 'ext4', dataPath: 'mongodb/data' };
const physical = { method: 'physical', rawBytes: 100 * gib, snapshot: ebs } as unknown as Base;
const kept = { method: 'snapshot', rawBytes: 500 * gib, snapshot: ebs } as unknown as Base;

const planOf = (
  base: Base,
  mongodbVersions = ['6.0.5', '6.0.16'],
  volume?: VolumeRequest,
  more: { readonly namespaces?: string[] } = {},
) => {
  const part = { name: 'rs0', base, point: at(1), oplog: { from: at(1), to: at(2), slices: [slice] } } as FilesPart;
  const manifest = { backupId: 'b1', deployment: 'orders', serverVersion: '6.0.9', parts: [part] };
  const request = { backup: 'b1', to: 'mongodb://t:1/', volume, ...more };
  const plan = { request, manifest: manifest as unknown as Manifest, part, slices: [], keys: [ownKey] };
  return planScratch(plan, { volumes, mongodbVersions });
};

describe('the volume by way of which a physical base goes to a server', () => {
  test('has room for the files, their recovery and their collections, and a mongod that reads them', async () => {
    expect((await planOf(physical)).scratch).toEqual({
      // 1.2 × 2 × (100 GiB of files, 1 GiB of oplog twice, and a constant)
      ...{ type: 'gp3', sizeGiB: 246, iops: 3_000, throughput: 125, filesystem: 'xfs', kmsKey: null, snapshot: null },
      ...{ initialization: 'lazy', dataPath: '', mongodbVersion: '6.0.16' },
    });
  });

  test('takes its time for each way of the bytes, and nothing a month', async () => {
    const { estimate } = await planOf(physical);
    const mib = 100 * 1024;
    expect(estimate.seconds).toBeCloseTo(240 + (3 * mib) / 75 + mib / 40 + 10, 5);
    expect(estimate.usdPerMonth).toBe(0);
    expect(estimate.usd).toBeGreaterThan(0);
    expect(estimate.assumptions.join('\n')).toMatch(/40 MiB\/s of files into the target/);
  });

  test('is refused where no image has a mongod that reads the files, and where no volume holds them', async () => {
    await expect(planOf(physical, ['6.0.5'])).rejects.toMatchObject({ name: 'MongodUnavailable' });
    const large = { ...physical, rawBytes: 9 * 1024 * gib } as Base;
    await expect(planOf(large)).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message: expect.stringMatching(/needs a volume of \d+ GiB; a task gets one of at most 16384/) as string,
    });
  });
});

describe('what a worker has no time for', () => {
  const of = (base: Base, tib: number) => ({ ...base, rawBytes: tib * 1024 * gib }) as Base;
  const whatToDo = { name: 'TargetNotSuitable', next: expect.stringContaining('"to": "volume"') as string };

  test('is refused in the plan, with a way that takes less: 0.065 s for each MiB of a physical base', async () => {
    await expect(planOf(of(physical, 2.6))).rejects.toMatchObject({
      ...{ ...whatToDo, message: expect.stringMatching(/about 50 hours; a worker of the stage has 48/) as string },
    });
    const { estimate } = await planOf(of(physical, 2.5));
    expect(estimate.seconds).toBeLessThan(workerLimitSeconds);
    expect(estimate.assumptions.join(' ')).toMatch(/has 48 hours: a restore that takes longer fails/);
  });

  test('is nothing of a few collections: how much is loaded, nobody knows yet', async () => {
    await planOf(of(physical, 2.6), undefined, undefined, { namespaces: ['shop.orders'] });
    const all = planOf(of(physical, 4.2), undefined, undefined, { namespaces: ['shop.orders'] });
    await expect(all).rejects.toMatchObject(whatToDo);
  });

  test('is of a kept snapshot what it holds, where EBS says it', async () => {
    const large = { state: 'completed', sizeGiB: 4_096, kmsKey: null };
    volumes.snapshots['snap-large'] = { ...large, storedBytes: 3.4 * 1024 * gib };
    volumes.snapshots['snap-unknown'] = { ...large, storedBytes: null };
    const at = (id: string) => ({ ...of(kept, 4), snapshot: { ...ebs, snapshots: [{ id }] } }) as Base;
    await expect(planOf(at('snap-large'))).rejects.toMatchObject(whatToDo);
    expect((await planOf(at('snap-unknown'))).scratch.sizeGiB).toBe(4_096);
  });
});

describe('the volume by way of which a kept snapshot goes to a server', () => {
  test('is made of it, as large, with its file system and the data where it was', async () => {
    const { scratch, estimate } = await planOf(kept);
    expect(scratch).toMatchObject({ snapshot: 'snap-1', sizeGiB: 500, filesystem: 'ext4', dataPath: 'mongodb/data' });
    // Nobody knows when its blocks are there.
    expect(estimate).toMatchObject({ seconds: null, usdPerMonth: 0 });
    expect(estimate.assumptions.at(-1)).toMatch(/in the storage of the backup until the run is over/);
  });

  test('is counted by what the snapshot holds, not by the size of its volume', async () => {
    const { estimate } = await planOf(kept);
    const hours = (240 + (2 * 200 * 1024) / 75 + (200 * 1024) / 40 + 10) / 3600;
    expect(estimate.usd).toBeCloseTo(hours * (2 * 0.03238 + 4 * 0.00356 + (500 * 0.08) / 730), 6);
  });

  test('has its blocks loaded at a rate where that is asked for: none of them is late then', async () => {
    const { scratch, estimate } = await planOf(kept, undefined, { initialization: { rate: 100 } });
    expect(scratch.initialization).toEqual({ rate: 100 });
    const work = 240 + (2 * 200 * 1024) / 75 + (200 * 1024) / 40 + 10;
    expect(estimate.seconds).toBeCloseTo(work, 5);
    const quick = await planOf({ ...kept, rawBytes: gib }, undefined, { initialization: { rate: 100 } });
    expect(quick.estimate.seconds).toBeCloseTo((200 * 1024) / 100, 5);
    expect(estimate.initializations.map(({ initialization }) => initialization)).not.toContain('fast');
  });

  test.each([
    ['several volumes', { snapshots: [{ id: 'snap-1' }, { id: 'snap-2' }] }, 'TargetNotSuitable'],
    ['what no task can mount', { filesystem: null }, 'TargetNotSuitable'],
    ['one that is gone', { snapshots: [{ id: 'snap-9' }] }, 'ObjectNotFound'],
  ])('is refused for %s', async (_, facts, name) => {
    await expect(planOf({ ...kept, snapshot: { ...ebs, ...facts } } as Base)).rejects.toMatchObject({ name });
  });
});

describe('what may be asked of such a volume', () => {
  test('is how fast it is, how large and by which key', async () => {
    const wanted = { type: 'io2', iops: 8_000, sizeGiB: 400, kmsKey: ownKey } as const;
    expect((await planOf(physical, undefined, wanted)).scratch).toMatchObject(wanted);
  });

  test.each<[VolumeRequest, string, RegExp]>([
    [{ zone: 'eu-central-1a' }, 'InvalidInput', /in any zone of the stage/],
    [{ attach: { instance: 'i-0123456789abcdef0', device: '/dev/sdf' } }, 'InvalidInput', /nothing to attach/],
    [{ initialization: 'fast' }, 'InvalidInput', /fast snapshot restore is of one zone/],
    [{ initialization: 'lazy' }, 'InvalidInput', /no blocks of a snapshot to load/],
    [{ sizeGiB: 100 }, 'InvalidInput', /a volume of 100 GiB is too small/],
    [{ kmsKey: 'arn:aws:kms:eu-central-1:111122223333:key/other' }, 'VolumeKeyUnavailable', /may not use that key/],
  ])('is not %j', async (volume, name, message) => {
    await expect(planOf(physical, undefined, volume)).rejects.toMatchObject({
      ...{ name, message: expect.stringMatching(message) as string },
    });
  });
});
