import { describe, expect, test } from 'vitest';
import { readDataPlace } from '../../../src/domain/data-place.ts';
import type { PlannedVolume } from '../../../src/domain/run.ts';
import { withLayout } from '../../../src/domain/volume-layout.ts';

/** One entry as mongod 6.0.5 wrote it of a disk that was mounted for it. */
const mounted = (mountPoint: string, source: string, type = 'xfs', root = '/') => ({
  ...{ mountId: 42, parentId: 27, major: 259, minor: 1, root, mountPoint },
  ...{ options: 'rw,relatime', fields: 'shared:1', type, source, superOpt: 'rw' },
});
const system = mounted('/', '/dev/nvme0n1p1', 'ext4');
const options = (storage: object = { dbPath: '/data/db' }) => ({ argv: ['mongod'], parsed: { storage }, ok: 1 });
const placeOf = (mountInfo: unknown, storage?: object) => readDataPlace({ extra: { mountInfo } }, options(storage));

const volume: PlannedVolume = {
  ...{ type: 'ebs', volumes: ['vol-1'], instance: 'i-1', filesystem: 'xfs', dataPath: '', atOnce: true },
  ...{ reason: 'vol-1 of i-1', attached: { devices: ['/dev/sdf'], others: [] } },
};
const laidOut = (mounts: readonly object[], storage?: object, more: Partial<PlannedVolume> = {}) =>
  withLayout({ ...volume, ...more }, placeOf([system, ...mounts], storage), 'h:1');

describe('the place of the data, of what a server answers', () => {
  const data = mounted('/data', '/dev/nvme1n1');
  const mount = { mountPoint: '/data', root: '/', type: 'xfs', source: '/dev/nvme1n1' };

  test('is the mount with the longest way to it, and the last one there', () => {
    const nested = mounted('/data/db', '/dev/nvme2n1');
    const near = [mounted('/data/d', '/dev/sdz'), mounted('/data/dbs', '/dev/sdz')];
    expect(placeOf([system, data, ...near])).toEqual({ dbPath: '/data/db', mount, below: [] });
    expect(placeOf([nested, system, data])).toMatchObject({ mount: { source: '/dev/nvme2n1' } });
    expect(placeOf([system, mounted('/data', 'systemd-1', 'autofs'), data])).toMatchObject({ mount });
  });

  test('is read where 6.0 has it, of paths as people write them, and of names with spaces', () => {
    const hostInfo = { extra: { extra: { mountInfo: [data] } } };
    expect(readDataPlace(hostInfo, options({ dbPath: '/data//./db/' }))).toEqual({
      dbPath: '/data/db',
      mount,
      below: [],
    });
    expect(readDataPlace(hostInfo, options({}))).toMatchObject({ dbPath: '/data/db' });
    const spaced = mounted(String.raw`/my\040data`, '/dev/nvme1n1');
    expect(placeOf([spaced], { dbPath: '/my data/db' })).toMatchObject({ mount: { mountPoint: '/my data' } });
  });

  test('has the size of the file system, where dbStats tells', () => {
    const hostInfo = { extra: { mountInfo: [data] } };
    const told = { fsTotalSize: 10_726_932_480, ok: 1 };
    expect(readDataPlace(hostInfo, options(), told)).toMatchObject({ fileSystemBytes: 10_726_932_480 });
    for (const silent of [null, { ok: 1 }, { fsTotalSize: 0 }])
      expect(readDataPlace(hostInfo, options(), silent)).not.toHaveProperty('fileSystemBytes');
    expect(readDataPlace(null, null, told)).toEqual({ unknown: expect.any(String) as string });
  });

  const inFolders = { dbPath: '/data/db', directoryPerDB: true };
  const indexFolders = { dbPath: '/data/db', wiredTiger: { engineConfig: { directoryForIndexes: true } } };
  test.each([
    ['the journal', undefined, '/data/db/journal', true],
    ['a database in a folder of its own', inFolders, '/data/db/shop', true],
    ['indexes in a folder of their own', indexFolders, '/data/db/index', true],
    ['a folder beside files of all databases', undefined, '/data/db/shop', false],
    ['diagnostic data', inFolders, '/data/db/diagnostic.data', false],
    ['what is outside', inFolders, '/data/journal', false],
  ])('knows whether data is on what is mounted below it: %s', (_, storage, mountPoint, holds) => {
    expect(placeOf([data, mounted(mountPoint, '/dev/nvme2n1')], storage)).toMatchObject({
      below: holds ? [{ mountPoint }] : [],
    });
  });

  test.each([
    ['no privilege', null, options(), /privileges/],
    ['no privilege for the options', { extra: {} }, null, /privileges/],
    ['an old version, or no Linux', { extra: { versionString: 'x' } }, options(), /says nothing of its mounts/],
    ['a container of which all mounts are private', { extra: { mountInfo: [] } }, options(), /no mount that leads/],
    ['a relative path', { extra: { mountInfo: [data] } }, options({ dbPath: 'data/db' }), /relative path data\/db/],
    ['another answer', { extra: 1 }, options(), /another kind/],
  ])('is not known: %s', (_, hostInfo, given, unknown) => {
    expect(readDataPlace(hostInfo, given)).toEqual({ unknown: expect.stringMatching(unknown) as string });
  });
});

