import {
  AttachVolumeCommand,
  DeleteTagsCommand,
  DeleteVolumeCommand,
  DescribeFastSnapshotRestoresCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  type EC2Client,
  type Filter,
  paginateDescribeVolumes,
  type Tag,
  type Volume,
} from '@aws-sdk/client-ec2';
import type {
  InstanceLook,
  MadeVolume,
  RestoreVolumes,
  SnapshotLook,
  TemporaryVolume,
} from '../../application/ports/restore-volumes.ts';
import { resourceTags, temporary } from '../../domain/names.ts';
import { askAboutTarget as ask } from './ec2-errors.ts';
import { hasName } from './service-errors.ts';

export interface Ec2RestoreVolumesOptions {
  readonly client: EC2Client;
  readonly stage: string;
}

/** EBS volumes that ECS made for restores; known by their tags alone. */
export class Ec2RestoreVolumes implements RestoreVolumes {
  readonly #client: EC2Client;
  readonly #stage: string;

  constructor({ client, stage }: Ec2RestoreVolumesOptions) {
    this.#client = client;
    this.#stage = stage;
  }

  async zonesOf(subnets: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const call = this.#client.send(new DescribeSubnetsCommand({ SubnetIds: [...subnets] }));
    const { Subnets = [] } = await ask(call, { action: 'ec2:DescribeSubnets', on: subnets.join(', ') });
    // Of several in a zone the first that the config names.
    const known = new Map(Subnets.map(({ SubnetId, AvailabilityZone }) => [SubnetId, AvailabilityZone]));
    const zones: Record<string, string> = {};
    for (const subnet of subnets) {
      const zone = known.get(subnet);
      if (zone !== undefined) zones[zone] ??= subnet;
    }
    return zones;
  }

  async zoneOfVolume(id: string): Promise<string | undefined> {
    const call = this.#client.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
    const absent = ['InvalidVolume.NotFound', 'InvalidVolumeID.Malformed', 'InvalidParameterValue'];
    const found = await ask(call, { action: 'ec2:DescribeVolumes', on: id }, absent);
    return found?.Volumes?.[0]?.AvailabilityZone;
  }

  async findSnapshot(id: string): Promise<SnapshotLook | undefined> {
    const call = this.#client.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }));
    const absent = ['InvalidSnapshot.NotFound', 'InvalidSnapshotID.Malformed', 'InvalidParameterValue'];
    const found = (await ask(call, { action: 'ec2:DescribeSnapshots', on: id }, absent))?.Snapshots?.[0];
    if (found === undefined) return undefined;
    const { State = 'unknown', VolumeSize = 0, FullSnapshotSizeInBytes, KmsKeyId, OwnerId } = found;
    return {
      state: State,
      sizeGiB: VolumeSize,
      storedBytes: FullSnapshotSizeInBytes ?? null,
      kmsKey: KmsKeyId ?? null,
      account: OwnerId,
    };
  }

  async fastRestore(snapshot: string, zone: string): Promise<string | undefined> {
    const filters: Filter[] = [
      { Name: 'snapshot-id', Values: [snapshot] },
      { Name: 'availability-zone', Values: [zone] },
    ];
    const call = this.#client.send(new DescribeFastSnapshotRestoresCommand({ Filters: filters }));
    const found = await ask(call, { action: 'ec2:DescribeFastSnapshotRestores', on: `${snapshot} in ${zone}` });
    return found.FastSnapshotRestores?.[0]?.State;
  }

  async findInstance(id: string): Promise<InstanceLook | undefined> {
    const call = this.#client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    const absent = ['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed'];
    const answer = await ask(call, { action: 'ec2:DescribeInstances', on: id }, absent);
    const found = answer?.Reservations?.[0]?.Instances?.[0];
    if (found === undefined) return undefined;
    return {
      zone: found.Placement?.AvailabilityZone ?? '',
      state: found.State?.Name ?? 'unknown',
      devices: (found.BlockDeviceMappings ?? []).flatMap(({ DeviceName }) => DeviceName ?? []),
      ofStage: valueOf(found.Tags, resourceTags.stage) === this.#stage,
    };
  }

