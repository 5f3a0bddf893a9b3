import {
  AttachVolumeCommand,
  DeleteTagsCommand,
  DeleteVolumeCommand,
  DescribeFastSnapshotRestoresCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { Ec2RestoreVolumes } from '../../../../src/adapters/aws/ec2-restore-volumes.ts';

const ec2 = mockClient(EC2Client);
const volumes = new Ec2RestoreVolumes({ client: new EC2Client({ region: 'eu-central-1' }), stage: 'prod' });
beforeEach(() => {
  ec2.reset();
});

const refusal = (name: string, httpStatusCode = 400) =>
  Object.assign(new Error(`${name} happened`), { name, $metadata: { httpStatusCode } });
const tags = (more: Readonly<Record<string, string>> = {}) =>
  Object.entries({ 'holdfast:run': 'run-1', 'holdfast:part': 'rs0', 'holdfast:attempt': '2', ...more }).map(
    ([Key, Value]) => ({ Key, Value }),
  );

describe('volumes of restores', () => {
  test('are found by their tags, page by page, and known by them alone', async () => {
    ec2
      .on(DescribeVolumesCommand)
      .resolvesOnce({
        Volumes: [
          {
            ...{ VolumeId: 'vol-1', AvailabilityZone: 'eu-central-1a', State: 'in-use', FastRestored: true },
            Attachments: [
              { InstanceId: 'i-0', Device: '/dev/sdz', State: 'detached' },
              { InstanceId: 'i-1', Device: '/dev/sdf', State: 'attached' },
            ],
            Tags: tags({ 'holdfast:unfinished': 'true' }),
          },
          { VolumeId: 'vol-2', Tags: [{ Key: 'holdfast:run', Value: 'run-1' }] },
        ],
        NextToken: 'more',
      })
      .resolvesOnce({ Volumes: [{ VolumeId: 'vol-3', AvailabilityZone: 'b', State: 'available', Tags: tags() }] });
    expect(await volumes.list('run-1')).toEqual([
      {
        ...{ id: 'vol-1', runId: 'run-1', part: 'rs0', attempt: 2, zone: 'eu-central-1a', state: 'in-use' },
        ...{
          attachedTo: { instance: 'i-1', device: '/dev/sdf', attached: true },
          fastRestored: true,
          unfinished: true,
        },
      },
      {
        ...{ id: 'vol-3', runId: 'run-1', part: 'rs0', attempt: 2, zone: 'b', state: 'available', attachedTo: null },
        ...{ fastRestored: false, unfinished: false },
      },
    ]);
    const inputs = ec2.commandCalls(DescribeVolumesCommand).map(({ args }) => args[0].input);
    expect(inputs[0]?.Filters).toEqual([
      { Name: 'tag:holdfast:stage', Values: ['prod'] },
      { Name: 'tag:holdfast:run', Values: ['run-1'] },
    ]);
    expect(inputs[1]?.NextToken).toBe('more');
  });

  test('whose runs have yet to say what becomes of them are those with the tag for it', async () => {
    ec2.on(DescribeVolumesCommand).resolves({});
    expect(await volumes.list()).toEqual([]);
    expect(ec2.commandCalls(DescribeVolumesCommand)[0]?.args[0].input.Filters).toContainEqual({
      ...{ Name: 'tag-key', Values: ['holdfast:unfinished'] },
    });
  });

  test('lose that tag and no other when they are let go', async () => {
    ec2.on(DeleteTagsCommand).resolves({});
    await volumes.release('vol-1');
    expect(ec2.commandCalls(DeleteTagsCommand)[0]?.args[0].input).toEqual({
      ...{ Resources: ['vol-1'], Tags: [{ Key: 'holdfast:unfinished' }] },
    });
  });

  test.each([
    ['InvalidVolume.NotFound', true],
    ['VolumeInUse', false],
    ['IncorrectState', false],
  ])('are gone when EC2 says %s: %s', async (name, gone) => {
    ec2.on(DeleteVolumeCommand).rejects(refusal(name));
    expect(await volumes.delete('vol-1')).toBe(gone);
    ec2.on(DeleteVolumeCommand).resolves({});
    expect(await volumes.delete('vol-1')).toBe(true);
  });

  test('that only were there to be read are known by their purpose', async () => {
    ec2.on(DescribeVolumesCommand).resolves({
      Volumes: [
        { VolumeId: 'vol-1', State: 'available', Tags: [{ Key: 'holdfast:run', Value: 'run-1' }] },
        { VolumeId: 'vol-2', State: 'available', Tags: [] },
      ],
    });
    expect(await volumes.listTemporary()).toEqual([{ id: 'vol-1', runId: 'run-1', state: 'available' }]);
    expect(ec2.commandCalls(DescribeVolumesCommand)[0]?.args[0].input.Filters).toEqual([
      { Name: 'tag:holdfast:stage', Values: ['prod'] },
      { Name: 'tag:holdfast:purpose', Values: ['temporary'] },
    ]);
  });

  test('that EC2 does not attach say why', async () => {
    ec2.on(AttachVolumeCommand).rejects(refusal('InvalidParameterValue'));
    await expect(volumes.attach('vol-1', { instance: 'i-1', device: '/dev/sdf' })).rejects.toMatchObject({
      name: 'TargetNotSuitable',
      message:
        'EC2 refused ec2:AttachVolume on vol-1 for i-1 as /dev/sdf: InvalidParameterValue: InvalidParameterValue happened',
    });
    ec2.on(AttachVolumeCommand).rejects(refusal('InternalError', 500));
    await expect(volumes.attach('vol-1', { instance: 'i-1', device: '/dev/sdf' })).rejects.toMatchObject({
      name: 'TargetUnreachable',
    });
  });
});

describe('what a plan looks at', () => {
  test('zones, each by the first subnet that the config names in it', async () => {
    ec2.on(DescribeSubnetsCommand).resolves({
      Subnets: [
        { SubnetId: 'subnet-3', AvailabilityZone: 'a' },
        { SubnetId: 'subnet-2', AvailabilityZone: 'b' },
        { SubnetId: 'subnet-1', AvailabilityZone: 'a' },
      ],
    });
    expect(await volumes.zonesOf(['subnet-1', 'subnet-2', 'subnet-3'])).toEqual({ a: 'subnet-1', b: 'subnet-2' });
  });

  test('a snapshot, with what it holds where EBS says so', async () => {
    ec2.on(DescribeSnapshotsCommand).resolvesOnce({
      Snapshots: [
        { State: 'completed', VolumeSize: 100, FullSnapshotSizeInBytes: 5, KmsKeyId: 'arn:key', OwnerId: '1' },
      ],
    });
    expect(await volumes.findSnapshot('snap-1')).toEqual({
      ...{ state: 'completed', sizeGiB: 100, storedBytes: 5, kmsKey: 'arn:key', account: '1' },
    });
    ec2.on(DescribeSnapshotsCommand).rejects(refusal('InvalidSnapshot.NotFound'));
    expect(await volumes.findSnapshot('snap-1')).toBeUndefined();
  });

  test('whether fast snapshot restore is on', async () => {
    ec2
      .on(DescribeFastSnapshotRestoresCommand)
      .resolvesOnce({ FastSnapshotRestores: [{ State: 'optimizing' }] })
      .resolves({ FastSnapshotRestores: [] });
    expect(await volumes.fastRestore('snap-1', 'a')).toBe('optimizing');
    expect(await volumes.fastRestore('snap-1', 'a')).toBeUndefined();
    expect(ec2.commandCalls(DescribeFastSnapshotRestoresCommand)[0]?.args[0].input.Filters).toEqual([
      { Name: 'snapshot-id', Values: ['snap-1'] },
      { Name: 'availability-zone', Values: ['a'] },
    ]);
  });

  test('an instance, with its devices, and whether it is tagged as one of the stage’s', async () => {
    const instance = {
      ...{ Placement: { AvailabilityZone: 'a' }, State: { Name: 'running' as const } },
      ...{ BlockDeviceMappings: [{ DeviceName: '/dev/xvda' }], Tags: [{ Key: 'holdfast:stage', Value: 'prod' }] },
    };
    ec2
      .on(DescribeInstancesCommand)
      .resolvesOnce({ Reservations: [{ Instances: [instance] }] })
      .resolvesOnce({ Reservations: [{ Instances: [{ ...instance, Tags: [] }] }] })
      .rejects(refusal('InvalidInstanceID.NotFound'));
    expect(await volumes.findInstance('i-1')).toEqual({
      ...{ zone: 'a', state: 'running', devices: ['/dev/xvda'], ofStage: true },
    });
    expect(await volumes.findInstance('i-1')).toMatchObject({ ofStage: false });
    expect(await volumes.findInstance('i-1')).toBeUndefined();
  });

  test('the zone of a volume, which may be gone', async () => {
    ec2.on(DescribeVolumesCommand).resolvesOnce({ Volumes: [{ AvailabilityZone: 'a' }] });
    expect(await volumes.zoneOfVolume('vol-1')).toBe('a');
    ec2.on(DescribeVolumesCommand).rejects(refusal('InvalidVolume.NotFound'));
    expect(await volumes.zoneOfVolume('vol-1')).toBeUndefined();
  });
});
