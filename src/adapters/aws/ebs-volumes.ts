import {
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeVolumesCommand,
  type EC2Client,
  type Filter,
  type Instance,
  paginateDescribeInstances,
  paginateDescribeVolumes,
  type Volume,
} from '@aws-sdk/client-ec2';
import { type EbsSettings, memberTag } from '../../domain/ebs-settings.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { PlannedVolume } from '../../domain/run.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { askAboutSource as ask } from './ec2-errors.ts';

export interface EbsVolumesOptions {
  readonly client: EC2Client;
  /** The addresses of a host, as the member's network knows it: names of private zones are known nowhere else. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  /** Which of several instances with the member's address is meant: addresses repeat between VPCs. */
  readonly vpcId?: string | undefined;
}

interface Candidates {
  readonly volumes: readonly Volume[];
  /** For people. */
  readonly how: string;
  /** Whether the config names them: then nothing else holds data. */
  readonly named?: boolean;
  /** Whether they are of the instance that has the member's address. */
  readonly ofItsInstance?: boolean;
}

type Attached = NonNullable<PlannedVolume['attached']>;

/** ECS makes volumes of up to this many GiB. */
const largestWorkerVolume = 16_384;

/** Finds the EBS volumes under members: named in the config, by tags, or on the instance behind the member's address. */
export class EbsVolumes {
  readonly #options: EbsVolumesOptions;

  constructor(options: EbsVolumesOptions) {
    this.#options = options;
  }

  /**
   * @returns undefined where the config says nothing about volumes of this member
   * @throws VolumeNotFound, VolumeLayoutUnsupported with what to do instead; PermissionDenied
   */
  async find(deployment: DeploymentSettings, member: string): Promise<PlannedVolume | undefined> {
    const found = await this.#candidates(deployment, member);
    return found && (await this.#plan(deployment, member, found));
  }

  /** An instance as it is now. @throws VolumeNotFound when it is gone */
  async instance(id: string, signal?: AbortSignal): Promise<Instance> {
    const command = new DescribeInstancesCommand({ InstanceIds: [id] });
    const call = this.#options.client.send(command, signal && { abortSignal: signal });
    const { Reservations = [] } = await ask(call, { action: 'ec2:DescribeInstances', on: id });
    const [found] = Reservations.flatMap(({ Instances = [] }) => Instances);
    if (found !== undefined) return found;
    throw new HoldfastError('VolumeNotFound', `The instance ${id} is not there any more.`);
  }

  async #candidates({ volumes = {}, ebs, name }: DeploymentSettings, member: string): Promise<Candidates | undefined> {
    const named = Object.entries(volumes).find(([host]) => host.toLowerCase() === member.toLowerCase())?.[1];
    if (named !== undefined) {
      const VolumeIds = [named].flat();
      const call = this.#options.client.send(new DescribeVolumesCommand({ VolumeIds }));
      const on = `${VolumeIds.join(', ')} of ${member}`;
      const { Volumes = [] } = await ask(call, { action: 'ec2:DescribeVolumes', on });
      return { volumes: Volumes, how: 'named under volumes', named: true };
    }
    if (ebs?.instance === true) return this.#ofInstance(member, ebs.tags);
    return ebs?.tags && this.#tagged(member, ebs.tags, name);
  }

