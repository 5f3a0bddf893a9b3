import {
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Instance,
  type Volume,
} from '@aws-sdk/client-ec2';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { EbsVolumes } from '../../../../src/adapters/aws/ebs-volumes.ts';
import type { DeploymentSettings } from '../../../../src/domain/settings.ts';
import { deploymentSettings } from '../../../support/deployment-settings.ts';

const ec2 = mockClient(EC2Client);
const finder = new EbsVolumes({
  client: new EC2Client({ region: 'eu-central-1' }),
  vpcId: 'vpc-1',
  resolveHost: (host) =>
    host === 'db-3.internal' ? Promise.resolve(['10.0.0.3']) : Promise.reject(new Error(`ENOTFOUND ${host}`)),
});
const settings = (given: Partial<DeploymentSettings>): DeploymentSettings =>
  deploymentSettings({ uri: 'mongodb://db-3.internal/', mongodbVersion: '6.0.5', ...given });
const member = 'db-3.internal:27017';
const ebs = { filesystem: 'ext4', dataPath: 'db' } as const;

const volume = (VolumeId: string, more: Partial<Volume> = {}): Volume => ({
  ...{ VolumeId, Size: 100, Attachments: [{ InstanceId: 'i-1', Device: '/dev/sdf' }] },
  ...more,
});
const tag = (Key: string, Value: string) => ({ Tags: [{ Key, Value }] });
const onInstance = (InstanceId: string, Device = '/dev/sdf') => ({ Attachments: [{ InstanceId, Device }] });

const addresses = (...all: string[]) => ({
  NetworkInterfaces: [{ PrivateIpAddresses: all.map((PrivateIpAddress) => ({ PrivateIpAddress })) }],
});
const instance: Instance = {
  ...{ InstanceId: 'i-1', InstanceType: 'r6i.large', RootDeviceName: '/dev/xvda', VpcId: 'vpc-1' },
  ...addresses('10.0.9.9', '10.0.0.3'),
};
const answerInstance = (more: Partial<Instance> = {}) =>
  ec2.on(DescribeInstancesCommand).resolves({ Reservations: [{ Instances: [{ ...instance, ...more }] }] });
const withStore = (InstanceStorageSupported: boolean) =>
  ec2.on(DescribeInstanceTypesCommand).resolves({ InstanceTypes: [{ InstanceStorageSupported }] });
const guess = { bytes: 100 * 1024 ** 3, instanceStore: false };

beforeEach(() => {
  ec2.reset();
  answerInstance();
  withStore(false);
});

