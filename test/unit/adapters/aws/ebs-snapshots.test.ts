import {
  CreateSnapshotCommand,
  CreateSnapshotsCommand,
  DeleteSnapshotCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  type Snapshot,
} from '@aws-sdk/client-ec2';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SnapshotRequest } from '../../../../src/application/ports/volume-snapshots.ts';
import { EbsSnapshots } from '../../../../src/adapters/aws/ebs-snapshots.ts';
import { EbsVolumes } from '../../../../src/adapters/aws/ebs-volumes.ts';

const ec2 = mockClient(EC2Client);
const client = new EC2Client({ region: 'eu-central-1' });
const volumes = new EbsVolumes({ client, resolveHost: () => Promise.resolve([]) });
const snapshots = new EbsSnapshots({ client, creatingClient: client, stage: 'prod', volumes });

const StartTime = new Date('2026-11-22T10:00:00Z');
const request = (...ids: string[]): SnapshotRequest => ({
  ...{ runId: 'run-1', part: 'rs0', deployment: 'orders', member: 'db-3:27017', keep: false },
  volume: {
    ...{ type: 'ebs', volumes: ids, instance: 'i-1', filesystem: 'xfs', dataPath: 'db', atOnce: true },
    reason: 'named',
  },
});
const snapshot = (SnapshotId: string, VolumeId: string, more: Partial<Snapshot> = {}): Snapshot => ({
  ...{ SnapshotId, VolumeId, VolumeSize: 2, StartTime, State: 'pending', OwnerId: '111122223333' },
  ...more,
});
const fault = (name: string, message = 'no') =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } });
const deleted = () => ec2.commandCalls(DeleteSnapshotCommand).map(({ args }) => args[0].input.SnapshotId);

beforeEach(() => {
  ec2.reset();
  ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [] });
});

