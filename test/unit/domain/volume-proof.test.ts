import { describe, expect, test } from 'vitest';
import type { DataPlace } from '../../../src/domain/data-place.ts';
import type { PlannedVolume } from '../../../src/domain/run.ts';
import { withProof } from '../../../src/domain/volume-proof.ts';

const gib = 1024 ** 3;
const attached: NonNullable<PlannedVolume['attached']> = {
  ...{ devices: ['/dev/sdf'], others: [], guess: { bytes: 100 * gib, instanceStore: false } },
};
const volume: PlannedVolume = {
  ...{ type: 'ebs', volumes: ['vol-1'], instance: 'i-1', filesystem: 'xfs', dataPath: '', atOnce: true },
  ...{ reason: 'vol-1 of i-1', attached },
};
type Known = Extract<DataPlace, { readonly dbPath: string }>;
const place = (more: Partial<Known> = {}, source = '/dev/nvme1n1', mountPoint = '/data'): Known => ({
  ...{ dbPath: '/data/db', mount: { mountPoint, root: '/', type: 'xfs', source }, below: [] },
  ...more,
});
const unprovenOf = (where: DataPlace | undefined, more: Partial<typeof attached> = {}) =>
  withProof({ ...volume, attached: { ...attached, ...more } }, where).unproven;

describe('that the data is on a volume that nobody names', () => {
  test('is proven where the server has a whole disk, the machine no other, and the size is that of the file system', () => {
    expect(withProof(volume, place())).toBe(volume);
    for (const fileSystemBytes of [90, 99.4, 100])
      expect(unprovenOf(place({ fileSystemBytes: fileSystemBytes * gib }))).toBeUndefined();
  });

  test.each<[string, DataPlace | undefined, Partial<typeof attached>, RegExp]>([
    ['a server that was not asked', undefined, {}, /was not asked/],
    ['one that does not tell', { unknown: 'no privilege' }, {}, /no privilege/],
    ['the root file system, or a link from it', place({}, '/dev/nvme0n1p1', '/'), {}, /nvme0n1p1 at \/, which a symb/],
    ['a partition, which the root disk has too', place({}, '/dev/nvme0n1p2'), {}, /nvme0n1p2 .*of its system too/],
    ['LVM', place({}, '/dev/mapper/vg-data'), {}, /vg-data .*of its system too/],
    ['disks of the instance', place(), { guess: { bytes: 100 * gib, instanceStore: true } }, /of the instance itself/],
    ['another volume', place(), { others: ['vol-2'] }, /may be vol-2 as well/],
    ['a file system that is larger', place({ fileSystemBytes: 101 * gib }), {}, /has 101\.0 GiB, and .* 100\.0 GiB/],
    ['one that is much smaller', place({ fileSystemBytes: 89 * gib }), {}, /has 89\.0 GiB/],
  ])('is not proven with %s', (_, where, more, why) => {
    expect(unprovenOf(where, more)).toMatch(why);
  });

  test('is proven of several, of which it may be one', () => {
    const two = { ...volume, volumes: ['vol-1', 'vol-2'] };
    expect(withProof(two, place({ fileSystemBytes: 50 * gib }))).toBe(two);
    expect(withProof(two, place({ fileSystemBytes: 101 * gib }))).toHaveProperty('unproven');
  });

  test('is not asked of those that somebody names, nor of a directory', () => {
    const named = { ...volume, attached: { devices: ['/dev/sdf'], others: [] } };
    expect(withProof(named, { unknown: 'no privilege' })).toBe(named);
    const directory: PlannedVolume = { ...volume, type: 'directory', attached: undefined };
    expect(withProof(directory, undefined)).toBe(directory);
  });
});
