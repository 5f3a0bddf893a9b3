import {
  AttachVolumeCommand,
  CreateSnapshotCommand,
  CreateSubnetCommand,
  CreateVolumeCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  type Snapshot,
  type Tag,
  type TagSpecification,
} from '@aws-sdk/client-ec2';
import { type MotoServer, startMoto } from '../../local/servers/moto-server.ts';
import { EbsSnapshots } from '../../src/adapters/aws/ebs-snapshots.ts';
import { EbsVolumes } from '../../src/adapters/aws/ebs-volumes.ts';
import { Ec2RestoreVolumes } from '../../src/adapters/aws/ec2-restore-volumes.ts';
import { Ec2Front } from '../support/aws/ec2-front.ts';

export const zone = 'eu-central-1a';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

export type Tags = Readonly<Record<string, string>>;
const listed = (tags: Tags): Tag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
const tagged = (ResourceType: TagSpecification['ResourceType'], tags: Tags): TagSpecification[] =>
  Object.keys(tags).length === 0 ? [] : [{ ResourceType, Tags: listed(tags) }];

/** EC2 on moto behind a front, the adapters on the front, and what a test arranges past it. */
export class Ec2World {
  readonly front: Ec2Front;
  /** Straight to moto. */
  readonly admin: EC2Client;
  readonly snapshots: EbsSnapshots;
  readonly volumes: EbsVolumes;
  readonly restores: Ec2RestoreVolumes;
  /** Addresses of members' hosts. */
  readonly hosts = new Map<string, string>();
  readonly #moto: MotoServer;

  private constructor(moto: MotoServer, front: Ec2Front) {
    this.#moto = moto;
    this.front = front;
    this.admin = new EC2Client({ region: 'eu-central-1', endpoint: moto.endpoint, credentials });
    this.volumes = this.volumesIn('eu-central-1');
    const client = this.#client('eu-central-1');
    this.snapshots = new EbsSnapshots({
      ...{ client, creatingClient: this.#client('eu-central-1', 1), stage: 'prod', volumes: this.volumes },
    });
    this.restores = new Ec2RestoreVolumes({ client, stage: 'prod' });
  }

  static async start(): Promise<Ec2World> {
    // Its 600 images have a snapshot each, and it looks through all of them for every question.
    const moto = await startMoto({ MOTO_EC2_LOAD_DEFAULT_AMIS: 'false' });
    return new Ec2World(moto, await Ec2Front.start(moto.endpoint));
  }

  async stop(): Promise<void> {
    await this.front.close();
    await this.#moto.stop();
  }

  volumesIn(region: string): EbsVolumes {
    const resolveHost = (host: string) => {
      const address = this.hosts.get(host);
      return address === undefined ? Promise.reject(new Error(`ENOTFOUND ${host}`)) : Promise.resolve([address]);
    };
    return new EbsVolumes({ client: this.#client(region), resolveHost });
  }

  #client(region: string, maxAttempts = 3): EC2Client {
    return new EC2Client({ region, endpoint: this.front.endpoint, credentials, maxAttempts });
  }

  async makeVolume(tags: Tags = {}, more: { readonly encrypted?: boolean } = {}): Promise<string> {
    const { VolumeId = '' } = await this.admin.send(
      new CreateVolumeCommand({
        ...{ AvailabilityZone: zone, Size: 2, TagSpecifications: tagged('volume', tags) },
        ...(more.encrypted === true && { Encrypted: true }),
      }),
    );
    return VolumeId;
  }

  async runInstance(tags: Tags = { Name: 'member' }): Promise<Instance & { readonly InstanceId: string }> {
    const { Instances = [] } = await this.admin.send(
      new RunInstancesCommand({
        ...{ ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1, Placement: { AvailabilityZone: zone } },
        TagSpecifications: tagged('instance', tags),
      }),
    );
    const [{ InstanceId = '', ...instance } = {}] = Instances;
    return { ...instance, InstanceId };
  }

  /** An instance with volumes beside its root. @returns their ids, in the order of their devices */
  async makeMember(count: number, tags: Tags = {}, more: { readonly encrypted?: boolean } = {}) {
    const instance = await this.runInstance();
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const VolumeId = await this.makeVolume(tags, more);
      const Device = `/dev/sd${'fghijk'[n] ?? 'z'}`;
      await this.admin.send(new AttachVolumeCommand({ VolumeId, InstanceId: instance.InstanceId, Device }));
      ids.push(VolumeId);
    }
    return { instance: instance.InstanceId, address: instance.PrivateIpAddress ?? '', ids };
  }

  /** As somebody makes it who is not this stage, or an earlier process of it. */
  async makeSnapshot(VolumeId: string, tags: Tags): Promise<string> {
    const TagSpecifications = tagged('snapshot', tags);
    const { SnapshotId = '' } = await this.admin.send(new CreateSnapshotCommand({ VolumeId, TagSpecifications }));
    return SnapshotId;
  }

  async makeSubnet(AvailabilityZone: string, VpcId: string, CidrBlock: string): Promise<string> {
    const made = await this.admin.send(new CreateSubnetCommand({ AvailabilityZone, VpcId, CidrBlock }));
    return made.Subnet?.SubnetId ?? '';
  }

  /** The snapshots that moto has with a tag. */
  async snapshotsOf(key: string, value: string): Promise<Snapshot[]> {
    const Filters = [{ Name: `tag:${key}`, Values: [value] }];
    return (await this.admin.send(new DescribeSnapshotsCommand({ Filters }))).Snapshots ?? [];
  }
}
