import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { describe, expect, it } from 'vitest';
import type { DeploymentSettings } from '../../src/domain/settings.ts';
import { deploymentSettings } from '../support/deployment-settings.ts';
import type { Ec2World } from './ec2-world.ts';

const member = 'db-3.internal:27017';
const ebs = { filesystem: 'ext4', dataPath: 'db' } as const;
const settings = (given: Partial<DeploymentSettings>): DeploymentSettings =>
  deploymentSettings({ uri: `mongodb://${member}/`, mongodbVersion: '6.0.5', ...given });

/** What a test's volumes are found by: moto keeps those of others. */
let marks = 0;
const mark = (): string => `mark-${(marks += 1)}`;

export function describeEbsVolumes(world: () => Ec2World): void {
  describe('the volume under a member', () => {
    it('is found by its id, encrypted or not, with the instance that has it', async () => {
      const { volumes } = world();
      const { instance, ids } = await world().makeMember(1, {}, { encrypted: true });
      const found = await volumes.find(settings({ volumes: { [member]: ids }, ebs }), member);
      expect(found).toMatchObject({
        ...{ type: 'ebs', volumes: ids, instance, filesystem: 'ext4', dataPath: 'db' },
        reason: `${ids[0]} of ${instance}, named under volumes`,
      });
      expect(found).not.toHaveProperty('unmountable');
    });

    it('is found by tags, which are no patterns', async () => {
      const name = mark();
      const { ids, address } = await world().makeMember(1, { data: `${name}-a*b?` });
      await world().makeMember(1, { data: `${name}-axbc` });
      world().hosts.set('db-3.internal', address);
      const given = settings({ ebs: { ...ebs, tags: { data: `${name}-a*b?` } } });
      const found = await world().volumes.find(given, member);
      expect(found).toMatchObject({
        volumes: ids,
        attached: { guess: { bytes: 2 * 1024 ** 3, instanceStore: expect.any(Boolean) as boolean } },
      });
    });

    it("is not another member's, which alone has the tags", async () => {
      const data = mark();
      const other = await world().makeMember(1, { data });
      const own = await world().makeMember(1);
      world().hosts.set('db-3.internal', own.address);
      await expect(world().volumes.find(settings({ ebs: { ...ebs, tags: { data } } }), member)).rejects.toMatchObject({
        name: 'VolumeNotFound',
        message: expect.stringContaining(`of the instance ${other.instance}, which does not have its`) as string,
      });
    });

    it('is found among those of all members by the tag that names its own', async () => {
      const data = mark();
      const [own] = [
        await world().makeMember(1, { data, 'holdfast:member': 'db-3.internal' }),
        await world().makeMember(1, { data, 'holdfast:member': 'db-2.internal' }),
      ];
      const given = settings({ ebs: { ...ebs, tags: { data } } });
      expect(await world().volumes.find(given, member)).toMatchObject({ volumes: own.ids, instance: own.instance });
      await expect(world().volumes.find(given, 'db-1.internal:27017')).rejects.toMatchObject({
        name: 'VolumeNotFound',
      });
    });

    it('is found on the instance behind its address, all but the root', async () => {
      const { volumes, hosts } = world();
      const { instance, address, ids } = await world().makeMember(2);
      hosts.set('db-3.internal', address);
      const given = settings({ ebs: { ...ebs, instance: true } });
      expect(await volumes.find(given, member)).toMatchObject({ volumes: [...ids].sort(), instance });
      await world().admin.send(new TerminateInstancesCommand({ InstanceIds: [instance] }));
      await expect(volumes.find(given, member)).rejects.toMatchObject({
        ...{ name: 'VolumeNotFound', message: `The instance of ${member} is not known: no instance has ${address}.` },
      });
    });
  });

  describe('a volume that cannot be found', () => {
    it('is gone, in another Region, or of no instance: each is said', async () => {
      const { volumes } = world();
      const gone = settings({ volumes: { [member]: 'vol-00000000000000000' } });
      await expect(volumes.find(gone, member)).rejects.toMatchObject({
        name: 'VolumeNotFound',
        message: expect.stringMatching(/ec2:DescribeVolumes on vol-0+ of db-3.*InvalidVolume.NotFound/) as string,
      });
      const { ids } = await world().makeMember(1);
      const elsewhere = world()
        .volumesIn('eu-west-1')
        .find(settings({ volumes: { [member]: ids } }), member);
      await expect(elsewhere).rejects.toMatchObject({ name: 'VolumeNotFound' });
      const free = settings({ volumes: { [member]: await world().makeVolume() } });
      await expect(volumes.find(free, member)).rejects.toMatchObject({
        ...{ name: 'VolumeNotFound', message: expect.stringContaining('to none') as string },
      });
    });

    it('may not be looked at, or has an id that is none', async () => {
      const { volumes, front } = world();
      const given = settings({ volumes: { [member]: 'vol-x' } });
      front.refuse('DescribeVolumes', { code: 'UnauthorizedOperation', status: 403 });
      await expect(volumes.find(given, member)).rejects.toMatchObject({ name: 'PermissionDenied' });
      const message = "Value (vol-x) for parameter volumes is invalid. Expected: 'vol-...'.";
      front.refuse('DescribeVolumes', { code: 'InvalidParameterValue', message });
      await expect(volumes.find(given, member)).rejects.toMatchObject({ name: 'VolumeNotFound' });
    });

    it('is asked for again by the SDK when EC2 throttles, and by the run when that goes on', async () => {
      const { volumes, front } = world();
      const { ids } = await world().makeMember(1);
      const given = settings({ volumes: { [member]: ids } });
      const throttled = { code: 'RequestLimitExceeded', message: 'Request limit exceeded.', status: 503 };
      front.refuse('DescribeVolumes', throttled);
      expect((await volumes.find(given, member))?.volumes).toEqual(ids);
      front.refuse('DescribeVolumes', throttled, 3);
      await expect(volumes.find(given, member)).rejects.toMatchObject({ name: 'SnapshotFailed', retryable: true });
      expect(front.count('DescribeVolumes')).toBe(5);
    });
  });
}
