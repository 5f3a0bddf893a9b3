import { DescribeVolumesCommand, type Volume } from '@aws-sdk/client-ec2';
import { MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { findMongod } from '../../../local/servers/find-mongod.ts';
import { until } from '../../../local/servers/poll.ts';
import { startMongod } from '../../../src/adapters/process/mongod-process.ts';
import { stateKeys } from '../../../src/domain/names.ts';
import type { AwsStage } from './aws-stage.ts';

/** What a restore to a volume ends with. */
interface Restored {
  readonly volume: { readonly id: string; readonly zone: string; readonly attachment: unknown };
  readonly steps: readonly string[];
}

const tagsOf = ({ Tags = [] }: Volume): Record<string, string> =>
  Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [Key, Value]));

/** Restores to volumes, on a stage whose `backupId` is a backup of 500 orders. */
export function describeVolumeRestores(world: () => { readonly stage: AwsStage; readonly backupId: string }): void {
  const restore = (runId: string, volume: object, more: object = {}) => {
    const { stage, backupId } = world();
    return stage.startExecution('restore', runId, { backup: backupId, to: 'volume', volume, ...more });
  };
  const volumesOf = async (runId: string) =>
    (await world().stage.ec2.volumes()).filter((volume) => tagsOf(volume)['holdfast:run'] === runId);

  describe('a restore to a volume', () => {
    it('says first what it would make, how long that takes and what it costs', async () => {
      const { stage } = world();
      const result = await restore('volume-dry', { zone: 'eu-central-1b' }, { dryRun: true }).result;
      expect(result, stage.allLogs()).toMatchObject({
        status: 'SUCCEEDED',
        output: {
          status: 'planned',
          volume: { zone: 'eu-central-1b', subnet: 'subnet-0123456789abcdef1', mongodbVersion: '6.0.5', sizeGiB: 1 },
          estimate: { currency: 'USD', pricesDate: expect.any(String) as string },
        },
      });
      expect(await volumesOf('volume-dry')).toEqual([]);
      expect(await stage.bucket('State').head(stateKeys.settled('volume-dry'))).toBeDefined();
    });

    it('makes one that stays, in the zone of the instance, attaches it there, and says what remains', async () => {
      const { stage } = world();
      const instance = await stage.ec2.runInstance('eu-central-1b', { 'holdfast:stage': 'test' });
      const attach = { instance, device: '/dev/sdf' };
      const result = await restore('volume-1', { attach, sizeGiB: 8, iops: 3_500 }).result;
      expect(result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
      const { volume, steps } = (result as unknown as { output: Restored }).output;
      expect(volume).toMatchObject({ zone: 'eu-central-1b', attachment: { ...attach, attached: true, problem: null } });
      const [made, ...others] = await volumesOf('volume-1');
      expect(others).toEqual([]);
      expect(made).toMatchObject({
        ...{ VolumeId: volume.id, Size: 8, VolumeType: 'gp3', Encrypted: true, AvailabilityZone: 'eu-central-1b' },
        Attachments: [{ InstanceId: instance, Device: '/dev/sdf' }],
      });
      expect(made && tagsOf(made)).toMatchObject({ 'holdfast:stage': 'test', 'holdfast:part': 'rs0' });
      expect(Object.keys((made && tagsOf(made)) ?? {})).not.toContain('holdfast:unfinished');
      expect(steps.join('\n')).toMatch(new RegExp(`^Mount it .*${volume.id.replace('-', '')}`));
      expect(await ordersIn(stage.ec2.folderOf(volume.id))).toBe(500);
    });

    it('leaves none when it is cancelled', async () => {
      const { stage } = world();
      const execution = restore('volume-2', { zone: 'eu-central-1a' });
      await until('its volume is made', async () => ((await volumesOf('volume-2')).length > 0 ? true : undefined));
      await stage.bucket('State').put(stateKeys.cancel('volume-2'), Buffer.from('{}'));
      expect(await execution.result, stage.allLogs()).toMatchObject({ status: 'FAILED', error: 'Cancelled' });
      await until('its volume is gone', async () => {
        await stage.invoke('sweep-runs', {});
        return (await volumesOf('volume-2')).length === 0 ? true : undefined;
      });
      // What was let go is nobody's to sweep.
      expect(await volumesOf('volume-1')).toHaveLength(1);
    });

    it.each([
      [{}, 'InvalidInput', /nothing tells which zone.*eu-central-1a, eu-central-1b/],
      [{ zone: 'eu-central-1c' }, 'InvalidInput', /no subnet in eu-central-1c/],
      [{ attach: { instance: 'i-0123456789abcdef0', device: '/dev/sdf' } }, 'TargetNotSuitable', /no instance i-0123/],
      [{ initialization: 'fast', zone: 'eu-central-1a' }, 'InvalidInput', /no blocks of a snapshot to load/],
    ])('is refused before anything is made: %j', async (volume, error, cause) => {
      const runId = `volume-${Math.random().toString(36).slice(2)}`;
      const result = await restore(runId, volume).result;
      expect(result).toMatchObject({ status: 'FAILED', error, cause: expect.stringMatching(cause) as string });
      expect(await volumesOf(runId)).toEqual([]);
    });

    it('shows its volumes to EC2 as they are', async () => {
      const { stage } = world();
      const { Volumes = [] } = await stage.ec2.client.send(new DescribeVolumesCommand({}));
      expect(Volumes.filter((volume) => 'holdfast:unfinished' in tagsOf(volume))).toEqual([]);
    });
  });
}

/** Counts the orders by a mongod that is started on the files. */
export async function ordersIn(dbPath: string): Promise<number> {
  const { path: mongod } = await findMongod();
  const server = await startMongod({ mongod, dbPath });
  const client = new MongoClient(`mongodb://${server.host}/?directConnection=true`);
  try {
    return await client.db('shop').collection('orders').countDocuments();
  } finally {
    await client.close();
    await server.stop();
  }
}
