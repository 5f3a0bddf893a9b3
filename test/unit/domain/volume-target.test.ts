import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { restoreRequestSchema } from '../../../src/domain/run.ts';
import { chooseMongod } from '../../../src/domain/server-version.ts';
import {
  chooseZone,
  deviceKey,
  performanceOf,
  sameDevice,
  sizeOfVolume,
  type VolumeRequest,
  type Zones,
} from '../../../src/domain/volume-target.ts';

const gib = 2 ** 30;

/** Of a call that must fail: its name, its message and what to do next. */
function refusalOf(call: () => unknown): { readonly name: string; readonly text: string } {
  try {
    call();
  } catch (error) {
    const { name, message, next } = error as { name: string; message: string; next: string };
    return { name, text: `${message} | ${next}` };
  }
  throw new Error('nothing was refused');
}

describe('the size of a volume', () => {
  test.each<[VolumeRequest, number, number | null, number]>([
    [{}, 100 * gib, null, 120],
    [{}, 1, null, 1],
    [{}, 0, 100, 100],
    [{ sizeGiB: 200 }, 0, 100, 200],
    [{ sizeGiB: 100 }, 83.3 * gib, null, 100],
    [{}, 13_653 * gib, null, 16_384],
  ])('%j for %d bytes, on a snapshot of %s GiB: %d GiB', (request, bytes, snapshotGiB, expected) => {
    expect(sizeOfVolume(request, { bytes, snapshotGiB })).toBe(expected);
  });

  test('is refused when it is too small, and when no task can have it', () => {
    expect(refusalOf(() => sizeOfVolume({ sizeGiB: 99 }, { bytes: 0, snapshotGiB: 100 }))).toEqual({
      name: 'InvalidInput',
      text: expect.stringMatching(/99 GiB is too small: its snapshot is of 100 GiB \| Ask for 100 or more/) as string,
    });
    expect(refusalOf(() => sizeOfVolume({ sizeGiB: 9 }, { bytes: 10 * gib, snapshotGiB: null })).text).toMatch(
      /its files, their recovery and a file system need 12 GiB \| Ask for 12 or more/,
    );
    expect(refusalOf(() => sizeOfVolume({}, { bytes: 13_654 * gib, snapshotGiB: null }))).toMatchObject({
      name: 'TargetNotSuitable',
    });
  });
});

// Free of an ext4 as mke2fs makes it, without what it reserves (dumpe2fs); of an xfs there is more.
test.each([
  [1, 0.9],
  [10, 0.924],
  [16_000, 0.942],
])('the least size of %d GiB has the room that the worker wants', (sizeGiB, share) => {
  const bytes = (sizeGiB / 1.2) * gib;
  expect(sizeOfVolume({ sizeGiB }, { bytes, snapshotGiB: null })).toBe(sizeGiB);
  expect(sizeGiB * gib * share).toBeGreaterThanOrEqual(bytes);
});

describe('what a volume can do', () => {
  test.each<[VolumeRequest, number, object]>([
    [{}, 10, { type: 'gp3', iops: 3_000, throughput: 125 }],
    [{ iops: 16_000, throughput: 1_000 }, 32, { type: 'gp3', iops: 16_000, throughput: 1_000 }],
    [{ type: 'io2' }, 4, { type: 'io2', iops: 2_000, throughput: null }],
    [{ type: 'io2', iops: 5_000 }, 100, { type: 'io2', iops: 5_000, throughput: null }],
  ])('%j with %d GiB', (request, sizeGiB, expected) => {
    expect(performanceOf(request, sizeGiB)).toEqual(expected);
  });

  test.each<[VolumeRequest, number, RegExp]>([
    [{ iops: 2_000 }, 10, /3000 to 5000 IOPS/],
    [{ iops: 16_000 }, 10, /3000 to 5000 IOPS/],
    [{ throughput: 751 }, 100, /at most 750 MiB\/s \| Ask for 750 or less, or for more iops/],
    [{ type: 'io2' }, 3, /io2 begins with 4 GiB/],
    [{ type: 'io2', throughput: 125 }, 10, /io2 has no throughput to choose/],
  ])('%j with %d GiB is refused', (request, sizeGiB, text) => {
    expect(refusalOf(() => performanceOf(request, sizeGiB))).toMatchObject({
      name: 'InvalidInput',
      text: expect.stringMatching(text) as string,
    });
  });
});

