import { CreateVpcCommand, DescribeVolumesCommand, DetachVolumeCommand } from '@aws-sdk/client-ec2';
import { describe, expect, it } from 'vitest';
import { type Ec2World, type Tags, zone } from './ec2-world.ts';

let runs = 0;
const newRun = (): string => `restore-${(runs += 1)}`;
const tagsOf = (run: string, more: Tags = {}): Tags => ({
  ...{ 'holdfast:stage': 'prod', 'holdfast:run': run, 'holdfast:part': 'rs0', 'holdfast:attempt': '1', ...more },
});
const unfinished = { 'holdfast:unfinished': 'true' };

export function describeEc2RestoreVolumes(world: () => Ec2World): void {
  describe('the volume of a restore', () => {
    it('is listed by its tags until it is let go, and then no more', async () => {
      const { restores, admin } = world();
      const run = newRun();
      const id = await world().makeVolume(tagsOf(run, unfinished));
      await world().makeVolume({ ...tagsOf(run, unfinished), 'holdfast:stage': 'other' });
      const made = { id, runId: run, part: 'rs0', attempt: 1, zone, state: 'available', attachedTo: null };
      expect(await restores.list(run)).toEqual([{ ...made, fastRestored: false, unfinished: true }]);
      const listed = async () => (await restores.list()).filter(({ runId }) => runId === run);
      expect(await listed()).toHaveLength(1);
      await restores.release(id);
      expect(await listed()).toEqual([]);
      expect(await restores.list(run)).toMatchObject([{ id, unfinished: false }]);
      const { Volumes = [] } = await admin.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
      expect(Volumes[0]?.Tags).toHaveLength(Object.keys(tagsOf(run)).length);
    });

    it('is attached, stays then, and is gone when it is deleted, however often', async () => {
      const { restores, admin } = world();
      const run = newRun();
      const id = await world().makeVolume(tagsOf(run, unfinished));
      const { InstanceId: instance } = await world().runInstance({ 'holdfast:stage': 'prod' });
      await restores.attach(id, { instance, device: '/dev/sdf' });
      const attachedTo = { instance, device: '/dev/sdf', attached: true };
      expect(await restores.list(run)).toMatchObject([{ state: 'in-use', attachedTo }]);
      expect(await restores.findInstance(instance)).toMatchObject({
        ...{ zone, state: 'running', ofStage: true, devices: expect.arrayContaining(['/dev/sdf']) as string[] },
      });
      expect(await restores.delete(id)).toBe(false);
      await admin.send(new DetachVolumeCommand({ VolumeId: id, InstanceId: instance, Device: '/dev/sdf' }));
      expect(await restores.delete(id)).toBe(true);
      expect(await restores.delete(id)).toBe(true);
      expect(await restores.zoneOfVolume(id)).toBeUndefined();
    });

    it('is deleted though the answer to that is lost, and left while it is being made', async () => {
      const { restores, front } = world();
      const id = await world().makeVolume(tagsOf(newRun(), unfinished));
      front.refuse('DeleteVolume', { code: 'IncorrectState', message: `${id} is 'creating'.` });
      expect(await restores.delete(id)).toBe(false);
      front.lose('DeleteVolume');
      expect(await restores.delete(id)).toBe(true);
      expect(front.count('DeleteVolume')).toBe(3);
    });

    it.each([
      [
        'InvalidVolume.ZoneMismatch',
        400,
        "is not in the same availability zone as instance 'i-1'",
        'TargetNotSuitable',
      ],
      ['IncorrectState', 400, "vol-1 is not 'available'.", 'TargetNotSuitable'],
      ['AttachmentLimitExceeded', 400, 'the limit of volumes', 'QuotaReached'],
      ['UnauthorizedOperation', 403, 'You are not authorized to perform this operation.', 'PermissionDenied'],
    ])('%s (%i) is no reason to attach it again: %s is %s', async (code, status, message, name) => {
      const { restores, front } = world();
      front.refuse('AttachVolume', { code, status, message });
      await expect(restores.attach('vol-1', { instance: 'i-1', device: '/dev/sdf' })).rejects.toMatchObject({
        ...{ name, retryable: false },
        message: `EC2 refused ec2:AttachVolume on vol-1 for i-1 as /dev/sdf: ${code}: ${message}`,
      });
    });
  });

  describe('a volume that was only to be read', () => {
    it('is listed by its purpose', async () => {
      const { restores } = world();
      const run = newRun();
      const temporary = { 'holdfast:purpose': 'temporary' };
      const id = await world().makeVolume({ 'holdfast:stage': 'prod', 'holdfast:run': run, ...temporary });
      await world().makeVolume({ 'holdfast:stage': 'other', 'holdfast:run': run, ...temporary });
      await world().makeVolume({ 'holdfast:stage': 'prod', ...temporary });
      expect((await restores.listTemporary()).filter(({ runId }) => runId === run)).toEqual([
        { id, runId: run, state: 'available' },
      ]);
    });
  });

  describe('what the plan of a restore looks at', () => {
    it('is there, or not', async () => {
      const { restores } = world();
      const volume = await world().makeVolume({}, { encrypted: true });
      const snapshot = await world().makeSnapshot(volume, {});
      expect(await restores.zoneOfVolume(volume)).toBe(zone);
      expect(await restores.findSnapshot(snapshot)).toMatchObject({
        state: 'completed',
        sizeGiB: 2,
        storedBytes: null,
      });
      expect(await restores.findSnapshot('snap-00000000000000000')).toBeUndefined();
      expect(await restores.findInstance('i-00000000000000000')).toBeUndefined();
    });

    it('are zones by subnets, of which each must be there', async () => {
      const { restores, front, admin } = world();
      const { Vpc } = await admin.send(new CreateVpcCommand({ CidrBlock: '10.9.0.0/16' }));
      const a = await world().makeSubnet('eu-central-1a', Vpc?.VpcId ?? '', '10.9.1.0/24');
      const b = await world().makeSubnet('eu-central-1b', Vpc?.VpcId ?? '', '10.9.2.0/24');
      expect(await restores.zonesOf([a, b])).toEqual({ 'eu-central-1a': a, 'eu-central-1b': b });
      await expect(restores.zonesOf([a, 'subnet-00000000000000000'])).rejects.toMatchObject({
        ...{ name: 'InvalidConfig', next: expect.stringContaining('network.privateSubnetIds') as string },
      });
      front.refuse('DescribeSubnets', { code: 'Unavailable', status: 503 }, 3);
      await expect(restores.zonesOf([a])).rejects.toMatchObject({ name: 'TargetUnreachable' });
    });
  });
}
