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
  type Tag,
  type Volume,
} from '@aws-sdk/client-ec2';
import type {
  InstanceLook,
  MadeVolume,
  RestoreVolumes,
  SnapshotLook,
} from '../../application/ports/restore-volumes.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { resourceTags } from '../../domain/names.ts';
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
    const { Subnets = [] } = await asked(this.#client.send(new DescribeSubnetsCommand({ SubnetIds: [...subnets] })));
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
    const found = await asked(call, ['InvalidVolume.NotFound', 'InvalidParameterValue']);
    return found?.Volumes?.[0]?.AvailabilityZone;
  }

  async findSnapshot(id: string): Promise<SnapshotLook | undefined> {
    const call = this.#client.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }));
    const found = (await asked(call, ['InvalidSnapshot.NotFound', 'InvalidParameterValue']))?.Snapshots?.[0];
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
    const found = await asked(this.#client.send(new DescribeFastSnapshotRestoresCommand({ Filters: filters })));
    return found.FastSnapshotRestores?.[0]?.State;
  }

  async findInstance(id: string): Promise<InstanceLook | undefined> {
    const call = this.#client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    const found = (await asked(call, ['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed']))?.Reservations?.[0]
      ?.Instances?.[0];
    if (found === undefined) return undefined;
    return {
      zone: found.Placement?.AvailabilityZone ?? '',
      state: found.State?.Name ?? 'unknown',
      devices: (found.BlockDeviceMappings ?? []).flatMap(({ DeviceName }) => DeviceName ?? []),
      ofStage: valueOf(found.Tags, resourceTags.stage) === this.#stage,
    };
  }

  async list(runId?: string): Promise<readonly MadeVolume[]> {
    const filters: Filter[] = [
      { Name: `tag:${resourceTags.stage}`, Values: [this.#stage] },
      runId === undefined
        ? { Name: 'tag-key', Values: [resourceTags.unfinished] }
        : { Name: `tag:${resourceTags.run}`, Values: [runId] },
    ];
    const found: MadeVolume[] = [];
    let nextToken: string | undefined;
    do {
      const call = this.#client.send(new DescribeVolumesCommand({ Filters: filters, NextToken: nextToken }));
      const page = await asked(call);
      found.push(...(page.Volumes ?? []).flatMap((volume) => madeVolume(volume) ?? []));
      nextToken = page.NextToken;
    } while (nextToken !== undefined);
    return found;
  }

  async delete(id: string): Promise<void> {
    await asked(this.#client.send(new DeleteVolumeCommand({ VolumeId: id })), [
      'InvalidVolume.NotFound',
      // Attached since it was looked at: then it stays.
      'VolumeInUse',
    ]);
  }

  async release(id: string): Promise<void> {
    await asked(
      this.#client.send(new DeleteTagsCommand({ Resources: [id], Tags: [{ Key: resourceTags.unfinished }] })),
    );
  }

  async attach(
    id: string,
    { instance, device }: { readonly instance: string; readonly device: string },
  ): Promise<void> {
    try {
      await asked(this.#client.send(new AttachVolumeCommand({ VolumeId: id, InstanceId: instance, Device: device })));
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError(
        'TargetNotSuitable',
        `EC2 did not attach ${id} to ${instance} as ${device}: ${(cause as Error).message}`,
        { cause },
      );
    }
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

/** EC2's words for "not now"; what comes without an answer at all was lost on the way. */
const transient = ['RequestLimitExceeded', 'Throttling', 'ThrottlingException', 'Unavailable', 'InternalError'];

/**
 * @param missing errors that say that what was asked for is not there
 * @throws TargetUnreachable for what may pass by itself; what EC2 refuses as it is
 */
async function asked<T>(call: Promise<T>): Promise<T>;
async function asked<T>(call: Promise<T>, missing: readonly string[]): Promise<T | undefined>;
async function asked<T>(call: Promise<T>, missing: readonly string[] = []): Promise<T | undefined> {
  try {
    return await call;
  } catch (cause) {
    if (hasName(cause, missing)) return undefined;
    const status = (cause as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    if (status !== undefined && status < 500 && !hasName(cause, transient)) throw cause;
    throw new HoldfastError('TargetUnreachable', `EC2 did not answer: ${(cause as Error).message}`, {
      next: 'The run asks again by itself; if that goes on, check the way from the VPC to EC2 (endpoint or NAT).',
      cause,
    });
  }
}
