import { CreateTagsCommand, DescribeSnapshotsCommand, type Snapshot } from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/domain/manifest.ts';
import { artifactKeys, stateKeys } from '../../../src/domain/names.ts';
import type { AwsStage } from './aws-stage.ts';
import { account, region } from './template.ts';
import { ordersIn } from './volume-restore-suite.ts';

export interface SnapshottedMember {
  readonly stage: AwsStage;
  /** A member that may be read, and nobody writes to the set meanwhile but the set itself. */
  readonly member: { readonly host: string; readonly dbPath: string; readonly pid: number };
}

/** Backups by snapshots of a member's volume, on a stage that finds it by the tag `holdfast:data`. */
export function describeSnapshotBackups(world: () => SnapshottedMember): void {
  const ofRun = async (run: string): Promise<Snapshot[]> => {
    const Filters = [{ Name: 'tag:holdfast:run', Values: [run] }];
    return (await world().stage.ec2.client.send(new DescribeSnapshotsCommand({ Filters }))).Snapshots ?? [];
  };
  const manifestOf = async (result: unknown): Promise<Manifest> => {
    const { backupId } = (result as { output: { backupId: string } }).output;
    const key = artifactKeys.manifest('orders', backupId);
    const { body } = await world().stage.bucket('Artifacts', 'holdfast/').get(key);
    return JSON.parse(body.toString('utf8')) as Manifest;
  };
  let volume: string;

  describe('a backup by snapshots', () => {
    beforeAll(async () => {
      const { stage, member } = world();
      ({ volume } = await stage.ec2.makeMemberVolume({ 'holdfast:data': 'orders' }, member));
    });

    it('copies the files of a volume that is made from the snapshot, and deletes both', async () => {
      const { stage, member } = world();
      const input = { deployment: 'orders', method: 'physical' };
      const result = await stage.startExecution('backup', 'physical-1', input).result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'physical' } });
      const [part] = (await manifestOf(result)).parts;
      expect(part?.base).toMatchObject({
        ...{ method: 'physical', member: member.host },
        snapshot: { type: 'ebs', filesystem: 'ext4', region, consistency: 'crash', lockSeconds: null },
      });
      expect(part?.base.method === 'physical' && part.base.snapshot.snapshots[0]).toMatchObject({ volume });
      expect(await ofRun('physical-1')).toEqual([]);
      expect(await stage.ec2.volumesOf('physical-1')).toEqual([]);
      expect(await stage.bucket('State').head(stateKeys.task('physical-1', 'copy-files-rs0-1'))).toBeDefined();
    });

    it('is restored to a volume, to the document', async () => {
      const { stage } = world();
      const input = { backup: 'orders', to: 'volume', volume: { zone: 'eu-central-1a' } };
      const result = await stage.startExecution('restore', 'physical-restore', input).result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
      const { id } = (result as unknown as { output: { volume: { id: string } } }).output.volume;
      expect(await ordersIn(stage.ec2.folderOf(id))).toBe(500);
    });

    it('keeps no snapshot of a volume that only its tags and an address lead to', async () => {
      const { stage } = world();
      const input = { deployment: 'orders', method: 'snapshot' };
      const result = await stage.startExecution('backup', 'snapshot-0', input).result;
      expect(result).toMatchObject({ status: 'FAILED', error: 'VolumeLayoutUnsupported' });
    });

    it('keeps the snapshot itself of one that names its member, with everything that finds it again in the manifest', async () => {
      const { stage, member } = world();
      const Tags = [{ Key: 'holdfast:member', Value: member.host }];
      await stage.ec2.client.send(new CreateTagsCommand({ Resources: [volume], Tags }));
      const input = { deployment: 'orders', method: 'snapshot' };
      const result = await stage.startExecution('backup', 'snapshot-1', input).result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { method: 'snapshot' } });
      const [kept, ...others] = await ofRun('snapshot-1');
      expect(others).toEqual([]);
      expect(kept?.Tags).toContainEqual({ Key: 'holdfast:purpose', Value: 'base' });
      expect((await manifestOf(result)).parts[0]?.base).toMatchObject({
        ...{ method: 'snapshot', layout: null },
        snapshot: { account, region, snapshots: [{ id: kept?.SnapshotId, volume, bytes: 1024 ** 3 }] },
      });
    });

    it('leaves no volume that ECS should have deleted with its task', async () => {
      const { stage } = world();
      const id = await stage.ec2.makeLostVolume({
        ...{ 'holdfast:stage': 'test', 'holdfast:run': 'physical-1', 'holdfast:part': 'rs0' },
        'holdfast:purpose': 'temporary',
      });
      expect(await stage.invoke('sweep-runs', { source: 'aws.events' })).toMatchObject({
        ...{ settledVolumes: [id], problems: [] },
      });
      expect(await stage.ec2.volumesOf('physical-1')).toEqual([]);
    });

    it('that fails leaves no snapshot', async () => {
      const { stage } = world();
      stage.ec2.snapshots.failing = 'InvalidVolume.NotFound';
      try {
        const input = { deployment: 'orders', method: 'snapshot' };
        const result = await stage.startExecution('backup', 'snapshot-2', input).result;
        expect(result).toMatchObject({ status: 'FAILED', error: 'VolumeNotFound' });
      } finally {
        stage.ec2.snapshots.failing = undefined;
      }
      expect(await ofRun('snapshot-2')).toEqual([]);
    });
  });
}