  async list(runId?: string): Promise<readonly MadeVolume[]> {
    const decided: Filter =
      runId === undefined
        ? { Name: 'tag-key', Values: [resourceTags.unfinished] }
        : { Name: `tag:${resourceTags.run}`, Values: [runId] };
    return (await this.#ofStage(decided)).flatMap((volume) => madeVolume(volume) ?? []);
  }

  async listTemporary(): Promise<readonly TemporaryVolume[]> {
    const volumes = await this.#ofStage({ Name: `tag:${resourceTags.purpose}`, Values: [temporary] });
    return volumes.flatMap(({ VolumeId: id, State: state = 'unknown', Tags }) => {
      const runId = valueOf(Tags, resourceTags.run);
      return id === undefined || runId === undefined ? [] : [{ id, runId, state }];
    });
  }

  async delete(id: string): Promise<boolean> {
    const gone = this.#client.send(new DeleteVolumeCommand({ VolumeId: id })).then(
      () => true,
      (error: unknown) => {
        if (hasName(error, ['InvalidVolume.NotFound'])) return true;
        // Attached since it was looked at, or still being made: then it stays.
        if (hasName(error, ['VolumeInUse', 'IncorrectState'])) return false;
        throw error;
      },
    );
    return ask(gone, { action: 'ec2:DeleteVolume', on: id });
  }

  async release(id: string): Promise<void> {
    const tag = { Key: resourceTags.unfinished };
    const call = this.#client.send(new DeleteTagsCommand({ Resources: [id], Tags: [tag] }));
    await ask(call, { action: 'ec2:DeleteTags', on: `the tag ${tag.Key} of ${id}` });
  }

  async attach(
    id: string,
    { instance, device }: { readonly instance: string; readonly device: string },
  ): Promise<void> {
    const call = this.#client.send(new AttachVolumeCommand({ VolumeId: id, InstanceId: instance, Device: device }));
    await ask(call, { action: 'ec2:AttachVolume', on: `${id} for ${instance} as ${device}` });
  }

  async #ofStage(filter: Filter): Promise<Volume[]> {
    const Filters = [{ Name: `tag:${resourceTags.stage}`, Values: [this.#stage] }, filter];
    const everyPage = async () => {
      const found: Volume[] = [];
      for await (const { Volumes = [] } of paginateDescribeVolumes(
        { client: this.#client, pageSize: 500 },
        { Filters },
      ))
        found.push(...Volumes);
      return found;
    };
    return ask(everyPage(), { action: 'ec2:DescribeVolumes', on: `the volumes of stage ${this.#stage}` });
  }
}

const valueOf = (tags: readonly Tag[] | undefined, key: string): string | undefined =>
  tags?.find(({ Key }) => Key === key)?.Value;

/** @returns undefined for one that no restore made */
function madeVolume({
  VolumeId,
  AvailabilityZone,
  State,
  Attachments,
  FastRestored,
  Tags,
}: Volume): MadeVolume | undefined {
  const [runId, part, attempt] = [resourceTags.run, resourceTags.part, resourceTags.attempt].map((key) =>
    valueOf(Tags, key),
  );
  if (VolumeId === undefined || runId === undefined || part === undefined || attempt === undefined) return undefined;
  const at = Attachments?.find((one) => one.State !== 'detached');
  return {
    ...{ id: VolumeId, runId, part, attempt: Number(attempt), zone: AvailabilityZone ?? '', state: State ?? 'unknown' },
    attachedTo: at
      ? { instance: at.InstanceId ?? '', device: at.Device ?? '', attached: at.State === 'attached' }
      : null,
    fastRestored: FastRestored === true,
    unfinished: valueOf(Tags, resourceTags.unfinished) !== undefined,
  };
}