describe('the zone of a volume', () => {
  const subnets = { a: 'subnet-a', b: 'subnet-b' };
  test.each<[VolumeRequest, Omit<Zones, 'subnets'>, string]>([
    [{ zone: 'b' }, { ofSource: 'a' }, 'b'],
    [{}, { ofInstance: 'b', ofSource: 'a' }, 'b'],
    [{}, { ofSource: 'a' }, 'a'],
  ])('%j of %j is %s', (request, zones, zone) => {
    expect(chooseZone(request, { subnets, ...zones })).toEqual({ zone, subnet: `subnet-${zone}` });
  });

  test('is the only one there is', () => {
    expect(chooseZone({}, { subnets: { c: 'subnet-c' } })).toEqual({ zone: 'c', subnet: 'subnet-c' });
  });

  test.each<[VolumeRequest, Omit<Zones, 'subnets'>, RegExp]>([
    [{}, {}, /nothing tells which zone.*Name the zone of the node that will use it: a, b/],
    [{ zone: 'c' }, {}, /no subnet in c.*Name one of a, b; or add a subnet of c/],
    [{}, { ofSource: 'c' }, /no subnet in c/],
    [{ zone: 'a' }, { ofInstance: 'b' }, /the instance to attach to is in b, not in a/],
  ])('%j of %j is refused', (request, zones, text) => {
    expect(refusalOf(() => chooseZone(request, { subnets, ...zones })).text).toMatch(text);
  });
});

test('a device has many names', () => {
  expect(sameDevice('/dev/xvdf', 'sdf')).toBe(true);
  expect(sameDevice('/dev/sdf', '/dev/sdg')).toBe(false);
  expect(deviceKey({ instance: 'i-1', device: '/dev/xvdf' })).toBe(deviceKey({ instance: 'i-1', device: 'sdf' }));
});

describe('the mongod that recovers files', () => {
  test('is the oldest one of the series that reads them', () => {
    expect(chooseMongod(['6.0.16', '6.0.9', '6.0.5', '7.0.2'], '6.0.8')).toBe('6.0.9');
  });

  test.each([[['6.0.4']], [['7.0.14']], [[]]])('is named where there are only %j', (images) => {
    const { name, text } = refusalOf(() => chooseMongod(images, '6.0.5'));
    expect(name).toBe('MongodUnavailable');
    expect(text).toMatch(/mongod 6\.0\.5 or a later 6\.0 is needed.*Set mongodbVersion: 6\.0\.5 for the deployment/);
  });
});

describe('a request', () => {
  const problemOf = (volume: object): string => {
    const { error } = restoreRequestSchema.safeParse({ backup: 'orders', to: 'volume', volume });
    return error === undefined ? '' : z.prettifyError(error);
  };

  test('may say everything of the volume', () => {
    const attach = { instance: 'i-0123456789abcdef0', device: '/dev/sdf' };
    const volume = { zone: 'eu-central-1a', type: 'gp3', sizeGiB: 100, iops: 4_000, throughput: 250, attach };
    expect(problemOf({ ...volume, filesystem: 'xfs', initialization: { rate: 300 } })).toBe('');
    expect(problemOf({ initialization: 'fast' })).toBe('');
  });

  test.each<[object, RegExp]>([
    [{ initialization: { rate: 50 } }, />=100/],
    [{ initialization: 'quick' }, /"lazy", "fast" or {"rate": 100 to 300/],
    [{ zone: 'eu-central-1' }, /an availability zone such as eu-central-1a/],
    [{ attach: { instance: 'web-1', device: '/dev/sdf' } }, /expected an id like i-0123456789abcdef0/],
    [{ attach: { instance: 'i-0123456789abcdef0', device: '/dev/sda' } }, /a device such as \/dev\/sdf/],
    [{ type: 'gp2' }, /"gp3"\|"io2"/],
    [{ size: 3 }, /Unrecognized key: "size"/],
  ])('%j is refused, and it is said what to write', (volume, problem) => {
    expect(problemOf(volume)).toMatch(problem);
  });
});
