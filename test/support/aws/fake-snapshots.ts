import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateSnapshotCommand,
  DescribeVolumesCommand,
  type EC2Client,
  type Snapshot,
  type Volume,
} from '@aws-sdk/client-ec2';
import { makeOwnDirectory } from '../../../local/servers/reaper.ts';
import { AwsError, type FakeAws } from './fake-aws.ts';
import type { AuthorizedRequest } from './role-policies.ts';
import { account, region } from './template.ts';

/** A member whose data lies on a volume. */
export interface MemberData {
  readonly dbPath: string;
  readonly pid: number;
}

/** Of a request to EC2. */
type Parameters = Readonly<Record<string, string>>;

/** Snapshots of members' volumes: made in moto, with a copy of the member's files for the content of each. */
export class FakeSnapshots {
  /** What mongod writes to volumes, by their ids. */
  readonly members = new Map<string, MemberData>();
  /** Content of snapshots, by their ids. */
  readonly folders = new Map<string, string>();
  /** The error that every CreateSnapshot ends with, after it has made one. */
  failing: string | undefined;
  /** Is waited for before the answer to who took a snapshot, which is made by then. */
  onTaken: () => unknown = () => undefined;
  /** How often snapshots are looked at before they are whole. */
  pendingLooks = 0;
  readonly #client: EC2Client;

  constructor(aws: FakeAws, client: EC2Client) {
    this.#client = client;
    aws.answers.set('ec2:CreateSnapshot', (body) => this.#snapshot(body as Parameters));
    aws.answers.set('ec2:CreateSnapshots', (body) => this.#snapshotSet(body as Parameters));
    // Nobody has switched it on; moto does not know it.
    const none =
      '<DescribeFastSnapshotRestoresResponse><fastSnapshotRestoreSet/></DescribeFastSnapshotRestoresResponse>';
    aws.answers.set('ec2:DescribeFastSnapshotRestores', () => none);
    aws.ec2Reply = (action, xml) => {
      // Every member runs on this machine.
      if (action === 'ec2:DescribeInstances')
        return xml.replace(/<privateIpAddress>[^<]*</g, '<privateIpAddress>127.0.0.1<');
      const isLook = action === 'ec2:DescribeSnapshots' && xml.includes('<snapshotId>');
      if (!isLook || this.pendingLooks === 0) return xml;
      this.pendingLooks -= 1;
      return xml.replaceAll('<status>completed</status>', '<status>pending</status>');
    };
  }

  async #snapshot(parameters: Parameters): Promise<string> {
    const { VolumeId = '' } = parameters;
    if (!this.members.has(VolumeId)) throw new AwsError('InvalidVolume.NotFound', `no volume ${VolumeId}`);
    const TagSpecifications = [{ ResourceType: 'snapshot' as const, Tags: tagsIn(parameters) }];
    const made = await this.#client.send(new CreateSnapshotCommand({ VolumeId, TagSpecifications }));
    if (this.failing !== undefined) throw new AwsError(this.failing, 'as the test wants it');
    await this.#keepContent([made]);
    await this.onTaken();
    return `<CreateSnapshotResponse>${describeSnapshot(made)}</CreateSnapshotResponse>`;
  }

  /** The volumes of an instance but those that are excluded. */
  async volumesToSnapshot(parameters: Parameters): Promise<Volume[]> {
    const { 'InstanceSpecification.InstanceId': InstanceId = '' } = parameters;
    const { Volumes = [] } = await this.#client.send(
      new DescribeVolumesCommand({ Filters: [{ Name: 'attachment.instance-id', Values: [InstanceId] }] }),
    );
    const excluded = Object.entries(parameters).flatMap(([key, id]) => (key.includes('ExcludeDataVolume') ? [id] : []));
    // The root device of moto's images.
    if (parameters['InstanceSpecification.ExcludeBootVolume'] === 'true') excluded.push('/dev/sda1');
    return Volumes.filter(
      ({ VolumeId = '', Attachments = [] }) =>
        ![VolumeId, Attachments[0]?.Device ?? ''].some((one) => excluded.includes(one)),
    );
  }

  /** Of several volumes at one instant. */
  async #snapshotSet(parameters: Parameters): Promise<string> {
    const wanted = await this.volumesToSnapshot(parameters);
    const TagSpecifications = [{ ResourceType: 'snapshot' as const, Tags: tagsIn(parameters) }];
    const made = await Promise.all(
      wanted.map(({ VolumeId }) => this.#client.send(new CreateSnapshotCommand({ VolumeId, TagSpecifications }))),
    );
    await this.#keepContent(made);
    const items = made.map((one) => `<item>${describeSnapshot(one)}</item>`).join('');
    return `<CreateSnapshotsResponse><snapshotSet>${items}</snapshotSet></CreateSnapshotsResponse>`;
  }

  /** The files of volumes as they are at one instant: the process that writes them stands still meanwhile. */
  async #keepContent(
    made: readonly { readonly SnapshotId?: string | undefined; readonly VolumeId?: string | undefined }[],
  ): Promise<void> {
    const members = made.flatMap(({ SnapshotId = '', VolumeId = '' }) => {
      const data = this.members.get(VolumeId);
      return data === undefined ? [] : [{ SnapshotId, data }];
    });
    const processes = new Set(members.map(({ data }) => data.pid));
    for (const pid of processes) process.kill(pid, 'SIGSTOP');
    try {
      for (const { SnapshotId, data } of members) {
        const folder = join(await makeOwnDirectory('snapshot'), SnapshotId);
        await cp(data.dbPath, folder, { recursive: true });
        this.folders.set(SnapshotId, folder);
      }
    } finally {
      for (const pid of processes) process.kill(pid, 'SIGCONT');
    }
  }
}

/** A snapshot that does not exist yet: what IAM is asked about it, and about its tags. */
export function snapshotToMake(action: string, parameters: Parameters): AuthorizedRequest[] {
  const context = Object.fromEntries(tagsIn(parameters).map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value]));
  const resource = `arn:aws:ec2:${region}::snapshot/snap-new`;
  return [
    { action, resource, context },
    { action: 'ec2:CreateTags', resource, context: { ...context, 'ec2:CreateAction': action.replace('ec2:', '') } },
  ];
}

function tagsIn(parameters: Parameters): { Key: string; Value: string }[] {
  return Object.entries(parameters).flatMap(([key, Key]) =>
    /^TagSpecification\.1\.Tag\.\d+\.Key$/.test(key)
      ? [{ Key, Value: parameters[key.replace(/Key$/, 'Value')] ?? '' }]
      : [],
  );
}

function describeSnapshot({ SnapshotId = '', VolumeId = '', StartTime = new Date() }: Snapshot): string {
  const answer = { snapshotId: SnapshotId, volumeId: VolumeId, status: 'pending', volumeSize: 1, ownerId: account };
  const items = Object.entries({ ...answer, startTime: StartTime.toISOString() });
  return items.map(([name, text]) => `<${name}>${text}</${name}>`).join('');
}
