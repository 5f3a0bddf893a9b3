import { DescribeSnapshotsCommand, DescribeVolumesCommand, type Snapshot } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { manifestSchema } from '../../src/domain/manifest.ts';
import { artifactKeys } from '../../src/domain/names.ts';
import { settingsSchema } from '../../src/domain/settings.ts';
import { compareGrants } from '../support/aws/compare-grants.ts';
import { type StagedSet, startStagedSet } from '../support/aws/staged-set.ts';
import { stageSettings } from '../support/aws/synthesise.ts';
import { ordersIn } from '../support/aws/volume-restore-suite.ts';
import { createUserWithRole } from '../support/backup-user.ts';

const { orders } = stageSettings.deployments;
const dataOf = (name: string) => ({ tags: { 'holdfast:data': name }, filesystem: 'ext4' });
/** Beside the set's own: the same set with its data on several volumes, and a standalone. */
const settings = settingsSchema.parse({
  ...stageSettings,
  deployments: {
    ...stageSettings.deployments,
    spread: { ...orders, name: 'spread', method: undefined, ebs: dataOf('spread'), oplogArchive: undefined },
    ledger: { ...orders, name: 'ledger', method: undefined, ebs: dataOf('ledger'), oplogArchive: undefined },
  },
});

let world: StagedSet;
let standalone: StandaloneServer;

beforeAll(async () => {
  standalone = await startStandalone({ auth: true });
  await createUserWithRole(standalone.client(), 'backup', undefined, 1);
  const entries = Array.from({ length: 300 }, (_, index) => ({ _id: index }));
  await standalone.client().db('shop').collection<{ _id: number }>('orders').insertMany(entries);
  world = await startStagedSet({
    settings,
    uris: (set) => ({ spread: set, ledger: standalone.uri }),
  });
  const { ec2 } = world.stage;
  const { dbPath, pid } = standalone.process;
  await ec2.makeMemberVolume({ 'holdfast:data': 'ledger', 'holdfast:member': standalone.host }, { dbPath, pid });
}, 480_000);
afterAll(async () => {
  await world.stop();
  await standalone.stop();
});

const member = () => {
  const [, hidden] = world.set.members;
  return { dbPath: hidden?.dbPath ?? '', pid: hidden?.pid ?? 0 };
};
/** What a volume is found by, and named by: no server tells where its data lies here. */
const tagsOf = (data: string) => ({ 'holdfast:data': data, 'holdfast:member': world.set.members[1]?.host ?? '' });
const snapshotsOf = async (run: string): Promise<Snapshot[]> => {
  const Filters = [{ Name: 'tag:holdfast:run', Values: [run] }];
  return (await world.stage.ec2.client.send(new DescribeSnapshotsCommand({ Filters }))).Snapshots ?? [];
};
const backUp = (name: string, input: object) => world.stage.startExecution('backup', name, input).result;
const restore = (name: string, input: object) => world.stage.startExecution('restore', name, input).result;
const idOf = (result: unknown) => (result as { output: { backupId: string } }).output.backupId;
const volumeOf = (result: unknown) => (result as { output: { volume: { id: string } } }).output.volume.id;
async function manifestOf(deployment: string, result: unknown) {
  const { body } = await world.stage
    .bucket('Artifacts', 'holdfast/')
    .get(artifactKeys.manifest(deployment, idOf(result)));
  return manifestSchema.parse(JSON.parse(body.toString('utf8')));
}

describe('a set with its data on one volume', () => {
  let kept: string;

  it('is snapshotted, however long EBS takes for it', async () => {
    const { stage } = world;
    await stage.ec2.makeMemberVolume(tagsOf('orders'), member());
    stage.ec2.snapshots.pendingLooks = 2;
    const result = await backUp('kept-1', { deployment: 'orders', method: 'snapshot' });
    expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    const states = (stage.workflows.journals.get('kept-1')?.events ?? []).map((event) => JSON.stringify(event));
    expect(states.filter((event) => /WaitStateEntered.*Wait For Snapshot/.test(event))).toHaveLength(2);
    kept = idOf(result);
  });

  it.each([
    ['lazy', undefined],
    ['at a rate', { rate: 200 }],
  ])('has its kept snapshot recovered in place on a volume that is attached (%s)', async (how, initialization) => {
    const { stage } = world;
    const instance = await stage.ec2.runInstance('eu-central-1a', { 'holdfast:stage': 'test' });
    const attach = { instance, device: '/dev/sdg' };
    const volume = { attach, ...(initialization && { initialization }) };
    const result = await restore(`kept-restore-${how.replaceAll(' ', '-')}`, { backup: kept, to: 'volume', volume });
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: { volume: { zone: 'eu-central-1a', attachment: { ...attach, attached: true, problem: null } } },
    });
    const id = volumeOf(result);
    const { Volumes: [made] = [] } = await stage.ec2.client.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
    expect(made).toMatchObject({ SnapshotId: (await snapshotsOf('kept-1'))[0]?.SnapshotId });
    expect(made?.Attachments).toMatchObject([{ InstanceId: instance, Device: '/dev/sdg' }]);
    expect(await ordersIn(stage.ec2.folderOf(id))).toBe(500);
  });

  it('says how fast snapshot restore is switched on, and refuses without', async () => {
    const input = { backup: kept, to: 'volume', volume: { zone: 'eu-central-1a', initialization: 'fast' } };
    expect(await restore('kept-fast-dry', { ...input, dryRun: true })).toMatchObject({
      status: 'SUCCEEDED',
      output: {
        estimate: {
          assumptions: expect.arrayContaining([
            expect.stringMatching(/is off in eu-central-1a.*aws ec2 enable-fast-snapshot-restores/),
          ]) as string[],
        },
      },
    });
    expect(await restore('kept-fast', input)).toMatchObject({ status: 'FAILED', error: 'TargetNotSuitable' });
    expect(await world.stage.ec2.volumesOf('kept-fast')).toEqual([]);
  });

  it('has a physical base that becomes a volume of another size and type', async () => {
    const { stage } = world;
    const taken = await backUp('physical-1', { deployment: 'orders', method: 'physical' });
    expect(taken, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await snapshotsOf('physical-1')).toEqual([]);
    expect(await stage.ec2.volumesOf('physical-1')).toEqual([]);
    const volume = { zone: 'eu-central-1b', type: 'io2', sizeGiB: 4, iops: 1_000 };
    const result = await restore('physical-restore-1', { backup: idOf(taken), to: 'volume', volume });
    expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    const [made] = await stage.ec2.volumesOf('physical-restore-1');
    expect(made).toMatchObject({ Size: 4, VolumeType: 'io2', AvailabilityZone: 'eu-central-1b', Encrypted: true });
    expect(await ordersIn(stage.ec2.folderOf(volumeOf(result)))).toBe(500);
  });
});