describe('what the place leaves of the methods', () => {
  test('a file system on the volume itself can be mounted: it and the path in it are those that the server has', () => {
    expect(laidOut([mounted('/data', '/dev/nvme1n1', 'ext4')])).toEqual({
      ...{ ...volume, filesystem: 'ext4', dataPath: 'db' },
      reason: 'vol-1 of i-1; the server has /data/db on /dev/nvme1n1 (ext4 at /data)',
    });
    expect(laidOut([mounted('/data/db', '/dev/xvdf', 'xfs', '/srv/mongo')]).dataPath).toBe('srv/mongo');
    // A link may lie between: who names a path knows better.
    expect(laidOut([mounted('/data', '/dev/sdf')], undefined, { dataPath: 'real' }).dataPath).toBe('real');
  });

  test.each([
    ['/dev/nvme1n1p1', 'xfs', /nvme1n1p1, a partition/],
    ['/dev/xvdf1', 'ext4', /a partition/],
    ['/dev/sda1', 'ext4', /a partition/],
    ['/dev/mapper/vg0-data', 'xfs', /LVM or LUKS/],
    ['/dev/dm-0', 'xfs', /LVM or LUKS/],
    ['/dev/nvme1n1', 'btrfs', /file system btrfs, and a worker mounts xfs, ext4 and ext3/],
    ['/dev/nvme1n1', 'f2fs', /file system f2fs/],
    ['tank/data', 'zfs', /file system zfs/],
  ])('%s with %s: no worker mounts it, and a snapshot of it is whole', (source, type, why) => {
    expect(laidOut([mounted('/data', source, type)])).toMatchObject({
      ...{ volumes: ['vol-1'], filesystem: null, unmountable: expect.stringMatching(why) as string },
    });
  });

  test('a volume that is attached by the name of a partition is one, on Xen', () => {
    const attached = { devices: ['/dev/sdf1'], others: [] };
    expect(laidOut([mounted('/data', '/dev/xvdf1')], undefined, { attached })).not.toHaveProperty('unmountable');
    expect(laidOut([mounted('/data', '/dev/xvdg1')], undefined, { attached })).toHaveProperty('unmountable');
  });

  test.each([
    ['a RAID', [mounted('/data', '/dev/md0')], {}, /\/dev\/md0, a RAID, so on 2 volumes at least/],
    ['the journal apart', [mounted('/data/db/journal', '/dev/nvme2n1')], {}, /journal lies apart .* on 2 volumes/],
    [
      'LVM of which more may be attached',
      [mounted('/data', '/dev/mapper/vg-data')],
      { attached: { devices: ['/dev/sdf'], others: ['vol-2'] } },
      /may lie on vol-2 as well/,
    ],
    ['memory', [mounted('/data', 'tmpfs', 'tmpfs')], {}, /tmpfs.*no volume/],
    ['a network', [mounted('/data', '10.0.0.9:/x', 'nfs4')], {}, /10\.0\.0\.9:\/x \(nfs4\), which is no volume/],
    ['a journal in memory', [mounted('/data/db/journal', 'tmpfs', 'tmpfs')], {}, /journal lies apart/],
  ])('%s: a snapshot of one volume is not the data, and no method takes it', (_, mounts, more, why) => {
    const data = mounts.some(({ mountPoint }) => mountPoint === '/data') ? [] : [mounted('/data', '/dev/nvme1n1')];
    expect(() => laidOut([...data, ...mounts], undefined, more)).toThrow(
      expect.objectContaining({
        ...{ name: 'VolumeLayoutUnsupported', message: expect.stringMatching(why) as string },
        next: expect.stringContaining('logical') as string,
      }),
    );
  });

  test.each([
    ['a RAID', [mounted('/data', '/dev/md127')]],
    ['the journal apart', [mounted('/data', '/dev/nvme1n1'), mounted('/data/db/journal', '/dev/nvme2n1')]],
    ['LVM', [mounted('/data', '/dev/mapper/vg-data')]],
  ])('%s over volumes that are all known: their snapshots are of one instant, and a worker gets none', (_, mounts) => {
    const unmountable = 'the data lies on 2 volumes, and a worker gets one';
    const both = { volumes: ['vol-1', 'vol-2'], filesystem: null, unmountable };
    expect(laidOut(mounts, undefined, both)).toMatchObject({
      ...{ volumes: ['vol-1', 'vol-2'], filesystem: null, unmountable: expect.any(String) as string },
    });
  });

  test('partitions of one disk, and what LVM makes of one, are on one volume: its snapshot is whole', () => {
    const apart = [
      [mounted('/data', '/dev/nvme1n1p1'), mounted('/data/db/journal', '/dev/nvme1n1p2')],
      [mounted('/data', '/dev/xvdf1'), mounted('/data/db/journal', '/dev/xvdf2')],
      [mounted('/data', '/dev/mapper/vg-data'), mounted('/data/db/journal', '/dev/mapper/vg-journal')],
    ];
    for (const mounts of apart) expect(laidOut(mounts)).toMatchObject({ volumes: ['vol-1'], filesystem: null });
    const others = { attached: { devices: ['/dev/sdf'], others: ['vol-2'] } };
    expect(() =>
      laidOut([mounted('/data', '/dev/nvme1n1'), mounted('/data/db/journal', '/dev/dm-3')], {}, others),
    ).toThrow(/may lie on vol-2 as well/);
  });

  test('a folder of the same volume that is mounted over the journal keeps workers away, and not the snapshot', () => {
    const bound = mounted('/data/db/journal', '/dev/nvme1n1', 'xfs', '/elsewhere');
    expect(laidOut([mounted('/data', '/dev/nvme1n1'), bound])).toMatchObject({
      ...{ volumes: ['vol-1'], unmountable: expect.stringMatching(/journal lies apart/) as string },
    });
  });

  test.each([
    ['the root file system: a link or a private mount looks the same', [], /nvme0n1p1 at \/, which a symbolic link/],
    ['a device of which nothing is known', [mounted('/data', '/dev/drbd0')], /drbd0/],
  ])('proves nothing: %s', (_, mounts, why) => {
    const found = laidOut(mounts);
    const { reason } = found;
    expect(found).toEqual({ ...volume, reason });
    expect(reason).toMatch(/not known before it does: /);
    expect(reason).toMatch(why);
  });

  test('files that mongod encrypts are of no use without its key, wherever they lie', () => {
    const parsed = { storage: { dbPath: '/data/db' }, security: { enableEncryption: true } };
    for (const hostInfo of [null, { extra: { mountInfo: [mounted('/data', '/dev/nvme1n1')] } }]) {
      const place = readDataPlace(hostInfo, { parsed });
      expect(place).toMatchObject({ encrypted: true });
      expect(() => withLayout(volume, place, 'h:1')).toThrow(
        expect.objectContaining({
          name: 'VolumeLayoutUnsupported',
          next: expect.stringContaining('logical') as string,
        }),
      );
    }
    const plain = { parsed: { ...parsed, security: { enableEncryption: false } } };
    expect(readDataPlace(null, plain)).not.toHaveProperty('encrypted');
  });

  test('leaves alone what is no EBS volume, and what EC2 shows that no worker can mount', () => {
    const directory: PlannedVolume = { ...volume, type: 'directory' };
    expect(withLayout(directory, placeOf([mounted('/data', '/dev/md0')]), 'h:1')).toBe(directory);
    const root: PlannedVolume = { ...volume, unmountable: 'vol-1 is the root volume' };
    expect(withLayout(root, placeOf([system]), 'h:1')).toBe(root);
    expect(withLayout(root, { unknown: 'x' }, 'h:1')).toBe(root);
    const whole = placeOf([system, mounted('/data', '/dev/nvme1n1')]);
    expect(withLayout(root, whole, 'h:1')).toMatchObject({ unmountable: 'vol-1 is the root volume', filesystem: null });
  });
});
