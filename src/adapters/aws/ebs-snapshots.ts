import {
  CreateSnapshotCommand,
  CreateSnapshotsCommand,
  DeleteSnapshotCommand,
  DescribeSnapshotsCommand,
  type EC2Client,
  type Filter,
  paginateDescribeSnapshots,
  type Snapshot,
  type TagSpecification,
} from '@aws-sdk/client-ec2';
import type {
  OwnedSnapshots,
  SnapshotOwner,
  SnapshotProgress,
  SnapshotRequest,
  TakenSnapshot,
  VolumeSnapshots,
} from '../../application/ports/volume-snapshots.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { keptSnapshot, resourceTags, temporary } from '../../domain/names.ts';
import type { PlannedVolume } from '../../domain/run.ts';
import type { DeploymentSettings } from '../../domain/settings.ts';
import { isKeyTrouble } from '../../domain/stopped-worker.ts';
import type { EbsVolumes } from './ebs-volumes.ts';
import { askAboutSource as ask, keyUnavailable } from './ec2-errors.ts';

export interface EbsSnapshotsOptions {
  readonly client: EC2Client;
  /** One that sends each request once: CreateSnapshot has no token, and sent twice makes two. */
  readonly creatingClient: EC2Client;
  readonly stage: string;
  /** Only for who looks for volumes or takes snapshots. */
  readonly volumes?: EbsVolumes;
}

/** A snapshot as EC2 describes it once it has an id. */
type KnownSnapshot = Snapshot & { readonly SnapshotId: string; readonly VolumeId: string };

const gibibyte = 1024 ** 3;
/** CreateSnapshots takes so many volumes to leave out. */
const mostExcluded = 40;

/** Snapshots of EBS volumes, found again by their tags: stage, run and part. */
export class EbsSnapshots implements VolumeSnapshots {
  readonly #options: EbsSnapshotsOptions;

  constructor(options: EbsSnapshotsOptions) {
    this.#options = options;
  }

  async find(deployment: DeploymentSettings, member: string): Promise<PlannedVolume | undefined> {
    return this.#options.volumes?.find(deployment, member);
  }