describe('a set with data and journal on volumes of their own', () => {
  let instance: string;
  let volumes: string[];

  beforeAll(async () => {
    const { ec2 } = world.stage;
    const { dbPath, pid } = member();
    const data = await ec2.makeMemberVolume(tagsOf('spread'), { dbPath, pid });
    ({ instance } = data);
    const journal = { dbPath: `${dbPath}/journal`, pid };
    const more = await ec2.makeMemberVolume(tagsOf('spread'), journal, { instance, device: '/dev/sdh' });
    volumes = [data.volume, more.volume].sort();
    // Somebody else's, on the same instance.
    await ec2.makeMemberVolume({ other: 'yes' }, { dbPath, pid }, { instance, device: '/dev/sdi' });
  });

  it('is planned by collections where nothing else is asked for, and says why', async () => {
    const result = await backUp('spread-1', { deployment: 'spread' });
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'logical' } });
    const { body } = await world.stage.bucket('State').get('runs/spread-1/plan.json');
    expect(body.toString('utf8')).toMatch(/the data lies on 2 volumes, and a worker gets one/);
  });

  it('is refused as physical in the plan, with what to do instead', async () => {
    const result = await backUp('spread-2', { deployment: 'spread', method: 'physical' });
    expect(result).toMatchObject({
      ...{ status: 'FAILED', error: 'VolumeLayoutUnsupported' },
      cause: expect.stringMatching(/2 volumes/) as string,
    });
    expect(await snapshotsOf('spread-2')).toEqual([]);
  });

  it('is snapshotted at one instant, with its volumes and no others', async () => {
    const result = await backUp('spread-3', { deployment: 'spread', method: 'snapshot' });
    expect(result, world.stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'snapshot' } });
    const taken = await snapshotsOf('spread-3');
    expect(taken.map(({ VolumeId }) => VolumeId).sort()).toEqual(volumes);
    const [part] = (await manifestOf('spread', result)).parts;
    expect(part?.base).toMatchObject({
      snapshot: { snapshots: volumes.map((volume) => ({ volume, bytes: 1024 ** 3 })) },
    });
    const restored = await restore('spread-restore', {
      ...{ backup: idOf(result), to: 'volume', volume: { zone: 'eu-central-1a' } },
    });
    const refusal = {
      ...{ status: 'FAILED', error: 'TargetNotSuitable' },
      cause: expect.stringMatching(/lies on 2 volumes .*create-volume --snapshot-id/) as string,
    };
    expect(restored).toMatchObject(refusal);
    expect(await restore('spread-to-server', { backup: idOf(result), to: world.target.uri })).toMatchObject(refusal);
  });
});

describe('a standalone', () => {
  let backupId: string;

  it('is backed up by a snapshot, whatever is asked for', async () => {
    const { stage } = world;
    const result = await backUp('ledger-1', { deployment: 'ledger' });
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: { method: 'snapshot', restoreTime: null },
    });
    backupId = idOf(result);
    expect(await snapshotsOf('ledger-1')).toHaveLength(1);
    expect((await manifestOf('ledger', result)).parts).toMatchObject([{ point: null, oplog: null }]);
    expect(await backUp('ledger-2', { deployment: 'ledger', method: 'physical' })).toMatchObject({
      ...{ status: 'FAILED', error: 'MethodNotAvailable' },
    });
  });

  it('is restored to a volume, as it was', async () => {
    const { stage } = world;
    const input = { backup: backupId, to: 'volume', volume: { zone: 'eu-central-1a' } };
    const result = await restore('ledger-restore', input);
    expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await ordersIn(stage.ec2.folderOf(volumeOf(result)))).toBe(300);
    expect(await restore('ledger-at', { ...input, at: '2026-11-22T10:15:30Z' })).toMatchObject({
      ...{ status: 'FAILED', error: 'TimeNotRestorable' },
    });
  });

  it('is restored to a running server, as it was', async () => {
    const { stage, target } = world;
    const result = await restore('ledger-to-server', { backup: backupId, to: target.uri });
    expect(result, stage.allLogs()).toMatchObject({
      ...{ status: 'SUCCEEDED', output: { restoreTime: null, volume: null, target: target.host } },
    });
    expect(await target.client().db('shop').collection('orders').countDocuments()).toBe(300);
    expect(await stage.ec2.volumesOf('ledger-to-server')).toEqual([]);
  });
});

it('asks AWS for nothing that its roles do not allow, and for everything that these runs are there for', () => {
  const { refused, unused } = compareGrants(world.stage.template, world.stage.aws.calls, 'volumes');
  expect(refused).toEqual([]);
  expect(unused).toEqual([]);
});