describe('EbsSnapshots', () => {
  it('snapshots one volume, tagged with whose it is from its first moment', async () => {
    ec2.on(CreateSnapshotCommand).resolves(snapshot('snap-1', 'vol-1'));
    expect(await snapshots.create(request('vol-1'))).toEqual({
      ...{ type: 'ebs', filesystem: 'xfs', dataPath: 'db', region: 'eu-central-1', account: '111122223333' },
      ...{ takenAt: StartTime.toISOString(), snapshots: [{ id: 'snap-1', volume: 'vol-1', bytes: 2 * 1024 ** 3 }] },
    });
    const { VolumeId, TagSpecifications } = ec2.commandCalls(CreateSnapshotCommand)[0]?.args[0].input ?? {};
    expect(VolumeId).toBe('vol-1');
    expect(TagSpecifications?.[0]?.Tags).toEqual(
      expect.arrayContaining([
        { Key: 'holdfast:stage', Value: 'prod' },
        { Key: 'holdfast:run', Value: 'run-1' },
        { Key: 'holdfast:part', Value: 'rs0' },
        { Key: 'holdfast:purpose', Value: 'temporary' },
      ]),
    );
  });

  it('marks a snapshot that is the backup, so that nobody takes it for a temporary one', async () => {
    ec2.on(CreateSnapshotCommand).resolves(snapshot('snap-1', 'vol-1'));
    await snapshots.create({ ...request('vol-1'), keep: true });
    const [call] = ec2.commandCalls(CreateSnapshotCommand);
    expect(call?.args[0].input.TagSpecifications?.[0]?.Tags).toContainEqual({ Key: 'holdfast:purpose', Value: 'base' });
  });

  const attached = (...devices: [string, string][]) => {
    const BlockDeviceMappings = devices.map(([DeviceName, VolumeId]) => ({ DeviceName, Ebs: { VolumeId } }));
    const Instances = [{ InstanceId: 'i-1', RootDeviceName: '/dev/xvda', BlockDeviceMappings }];
    ec2.on(DescribeInstancesCommand).resolves({ Reservations: [{ Instances }] });
  };

  it('snapshots several volumes in one call, without the root and what else the instance has now', async () => {
    attached(['/dev/xvda', 'vol-0'], ['/dev/sdf', 'vol-1'], ['/dev/sdg', 'vol-2'], ['/dev/sdh', 'vol-3']);
    ec2.on(CreateSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-2', 'vol-2'), snapshot('snap-1', 'vol-1')] });
    const taken = await snapshots.create(request('vol-1', 'vol-2'));
    expect(taken.snapshots.map(({ id }) => id)).toEqual(['snap-1', 'snap-2']);
    expect(ec2.commandCalls(CreateSnapshotsCommand)[0]?.args[0].input.InstanceSpecification).toEqual({
      ...{ InstanceId: 'i-1', ExcludeBootVolume: true, ExcludeDataVolumeIds: ['vol-3'] },
    });
  });

  it('refuses a set that is not that of the data: a volume came or went meanwhile', async () => {
    attached(['/dev/xvda', 'vol-0'], ['/dev/sdf', 'vol-1'], ['/dev/sdg', 'vol-2']);
    const Snapshots = [snapshot('snap-1', 'vol-1'), snapshot('snap-9', 'vol-9')];
    ec2.on(CreateSnapshotsCommand).resolves({ Snapshots });
    await expect(snapshots.create(request('vol-1', 'vol-2'))).rejects.toMatchObject({
      ...{ name: 'SnapshotFailed', message: expect.stringMatching(/vol-1, vol-9 instead of vol-1, vol-2/) as string },
    });
  });

  it('does not snapshot what has left the instance, nor an instance of which too much would be left out', async () => {
    attached(['/dev/sdf', 'vol-1']);
    await expect(snapshots.create(request('vol-1', 'vol-2'))).rejects.toMatchObject({ name: 'VolumeNotFound' });
    const others = Array.from({ length: 41 }, (_, index): [string, string] => [`/dev/x${index}`, `vol-9${index}`]);
    attached(['/dev/sdf', 'vol-1'], ['/dev/sdg', 'vol-2'], ...others);
    await expect(snapshots.create(request('vol-1', 'vol-2'))).rejects.toMatchObject({
      name: 'VolumeLayoutUnsupported',
    });
    expect(ec2.commandCalls(CreateSnapshotsCommand)).toEqual([]);
  });

  it.each([
    ['SnapshotCreationPerVolumeRateExceeded', 'SnapshotFailed'],
    ['InvalidVolume.NotFound', 'VolumeNotFound'],
  ])(
    'says %s as %s, with what was asked, and spends no time on what is left: the member may be locked',
    async (name, error) => {
      ec2.on(CreateSnapshotCommand).rejects(fault(name));
      ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-7', 'vol-1')] });
      await expect(snapshots.create(request('vol-1'))).rejects.toMatchObject({
        ...{ name: error, message: `EC2 refused ec2:CreateSnapshot on vol-1 of db-3:27017: ${name}: no` },
      });
      expect(ec2.calls()).toHaveLength(1);
    },
  );

  it('gives up with the reason of its signal', async () => {
    const stop = new AbortController();
    ec2.on(CreateSnapshotCommand).callsFake(() => {
      stop.abort(new Error('too long'));
      throw fault('AbortError');
    });
    await expect(snapshots.create(request('vol-1'), stop.signal)).rejects.toThrow('too long');
  });

  it('gives every call that it makes while the member may be locked a signal to end it', async () => {
    attached(['/dev/sdf', 'vol-1'], ['/dev/sdg', 'vol-2']);
    ec2.on(CreateSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-2', 'vol-2'), snapshot('snap-1', 'vol-1')] });
    const { signal } = new AbortController();
    await snapshots.create(request('vol-1', 'vol-2'), signal);
    const given = ec2.calls().map(({ args }) => (args as readonly unknown[])[1]);
    expect(given).toEqual([{ abortSignal: signal }, { abortSignal: signal }]);
  });

  it('adopts what an earlier try made whole', async () => {
    ec2
      .on(DescribeSnapshotsCommand)
      .resolves({ Snapshots: [snapshot('snap-2', 'vol-2'), snapshot('snap-1', 'vol-1')] });
    expect(
      (await snapshots.adopt(request('vol-1', 'vol-2'), StartTime.toISOString()))?.snapshots.map(({ id }) => id),
    ).toEqual(['snap-1', 'snap-2']);
    expect(ec2.commandCalls(DescribeSnapshotsCommand)[0]?.args[0].input).toMatchObject({
      OwnerIds: ['self'],
      Filters: [
        { Name: 'tag:holdfast:stage', Values: ['prod'] },
        { Name: 'tag:holdfast:run', Values: ['run-1'] },
        { Name: 'tag:holdfast:part', Values: ['rs0'] },
      ],
    });
  });

  it.each([
    ['nothing', []],
    ['half of a set', [snapshot('snap-1', 'vol-1')]],
    ['halves of two sets', [snapshot('snap-1', 'vol-1'), snapshot('snap-2', 'vol-2', { StartTime: new Date() })]],
    ['one that failed', [snapshot('snap-1', 'vol-1'), snapshot('snap-2', 'vol-2', { State: 'error' })]],
    [
      'more than one for a volume',
      [snapshot('snap-1', 'vol-1'), snapshot('snap-2', 'vol-2'), snapshot('snap-3', 'vol-2')],
    ],
  ])('does not adopt %s', async (_, Snapshots) => {
    ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots });
    expect(await snapshots.adopt(request('vol-1', 'vol-2'), StartTime.toISOString())).toBeUndefined();
  });

  it('does not adopt one that was taken before the start that it would be paired with', async () => {
    ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-1', 'vol-1')] });
    expect(await snapshots.adopt(request('vol-1'), '2026-11-22T09:59:59.999Z')).toMatchObject({
      takenAt: StartTime.toISOString(),
    });
    expect(await snapshots.adopt(request('vol-1'), '2026-11-22T10:00:00.001Z')).toBeUndefined();
  });

  it('says how far the slowest of a set is, and when all are whole', async () => {
    ec2.on(CreateSnapshotCommand).resolves(snapshot('snap-1', 'vol-1'));
    const taken = await snapshots.create(request('vol-1'));
    const look = () => snapshots.look({ runId: 'run-1', part: 'rs0' }, taken);
    const state = (more: Partial<Snapshot>) =>
      ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-1', 'vol-1', more)] });
    state({ Progress: '37%' });
    expect(await look()).toMatchObject({ state: 'pending', percent: 37, layout: null });
    state({ State: 'completed', Progress: '100%' });
    expect(await look()).toMatchObject({ state: 'completed', snapshots: taken.snapshots });
    state({ State: 'error', StateMessage: 'Internal error' });
    await expect(look()).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(/snap-1: Internal error/) as string,
    });
    state({ State: 'error', StateMessage: 'Given key ID is not accessible.' });
    await expect(look()).rejects.toMatchObject({ name: 'VolumeKeyUnavailable' });
    ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [] });
    await expect(look()).rejects.toMatchObject({
      name: 'SnapshotFailed',
      message: expect.stringMatching(/is gone: snap-1/) as string,
    });
  });

  it('lists whose snapshots there are, and what may be a backup as one', async () => {
    const tags = (run: string, purpose?: string) => ({
      Tags: Object.entries({ run, part: 'rs0', ...(purpose !== undefined && { purpose }) }).map(([key, Value]) => ({
        ...{ Key: `holdfast:${key}`, Value },
      })),
    });
    ec2.on(DescribeSnapshotsCommand).resolves({
      Snapshots: [
        snapshot('snap-1', 'vol-1', tags('run-1', 'temporary')),
        snapshot('snap-2', 'vol-2', tags('run-1', 'temporary')),
        snapshot('snap-3', 'vol-1', tags('run-2', 'base')),
        snapshot('snap-4', 'vol-1', tags('run-3')),
        snapshot('snap-5', 'vol-1'),
      ],
    });
    const of = (id: string, volume: string) => ({ id, volume, startedAt: StartTime });
    expect(await snapshots.list()).toEqual([
      { runId: 'run-1', part: 'rs0', kept: false, snapshots: [of('snap-1', 'vol-1'), of('snap-2', 'vol-2')] },
      { runId: 'run-2', part: 'rs0', kept: true, snapshots: [of('snap-3', 'vol-1')] },
      { runId: 'run-3', part: 'rs0', kept: true, snapshots: [of('snap-4', 'vol-1')] },
    ]);
  });

  it('deletes those that it is told to, and no others of the same run', async () => {
    await snapshots.discard(['snap-8']);
    expect(deleted()).toEqual(['snap-8']);
    expect(ec2.commandCalls(DescribeSnapshotsCommand)).toEqual([]);
  });

  it('deletes what it owns, also when some of it is gone already', async () => {
    ec2.on(DescribeSnapshotsCommand).resolvesOnce({ Snapshots: [snapshot('snap-1', 'vol-1')], NextToken: 'more' });
    ec2.on(DescribeSnapshotsCommand, { NextToken: 'more' }).resolves({ Snapshots: [snapshot('snap-2', 'vol-2')] });
    ec2.on(DeleteSnapshotCommand, { SnapshotId: 'snap-1' }).rejects(fault('InvalidSnapshot.NotFound'));
    await snapshots.delete({ runId: 'run-1', part: 'rs0' });
    expect(deleted()).toEqual(['snap-1', 'snap-2']);
    ec2.on(DescribeSnapshotsCommand).resolves({ Snapshots: [snapshot('snap-3', 'vol-1')] });
    ec2.on(DeleteSnapshotCommand).rejects(fault('UnauthorizedOperation'));
    await expect(snapshots.delete({ runId: 'run-1', part: 'rs0' })).rejects.toMatchObject({ name: 'PermissionDenied' });
  });
});
