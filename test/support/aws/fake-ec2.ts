import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeImagesCommand,
  DescribeTagsCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  EC2Client,
  RunInstancesCommand,
  type Volume,
  type VolumeType,
} from '@aws-sdk/client-ec2';
import { makeOwnDirectory } from '../../../local/servers/reaper.ts';
import { AwsError, type FakeAws } from './fake-aws.ts';
import { FakeSnapshots, type MemberData, snapshotToMake } from './fake-snapshots.ts';
import type { AuthorizedRequest } from './role-policies.ts';
import { account, region } from './template.ts';

/** `managedEBSVolume` of RunTask. */
interface ManagedVolume {
  readonly roleArn: string;
  readonly volumeType: VolumeType;
  readonly iops?: number;
  readonly throughput?: number;
  readonly sizeInGiB?: number;
  readonly snapshotId?: string;
  readonly encrypted?: boolean;
  readonly tagSpecifications: readonly { readonly tags: readonly { key: string; value: string }[] }[];
  readonly terminationPolicy: { readonly deleteOnTermination: boolean };
}

/** The subnets of the test's config are in no VPC of moto's. */
const zones: Readonly<Record<string, string>> = {
  'subnet-0123456789abcdef0': 'eu-central-1a',
  'subnet-0123456789abcdef1': 'eu-central-1b',
};

/**
 * EC2 on moto, with a folder for the content of each volume. ECS makes volumes as it does for tasks: tagged, attached to a
 * machine while the task runs, and kept or deleted at its end.
 */
export class FakeEc2 {
  /** Straight to moto: what a test looks at, or arranges. */
  readonly client: EC2Client;
  readonly snapshots: FakeSnapshots;
  readonly #folders = new Map<string, string>();
  readonly #machines = new Map<string, Promise<string>>();

  constructor(aws: FakeAws, endpoint: string) {
    this.client = new EC2Client({ region, endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    this.snapshots = new FakeSnapshots(aws, this.client);
    aws.ec2Requests = (action, parameters) => this.#authorized(action, parameters);
    aws.answers.set('ec2:DescribeSubnets', () => {
      const item = ([id, zone]: [string, string]) =>
        `<item><subnetId>${id}</subnetId><availabilityZone>${zone}</availabilityZone></item>`;
      return `<DescribeSubnetsResponse><subnetSet>${Object.entries(zones).map(item).join('')}</subnetSet></DescribeSubnetsResponse>`;
    });
  }

  /** Where the content of a volume lies. */
  folderOf(volumeId: string): string {
    const folder = this.#folders.get(volumeId);
    if (folder === undefined) throw new Error(`nothing is known of the volume ${volumeId}`);
    return folder;
  }

  async volumes(): Promise<Volume[]> {
    return (
      (await this.client.send(new DescribeVolumesCommand({ Filters: [{ Name: 'tag-key', Values: ['holdfast:run'] }] })))
        .Volumes ?? []
    );
  }

  async volumesOf(run: string): Promise<Volume[]> {
    return (await this.volumes()).filter(({ Tags = [] }) =>
      Tags.some(({ Key, Value }) => Key === 'holdfast:run' && Value === run),
    );
  }

  /** A volume that nothing has attached. @returns its id */
  async makeLostVolume(tags: Readonly<Record<string, string>>, AvailabilityZone = 'eu-central-1a'): Promise<string> {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const { VolumeId = '' } = await this.client.send(
      new CreateVolumeCommand({ AvailabilityZone, Size: 1, TagSpecifications: [{ ResourceType: 'volume', Tags }] }),
    );
    return VolumeId;
  }

  /**
   * A volume under the data of a member, which runs on an instance of its own but for one that is named.
   * @returns their ids
   */
  async makeMemberVolume(
    tags: Readonly<Record<string, string>>,
    data: MemberData,
    { instance, device = '/dev/sdf' }: { readonly instance?: string; readonly device?: string } = {},
  ): Promise<{ readonly volume: string; readonly instance: string }> {
    const AvailabilityZone = 'eu-central-1a';
    const VolumeId = await this.makeLostVolume(tags, AvailabilityZone);
    const InstanceId = instance ?? (await this.runInstance(AvailabilityZone, { Name: 'member' }));
    await this.client.send(new AttachVolumeCommand({ VolumeId, InstanceId, Device: device }));
    this.snapshots.members.set(VolumeId, data);
    return { volume: VolumeId, instance: InstanceId };
  }

  /** Makes the volume of a task, as ECS does. @returns its id */
  async makeTaskVolume(wanted: ManagedVolume, subnet: string, taskArn: string): Promise<string> {
    const zone = zones[subnet];
    if (zone === undefined) throw new AwsError('InvalidParameterException', `no subnet ${subnet}`);
    const { snapshotId, sizeInGiB, volumeType, encrypted, iops, throughput } = wanted;
    const tags = [
      ...wanted.tagSpecifications.flatMap((specification) => specification.tags),
      { key: 'AmazonECSManaged', value: 'true' },
      { key: 'AmazonECSCreated', value: taskArn },
    ];
    const { VolumeId = '' } = await this.client.send(
      new CreateVolumeCommand({
        AvailabilityZone: zone,
        VolumeType: volumeType,
        ...(snapshotId !== undefined && { SnapshotId: snapshotId }),
        ...(sizeInGiB !== undefined && { Size: sizeInGiB }),
        ...(encrypted !== undefined && { Encrypted: encrypted }),
        ...(iops !== undefined && { Iops: iops }),
        ...(throughput !== undefined && { Throughput: throughput }),
        TagSpecifications: [
          { ResourceType: 'volume', Tags: tags.map(({ key: Key, value: Value }) => ({ Key, Value })) },
        ],
      }),
    );
    const folder = join(await makeOwnDirectory('volume'), VolumeId);
    const content = snapshotId === undefined ? undefined : this.snapshots.folders.get(snapshotId);
    await (content === undefined ? mkdir(folder) : cp(content, folder, { recursive: true }));
    this.#folders.set(VolumeId, folder);
    const machine = await this.#machineIn(zone);
    await this.client.send(new AttachVolumeCommand({ VolumeId, InstanceId: machine, Device: `/dev/${VolumeId}` }));
    return VolumeId;
  }

  /** Takes the volume off a task that has stopped. */
  async endTaskVolume(VolumeId: string, { terminationPolicy: { deleteOnTermination } }: ManagedVolume): Promise<void> {
    const [volume] = (await this.client.send(new DescribeVolumesCommand({ VolumeIds: [VolumeId] }))).Volumes ?? [];
    const { InstanceId, Device } = volume?.Attachments?.[0] ?? {};
    await this.client.send(new DetachVolumeCommand({ VolumeId, InstanceId, Device }));
    if (deleteOnTermination) await this.client.send(new DeleteVolumeCommand({ VolumeId }));
  }

  /** An instance of that zone. */
  async runInstance(zone: string, tags: Readonly<Record<string, string>>): Promise<string> {
    const { Images = [] } = await this.client.send(new DescribeImagesCommand({}));
    const { Instances = [] } = await this.client.send(
      new RunInstancesCommand({
        ...{ ImageId: Images[0]?.ImageId, MinCount: 1, MaxCount: 1, Placement: { AvailabilityZone: zone } },
        TagSpecifications: [
          { ResourceType: 'instance', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) },
        ],
      }),
    );
    return Instances[0]?.InstanceId ?? '';
  }

  /** Of AWS's own, which volumes of tasks are attached to. */
  #machineIn(zone: string): Promise<string> {
    const known = this.#machines.get(zone) ?? this.runInstance(zone, { Name: 'fargate' });
    this.#machines.set(zone, known);
    return known;
  }