  /** Nobody can look into a volume that is not mounted here: who copies its files compares them (`copy-files`). */
  openedBy(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** A snapshot holds what was written to the volumes when the call was made; of several volumes at one instant. */
  async create(request: SnapshotRequest, signal?: AbortSignal): Promise<TakenSnapshot> {
    const { volume } = request;
    try {
      const made =
        volume.volumes.length === 1 ? await this.#createOne(request, signal) : await this.#createSet(request, signal);
      return await this.#taken(volume, made);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  async adopt(request: SnapshotRequest, since: string): Promise<TakenSnapshot | undefined> {
    const found = await this.#ofOwner(request);
    const wanted = request.volume.volumes;
    const [first] = found;
    // A set is of one call: its halves of two calls are of two instants.
    const whole =
      found.length === wanted.length &&
      wanted.every((id) => found.some(({ VolumeId }) => VolumeId === id)) &&
      found.every(({ State, StartTime }) => State !== 'error' && StartTime?.getTime() === first?.StartTime?.getTime());
    const later = first?.StartTime !== undefined && first.StartTime.getTime() >= Date.parse(since);
    return whole && later ? this.#taken(request.volume, found) : undefined;
  }

  /** @throws SnapshotFailed, VolumeKeyUnavailable with the words of EBS */
  async look(owner: SnapshotOwner, taken: TakenSnapshot): Promise<SnapshotProgress> {
    const what = `The snapshot of ${owner.part} of run ${owner.runId}`;
    const ids = taken.snapshots.map(({ id }) => id);
    const call = this.#options.client.send(new DescribeSnapshotsCommand({ SnapshotIds: ids }));
    const { Snapshots = [] } = await ask(call, {
      action: 'ec2:DescribeSnapshots',
      on: `${ids.join(', ')} of ${owner.runId}`,
    });
    const gone = ids.filter((id) => !Snapshots.some(({ SnapshotId }) => SnapshotId === id));
    if (gone.length > 0) throw new HoldfastError('SnapshotFailed', `${what} is gone: ${gone.join(', ')}.`);
    for (const snapshot of Snapshots) requireSound(what, snapshot);
    const percents = Snapshots.map(({ Progress = '' }) => Number.parseInt(Progress, 10));
    return {
      state: Snapshots.every(({ State }) => State === 'completed') ? 'completed' : 'pending',
      percent: percents.some(Number.isNaN) ? null : Math.min(...percents),
      layout: null,
      snapshots: taken.snapshots,
    };
  }

  async delete(owner: SnapshotOwner): Promise<void> {
    await this.discard((await this.#ofOwner(owner)).map(({ SnapshotId }) => SnapshotId));
  }

  async discard(ids: readonly string[]): Promise<void> {
    for (const SnapshotId of ids) {
      const call = this.#options.client.send(new DeleteSnapshotCommand({ SnapshotId }));
      await ask(call, { action: 'ec2:DeleteSnapshot', on: SnapshotId }, ['InvalidSnapshot.NotFound']);
    }
  }

  async list(): Promise<OwnedSnapshots[]> {
    const { stage } = this.#options;
    const found = await this.#described([{ Name: `tag:${resourceTags.stage}`, Values: [stage] }], `stage ${stage}`);
    const owners = new Map<string, OwnedSnapshots>();
    for (const { SnapshotId: id, VolumeId: volume, StartTime: startedAt, Tags = [] } of found) {
      const tag = (key: string) => Tags.find(({ Key }) => Key === key)?.Value;
      const [runId, part] = [tag(resourceTags.run), tag(resourceTags.part)];
      // Without its tags nobody can tell whose it is.
      if (runId === undefined || part === undefined) continue;
      const known = owners.get(`${runId} ${part}`);
      const kept = tag(resourceTags.purpose) !== temporary || known?.kept === true;
      const snapshots = [...(known?.snapshots ?? []), { id, volume, startedAt }];
      owners.set(`${runId} ${part}`, { runId, part, kept, snapshots });
    }
    return [...owners.values()];
  }

  async #createOne(request: SnapshotRequest, signal: AbortSignal | undefined): Promise<Snapshot[]> {
    const command = new CreateSnapshotCommand({
      VolumeId: request.volume.volumes[0],
      ...this.#marks(request),
    });
    const call = this.#options.creatingClient.send(command, abortedBy(signal));
    return [await ask(call, { action: 'ec2:CreateSnapshot', on: whatOf(request) })];
  }

  async #createSet(request: SnapshotRequest, signal: AbortSignal | undefined): Promise<Snapshot[]> {
    const { volume, member } = request;
    const command = new CreateSnapshotsCommand({
      InstanceSpecification: { InstanceId: volume.instance ?? '', ...(await this.#excluded(volume, member, signal)) },
      ...this.#marks(request),
    });
    const call = this.#options.creatingClient.send(command, abortedBy(signal));
    const { Snapshots = [] } = await ask(call, { action: 'ec2:CreateSnapshots', on: whatOf(request) });
    const wrong = Snapshots.filter(({ VolumeId = '' }) => !volume.volumes.includes(VolumeId));
    if (Snapshots.length === volume.volumes.length && wrong.length === 0) return Snapshots;
    throw new HoldfastError(
      'SnapshotFailed',
      `EC2 snapshotted ${Snapshots.map(({ VolumeId }) => VolumeId).join(', ') || 'nothing'} instead of ${volume.volumes.join(', ')} of ${member}: volumes were attached or detached meanwhile.`,
    );
  }

  /** What of the instance is not the member's data, as it is attached now. @throws VolumeLayoutUnsupported */
  async #excluded(volume: PlannedVolume, member: string, signal: AbortSignal | undefined) {
    const { volumes } = this.#options;
    if (volumes === undefined || volume.instance === null)
      throw new HoldfastError('Internal', 'a set of volumes is snapshotted without an instance');
    const { BlockDeviceMappings = [], RootDeviceName } = await volumes.instance(volume.instance, signal);
    const attached = BlockDeviceMappings.map(({ DeviceName, Ebs }) => ({ id: Ebs?.VolumeId ?? '', DeviceName }));
    const missing = volume.volumes.filter((wanted) => !attached.some(({ id }) => id === wanted));
    if (missing.length > 0)
      throw new HoldfastError(
        'VolumeNotFound',
        `${missing.join(', ')} of ${member} is not attached to ${volume.instance} any more.`,
      );
    const others = attached.filter(({ id }) => !volume.volumes.includes(id));
    const data = others.filter(({ DeviceName }) => DeviceName !== RootDeviceName).map(({ id }) => id);
    if (data.length > mostExcluded)
      throw new HoldfastError(
        'VolumeLayoutUnsupported',
        `${volume.instance} has ${data.length} volumes that are not the data of ${member}, and EC2 leaves out ${mostExcluded} at most.`,
        { next: 'Put the data on one volume, or ask for the method logical.' },
      );
    return {
      ExcludeBootVolume: others.some(({ DeviceName }) => DeviceName === RootDeviceName),
      ...(data.length > 0 && { ExcludeDataVolumeIds: data }),
    };
  }

  #marks(request: SnapshotRequest): { Description: string; TagSpecifications: TagSpecification[] } {
    const { runId, part, deployment, member, keep } = request;
    const tags = {
      Name: `holdfast ${deployment} ${part}`,
      [resourceTags.stage]: this.#options.stage,
      [resourceTags.deployment]: deployment,
      [resourceTags.run]: runId,
      [resourceTags.part]: part,
      [resourceTags.purpose]: keep ? keptSnapshot : temporary,
    };
    return {
      Description: `Holdfast: ${member} of ${deployment}, run ${runId}`.slice(0, 255),
      TagSpecifications: [
        { ResourceType: 'snapshot', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) },
      ],
    };
  }

  async #ofOwner({ runId, part }: SnapshotOwner): Promise<KnownSnapshot[]> {
    const Filters = [
      { Name: `tag:${resourceTags.stage}`, Values: [this.#options.stage] },
      { Name: `tag:${resourceTags.run}`, Values: [runId] },
      { Name: `tag:${resourceTags.part}`, Values: [part] },
    ];
    return this.#described(Filters, `${part} of run ${runId}`);
  }

  /** @param whose for people */
  async #described(Filters: Filter[], whose: string): Promise<KnownSnapshot[]> {
    const { client } = this.#options;
    const everyPage = async () => {
      const found: KnownSnapshot[] = [];
      const pages = paginateDescribeSnapshots({ client, pageSize: 500 }, { OwnerIds: ['self'], Filters });
      for await (const { Snapshots = [] } of pages) found.push(...Snapshots.filter(isKnown));
      return found;
    };
    return ask(everyPage(), { action: 'ec2:DescribeSnapshots', on: `the snapshots of ${whose}` });
  }

  async #taken({ filesystem, dataPath }: PlannedVolume, made: readonly Snapshot[]): Promise<TakenSnapshot> {
    const [first] = made;
    const snapshots = made.map(({ SnapshotId = '', VolumeId = '', VolumeSize }) => ({
      ...{ id: SnapshotId, volume: VolumeId },
      bytes: VolumeSize === undefined ? null : VolumeSize * gibibyte,
    }));
    return {
      ...{ type: 'ebs', filesystem, dataPath },
      snapshots: snapshots.sort((a, b) => (a.volume < b.volume ? -1 : 1)),
      takenAt: (first?.StartTime ?? new Date()).toISOString(),
      region: await this.#options.client.config.region(),
      ...(first?.OwnerId !== undefined && { account: first.OwnerId }),
    };
  }
}

const whatOf = ({ volume, member }: SnapshotRequest): string => `${volume.volumes.join(', ')} of ${member}`;

const abortedBy = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });

function isKnown(snapshot: Snapshot): snapshot is KnownSnapshot {
  return snapshot.SnapshotId !== undefined && snapshot.VolumeId !== undefined;
}

function requireSound(what: string, { SnapshotId = '', State, StateMessage = 'no reason given' }: Snapshot): void {
  if (State !== 'error') return;
  if (isKeyTrouble(StateMessage)) throw keyUnavailable(what, `${SnapshotId}: ${StateMessage}`);
  throw new HoldfastError('SnapshotFailed', `${what} failed: ${SnapshotId}: ${StateMessage}.`);
}