  async #ofInstance(member: string, tags: EbsSettings['tags']): Promise<Candidates> {
    const { InstanceId = '', RootDeviceName, VpcId } = await this.#instanceOf(member);
    const { vpcId } = this.#options;
    // Another VPC may have the same addresses; tags that its volumes have as well say that it is meant.
    if (vpcId !== undefined && VpcId !== vpcId && tags === undefined)
      throw unknownInstance(
        member,
        `the one with its address, ${InstanceId}, is in ${VpcId ?? 'no VPC'}, not in ${vpcId}`,
      );
    const found = await this.#byFilter(member, [
      { Name: 'attachment.instance-id', Values: [InstanceId] },
      ...tagFilters(tags),
    ]);
    const data = found.filter(({ Attachments = [] }) => Attachments.every(({ Device }) => Device !== RootDeviceName));
    if (data.length > 0) return { volumes: data, how: `attached to the instance ${InstanceId}`, ofItsInstance: true };
    throw new HoldfastError(
      'VolumeNotFound',
      `The instance ${InstanceId} of ${member} has no EBS volume beside its root${tags ? ' with the tags' : ''}: its data lies on the root volume or on an instance store.`,
      { next: 'Name the volume under volumes of the deployment, or ask for the method logical.' },
    );
  }

  async #tagged(member: string, tags: Readonly<Record<string, string>>, deployment: string): Promise<Candidates> {
    const tagged = await this.#byFilter(member, tagFilters(tags));
    const of = tagged.some((volume) => tagOf(volume, memberTag) !== undefined)
      ? tagged.filter((volume) => isMember(tagOf(volume, memberTag), member))
      : tagged;
    if (of.length > 0) return { volumes: of, how: 'found by their tags' };
    throw new HoldfastError('VolumeNotFound', `No volume has the tags ${shown(tags)} for ${member}.`, {
      next: `Tag the volumes of its data so, with ${memberTag} = ${member} where members share the tags, or correct ebs.tags of ${deployment}.`,
    });
  }

  async #byFilter(member: string, filters: readonly Filter[]): Promise<Volume[]> {
    const { client } = this.#options;
    const everyPage = async () => {
      const volumes: Volume[] = [];
      const pages = paginateDescribeVolumes({ client, pageSize: 500 }, { Filters: [...filters] });
      for await (const { Volumes = [] } of pages) volumes.push(...Volumes);
      return volumes;
    };
    return ask(everyPage(), { action: 'ec2:DescribeVolumes', on: `the volumes of ${member}` });
  }

  /** @throws VolumeNotFound when no instance, or not one alone, has the member's address */
  async #instanceOf(member: string): Promise<Instance> {
    const addresses = await this.#addressesOf(member);
    const { client, vpcId } = this.#options;
    const filter = { Name: 'network-interface.addresses.private-ip-address', Values: [...addresses] };
    const alive = { Name: 'instance-state-name', Values: ['running', 'stopping', 'stopped'] };
    const everyPage = async () => {
      const instances: Instance[] = [];
      for await (const { Reservations = [] } of paginateDescribeInstances({ client }, { Filters: [filter, alive] }))
        instances.push(...Reservations.flatMap(({ Instances = [] }) => Instances));
      return instances;
    };
    const found = await ask(everyPage(), { action: 'ec2:DescribeInstances', on: addresses.join(' or ') });
    const inVpc = found.filter(({ VpcId }) => VpcId === vpcId);
    const [instance, other] = found.length > 1 && inVpc.length > 0 ? inVpc : found;
    if (instance === undefined) throw unknownInstance(member, `no instance has ${addresses.join(' or ')}`);
    if (other === undefined) return instance;
    throw unknownInstance(member, `several instances have ${addresses.join(' or ')}`);
  }

  async #addressesOf(member: string): Promise<readonly string[]> {
    const host = member.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    return this.#options.resolveHost(host).catch((error: unknown) => {
      throw unknownInstance(member, `its name has no address here (${String(error)})`);
    });
  }

  /** Tags that members share say nothing of whose volume it is. @throws VolumeNotFound where the instance is not the member's */
  async #requireInstanceOf(member: string, { InstanceId = '', NetworkInterfaces = [] }: Instance, ids: string) {
    const addresses = await this.#addressesOf(member);
    const own = NetworkInterfaces.flatMap(({ PrivateIpAddresses = [] }) => PrivateIpAddresses);
    if (own.some(({ PrivateIpAddress = '' }) => addresses.includes(PrivateIpAddress))) return;
    throw new HoldfastError(
      'VolumeNotFound',
      `The volumes found by their tags for ${member} (${ids}) are of the instance ${InstanceId}, which does not have its address (${addresses.join(' or ')}): they may be another member's.`,
      { next: `Tag those of this member with ${memberTag} = ${member}, or name them under volumes of the deployment.` },
    );
  }

  /** What tells whether the data is on volumes that nobody names. */
  async #guess({ InstanceType }: Instance, volumes: readonly Volume[]): Promise<Attached['guess']> {
    const InstanceTypes = InstanceType === undefined ? [] : [InstanceType];
    const call = this.#options.client.send(new DescribeInstanceTypesCommand({ InstanceTypes }));
    const on = InstanceTypes.join();
    const { InstanceTypes: [type] = [] } = await ask(call, { action: 'ec2:DescribeInstanceTypes', on });
    const gibibytes = volumes.reduce((sum, { Size = 0 }) => sum + Size, 0);
    return { bytes: gibibytes * 1024 ** 3, instanceStore: type?.InstanceStorageSupported !== false };
  }

  async #plan(
    { ebs, mongodbVersion }: DeploymentSettings,
    member: string,
    { volumes, how, named = false, ofItsInstance = false }: Candidates,
  ): Promise<PlannedVolume> {
    const ids = volumes.map(({ VolumeId = '' }) => VolumeId).sort();
    const instanceId = instanceUnder(volumes, `${ids.join(', ')}, ${how}`, member);
    const instance = await this.instance(instanceId);
    const told = named || volumes.every((volume) => isMember(tagOf(volume, memberTag), member));
    if (!told && !ofItsInstance) await this.#requireInstanceOf(member, instance, ids.join(', '));
    const unmountable = whyUnmountable(volumes, instance.RootDeviceName, mongodbVersion);
    return {
      ...{ type: 'ebs', volumes: ids, instance: instanceId, atOnce: true },
      filesystem: ids.length > 1 ? null : (ebs?.filesystem ?? 'xfs'),
      dataPath: ebs?.dataPath ?? '',
      attached: {
        ...attachedTo(instance, volumes, named),
        ...(!told && { guess: await this.#guess(instance, volumes) }),
      },
      reason: `${ids.join(', ')} of ${instanceId}, ${how}`,
      ...(unmountable !== undefined && { unmountable }),
    };
  }
}

/**
 * @param shown the volumes, for people
 * @throws VolumeNotFound where they are not attached to one instance, each to it alone
 */
function instanceUnder(volumes: readonly Volume[], shown: string, member: string): string {
  const instances = new Set(volumes.flatMap(({ Attachments = [] }) => Attachments.map(({ InstanceId }) => InstanceId)));
  const [instance] = instances;
  const attached = volumes.every(({ Attachments = [] }) => Attachments.length === 1);
  if (attached && instances.size === 1 && instance !== undefined) return instance;
  throw new HoldfastError(
    'VolumeNotFound',
    `The volumes of ${member} (${shown}) are not attached to one instance, each to it alone: ${[...instances].join(', ') || 'to none'}.`,
    { next: `Name those of this member under volumes, or tag them with ${memberTag} = ${member}.` },
  );
}

/** @param named whether the config names the volumes: then nothing else holds data */
function attachedTo(instance: Instance, volumes: readonly Volume[], named: boolean): Attached {
  const { RootDeviceName, BlockDeviceMappings = [], NetworkInterfaces = [] } = instance;
  const [{ KmsKeyId: key } = {}, ...more] = volumes;
  const account = NetworkInterfaces[0]?.OwnerId;
  const beside = BlockDeviceMappings.filter(({ DeviceName }) => DeviceName !== RootDeviceName)
    .flatMap(({ Ebs }) => Ebs?.VolumeId ?? [])
    .filter((id) => volumes.every(({ VolumeId }) => VolumeId !== id));
  return {
    devices: volumes.flatMap(({ Attachments = [] }) => Attachments.flatMap(({ Device }) => Device ?? [])),
    others: named ? [] : beside,
    ...(key !== undefined && more.length === 0 && { key }),
    ...(account !== undefined && { account }),
  };
}

/** What keeps ECS from giving a worker a volume made from a snapshot, as far as the EC2 API shows it. */
function whyUnmountable(
  volumes: readonly Volume[],
  rootDevice: string | undefined,
  mongodbVersion: string | undefined,
): string | undefined {
  if (volumes.length > 1) return `the data lies on ${volumes.length} volumes, and a worker gets one`;
  const [{ Attachments = [], Size = 0, VolumeId = '' } = {}] = volumes;
  if (Attachments.some(({ Device }) => Device === rootDevice))
    return `${VolumeId} is the root volume of its instance: it has partitions`;
  if (Size > largestWorkerVolume)
    return `${VolumeId} has ${Size} GiB, and a worker gets ${largestWorkerVolume} at most`;
  if (mongodbVersion === undefined) return 'the deployment names no mongodbVersion, so the stage has no worker for it';
  return undefined;
}

function tagFilters(tags: Readonly<Record<string, string>> = {}): Filter[] {
  return Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [literal(value)] }));
}

/** Filters of EC2 take * and ? for patterns. */
function literal(value: string): string {
  return value.replace(/[\\*?]/g, String.raw`\$&`);
}

const tagOf = ({ Tags = [] }: Volume, key: string): string | undefined => Tags.find(({ Key }) => Key === key)?.Value;

function isMember(tag: string | undefined, member: string): boolean {
  const wanted = member.toLowerCase();
  const given = tag?.toLowerCase();
  return given === wanted || given === wanted.replace(/:\d+$/, '');
}

const shown = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');

function unknownInstance(member: string, why: string): HoldfastError {
  return new HoldfastError('VolumeNotFound', `The instance of ${member} is not known: ${why}.`, {
    next: 'Name its volume under volumes of the deployment, or find volumes by ebs.tags.',
  });
}