  /** What IAM is asked about a request: each resource that it names, with its tags. What only describes names none. */
  async #authorized(action: string, parameters: URLSearchParams): Promise<readonly AuthorizedRequest[]> {
    const named = ['VolumeId', 'InstanceId', 'ResourceId.1', 'SnapshotId', 'InstanceSpecification.InstanceId'].flatMap(
      (name) => parameters.get(name) ?? [],
    );
    if (named.length === 0 || action.startsWith('ec2:Describe')) return [{ action, resource: '', context: {} }];
    const takes = action.startsWith('ec2:CreateSnapshot');
    const tagKey = parameters.get('Tag.1.Key');
    const touched =
      action === 'ec2:CreateSnapshots' ? await this.snapshots.volumesToSnapshot(Object.fromEntries(parameters)) : [];
    const asked = await Promise.all(
      [...named, ...touched.map(({ VolumeId = '' }) => VolumeId)].map(async (id) => ({
        action,
        resource: arnOfId(id),
        context: { ...(await this.#tagsOf(id)), ...(tagKey !== null && { 'aws:TagKeys': tagKey }) },
      })),
    );
    return [...asked, ...(takes ? snapshotToMake(action, Object.fromEntries(parameters)) : [])];
  }

  async #tagsOf(id: string): Promise<Record<string, string>> {
    const found = await this.client.send(new DescribeTagsCommand({ Filters: [{ Name: 'resource-id', Values: [id] }] }));
    return Object.fromEntries((found.Tags ?? []).map(({ Key = '', Value = '' }) => [`aws:ResourceTag/${Key}`, Value]));
  }
}

function arnOfId(id: string): string {
  const [kind = ''] = id.split('-', 1);
  const type = { vol: 'volume', i: 'instance', snap: 'snapshot' }[kind] ?? kind;
  return `arn:aws:ec2:${region}:${kind === 'snap' ? '' : account}:${type}/${id}`;
}