describe('EbsVolumes', () => {
  it('asks AWS nothing where the config says nothing of volumes', async () => {
    expect(await finder.find(settings({ volumes: { 'other:1': 'vol-9' } }), member)).toBeUndefined();
    expect(ec2.calls()).toEqual([]);
  });

  it('finds the volume that is named, and says how it is laid out', async () => {
    ec2.on(DescribeVolumesCommand, { VolumeIds: ['vol-1'] }).resolves({ Volumes: [volume('vol-1')] });
    expect(await finder.find(settings({ volumes: { 'DB-3.internal:27017': 'vol-1' }, ebs }), member)).toEqual({
      ...{ type: 'ebs', volumes: ['vol-1'], instance: 'i-1', atOnce: true, filesystem: 'ext4', dataPath: 'db' },
      attached: { devices: ['/dev/sdf'], others: [] },
      reason: 'vol-1 of i-1, named under volumes',
    });
  });

  it('knows what else is attached and may hold data, but where the config names what does', async () => {
    const device = (DeviceName: string, VolumeId: string) => ({ DeviceName, Ebs: { VolumeId } });
    const BlockDeviceMappings = [
      device('/dev/xvda', 'vol-0'),
      device('/dev/sdf', 'vol-1'),
      device('/dev/sdg', 'vol-2'),
    ];
    const NetworkInterfaces = instance.NetworkInterfaces?.map((one) => ({ ...one, OwnerId: '111122223333' })) ?? [];
    answerInstance({ BlockDeviceMappings, NetworkInterfaces });
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1', { KmsKeyId: 'arn:key' })] });
    const tagged = await finder.find(settings({ ebs: { ...ebs, tags: { data: 'x' } } }), member);
    expect(tagged?.attached).toEqual({
      ...{ devices: ['/dev/sdf'], others: ['vol-2'], key: 'arn:key', account: '111122223333', guess },
    });
    const named = await finder.find(settings({ volumes: { [member]: 'vol-1' } }), member);
    expect(named?.attached?.others).toEqual([]);
  });

  it('finds volumes by tags, and of members that share them those that name the member', async () => {
    const Volumes = [
      volume('vol-1', { ...tag('holdfast:member', 'db-3.internal') }),
      volume('vol-2', { ...tag('holdfast:member', 'db-2.internal:27017'), ...onInstance('i-2') }),
    ];
    ec2.on(DescribeVolumesCommand).resolves({ Volumes });
    const given = settings({ ebs: { ...ebs, tags: { data: 'a*b' } } });
    expect((await finder.find(given, member))?.volumes).toEqual(['vol-1']);
    expect(ec2.commandCalls(DescribeVolumesCommand)[0]?.args[0].input.Filters).toEqual([
      { Name: 'tag:data', Values: [String.raw`a\*b`] },
    ]);
    await expect(finder.find(given, 'db-1.internal:27017')).rejects.toMatchObject({
      ...{ name: 'VolumeNotFound', next: expect.stringMatching(/holdfast:member = db-1\.internal:27017/) as string },
    });
  });

  it('does not guess between volumes of several instances', async () => {
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1'), volume('vol-2', onInstance('i-2'))] });
    await expect(finder.find(settings({ ebs: { ...ebs, tags: { data: 'x' } } }), member)).rejects.toMatchObject({
      ...{
        name: 'VolumeNotFound',
        message: expect.stringMatching(/vol-1, vol-2, found by their tags.*i-1, i-2/) as string,
      },
    });
  });

  it("finds the volumes of the instance behind the member's address, but its root", async () => {
    ec2
      .on(DescribeVolumesCommand)
      .resolves({ Volumes: [volume('vol-0', onInstance('i-1', '/dev/xvda')), volume('vol-1')] });
    const found = await finder.find(settings({ ebs: { ...ebs, instance: true } }), member);
    expect(found).toMatchObject({ volumes: ['vol-1'], reason: 'vol-1 of i-1, attached to the instance i-1' });
    expect(ec2.commandCalls(DescribeInstancesCommand)[0]?.args[0].input.Filters?.[0]).toEqual({
      ...{ Name: 'network-interface.addresses.private-ip-address', Values: ['10.0.0.3'] },
    });
  });

  it('takes the instance of its own VPC where addresses repeat, and none where that does not decide', async () => {
    const instances = (...vpcs: string[]) => ({
      Reservations: vpcs.map((VpcId, index) => ({ Instances: [{ ...instance, InstanceId: `i-${index}`, VpcId }] })),
    });
    ec2.on(DescribeInstancesCommand).resolves(instances('vpc-2', 'vpc-1'));
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1')] });
    const given = settings({ ebs: { ...ebs, instance: true } });
    expect((await finder.find(given, member))?.reason).toContain('the instance i-1');
    ec2.on(DescribeInstancesCommand).resolves(instances('vpc-2', 'vpc-3'));
    await expect(finder.find(given, member)).rejects.toMatchObject({
      message: expect.stringMatching(/several instances have 10\.0\.0\.3/) as string,
    });
  });

  it('takes one in another VPC, which may have the same addresses, only where its volumes have the tags as well', async () => {
    answerInstance({ VpcId: 'vpc-2' });
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1')] });
    await expect(finder.find(settings({ ebs: { ...ebs, instance: true } }), member)).rejects.toMatchObject({
      ...{ name: 'VolumeNotFound', message: expect.stringMatching(/i-1, is in vpc-2, not in vpc-1/) as string },
    });
    const given = settings({ ebs: { ...ebs, instance: true, tags: { data: 'x' } } });
    expect((await finder.find(given, member))?.volumes).toEqual(['vol-1']);
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [] });
    await expect(finder.find(given, member)).rejects.toMatchObject({ name: 'VolumeNotFound' });
  });

  it("does not take another member's volume for this one's, where members share the tags and only that one has them", async () => {
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1')] });
    const given = settings({ ebs: { ...ebs, tags: { data: 'x' } } });
    expect((await finder.find(given, member))?.volumes).toEqual(['vol-1']);
    answerInstance(addresses('10.0.0.4'));
    await expect(finder.find(given, member)).rejects.toMatchObject({
      ...{
        name: 'VolumeNotFound',
        message: expect.stringMatching(/vol-1.* i-1, which does not have its address \(10\.0\.0\.3\)/) as string,
        next: expect.stringMatching(/holdfast:member = db-3\.internal:27017/) as string,
      },
    });
    // Who names it, or tags it with the member, need not have its address here: a peered VPC, a proxy.
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1', tag('holdfast:member', member))] });
    expect((await finder.find(given, member))?.volumes).toEqual(['vol-1']);
    const named = settings({ volumes: { 'db-9.internal:1': 'vol-1' } });
    expect((await finder.find(named, 'db-9.internal:1'))?.volumes).toEqual(['vol-1']);
  });

  it('says what may tell whether the data is on what nobody names, and asks for it only then', async () => {
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1'), volume('vol-2', { Size: 20 })] });
    withStore(true);
    const found = await finder.find(settings({ ebs: { ...ebs, instance: true } }), member);
    expect(found?.attached?.guess).toEqual({ bytes: 120 * 1024 ** 3, instanceStore: true });
    const { args } = ec2.commandCalls(DescribeInstanceTypesCommand)[0] ?? {};
    expect(args?.[0].input).toEqual({ InstanceTypes: ['r6i.large'] });
    ec2.on(DescribeInstanceTypesCommand).resolves({ InstanceTypes: [] });
    const unknown = await finder.find(settings({ ebs: { ...ebs, instance: true } }), member);
    expect(unknown?.attached?.guess).toMatchObject({ instanceStore: true });
    ec2.resetHistory();
    const named = await finder.find(settings({ volumes: { [member]: ['vol-1', 'vol-2'] } }), member);
    expect(named?.attached).not.toHaveProperty('guess');
    ec2.on(DescribeVolumesCommand).resolves({ Volumes: [volume('vol-1', tag('holdfast:member', 'db-3.internal'))] });
    const tagged = await finder.find(settings({ ebs: { ...ebs, tags: { data: 'x' } } }), member);
    expect(tagged?.attached).not.toHaveProperty('guess');
    expect(ec2.commandCalls(DescribeInstanceTypesCommand)).toEqual([]);
  });

  it.each([
    ['a name without an address', 'db-9.internal:1', [], /no address here \(Error: ENOTFOUND db-9/],
    [
      'data on the root or an instance store',
      member,
      [volume('vol-0', onInstance('i-1', '/dev/xvda'))],
      /instance store/,
    ],
  ])('says what to do about %s', async (_, host, Volumes, message) => {
    ec2.on(DescribeVolumesCommand).resolves({ Volumes });
    await expect(finder.find(settings({ ebs: { ...ebs, instance: true } }), host)).rejects.toMatchObject({
      ...{
        name: 'VolumeNotFound',
        message: expect.stringMatching(message) as string,
        next: expect.stringMatching(/volumes/) as string,
      },
    });
  });

  it.each([
    ['several volumes', [volume('vol-1'), volume('vol-2')], {}, /2 volumes/],
    ['the root volume', [volume('vol-1', onInstance('i-1', '/dev/xvda'))], {}, /partitions/],
    ['more than ECS makes', [volume('vol-1', { Size: 16_385 })], {}, /16384 at most/],
    ['no worker', [volume('vol-1')], { mongodbVersion: undefined }, /mongodbVersion/],
  ])('knows what no worker can mount: %s', async (_, Volumes, more, reason) => {
    ec2.on(DescribeVolumesCommand).resolves({ Volumes });
    const { mongodbVersion, ...given } = settings({
      volumes: { [member]: Volumes.map(({ VolumeId = '' }) => VolumeId) },
    });
    const version = 'mongodbVersion' in more ? {} : { mongodbVersion: mongodbVersion ?? '' };
    expect(await finder.find({ ...given, ...version }, member)).toMatchObject({
      unmountable: expect.stringMatching(reason) as string,
    });
  });

  it('tells a volume that is gone from one that may not be looked at', async () => {
    const fault = (name: string) => Object.assign(new Error('no'), { name, $metadata: { httpStatusCode: 400 } });
    const given = settings({ volumes: { [member]: 'vol-1' } });
    ec2.on(DescribeVolumesCommand).rejects(fault('InvalidVolume.NotFound'));
    await expect(finder.find(given, member)).rejects.toMatchObject({ name: 'VolumeNotFound' });
    ec2.on(DescribeVolumesCommand).rejects(fault('UnauthorizedOperation'));
    await expect(finder.find(given, member)).rejects.toMatchObject({ name: 'PermissionDenied', retryable: false });
    ec2.on(DescribeVolumesCommand).rejects(fault('RequestLimitExceeded'));
    await expect(finder.find(given, member)).rejects.toMatchObject({ name: 'SnapshotFailed', retryable: true });
  });
});
