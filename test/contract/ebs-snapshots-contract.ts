import { DeleteSnapshotCommand } from '@aws-sdk/client-ec2';
import { describe, expect, it } from 'vitest';
import type { SnapshotRequest } from '../../src/application/ports/volume-snapshots.ts';
import type { Ec2World, Tags } from './ec2-world.ts';

const account = '123456789012';
/** Before all of these tests. */
const since = '2026-11-22T10:00:00.000Z';

let runs = 0;
/** Of a run of its own: moto keeps what tests leave. */
function requestFor(instance: string, volumes: readonly string[], keep = false): SnapshotRequest {
  runs += 1;
  return {
    ...{ runId: `run-${runs}`, part: 'rs0', deployment: 'orders', member: 'db-3:27017', keep },
    volume: {
      ...{ type: 'ebs', volumes: [...volumes], instance, filesystem: 'xfs', dataPath: 'db', atOnce: true },
      reason: 'named',
    },
  };
}

const tagsOf = ({ runId, part }: SnapshotRequest, purpose = 'temporary', stage = 'prod'): Tags => ({
  ...{ 'holdfast:stage': stage, 'holdfast:run': runId, 'holdfast:part': part, 'holdfast:purpose': purpose },
});

/** CreateSnapshots as EC2 does it: moto snapshots also what is to be left out. */
function excludeAsAsked({ front, admin }: Ec2World): void {
  front.rewrite('CreateSnapshots', async (answer, parameters) => {
    const excluded = [...parameters].flatMap(([key, value]) => (key.includes('ExcludeDataVolumeId') ? [value] : []));
    const [, set = ''] = /<snapshotSet>([\s\S]*)<\/snapshotSet>/.exec(answer) ?? [];
    const items = set.split(/(?=<item><description>)/);
    let kept = answer;
    for (const item of items.filter((one) => excluded.some((id) => one.includes(id)))) {
      const [, SnapshotId = ''] = /<snapshotId>(.*?)</.exec(item) ?? [];
      await admin.send(new DeleteSnapshotCommand({ SnapshotId }));
      kept = kept.replace(item, '');
    }
    return kept;
  });
}

/** What EC2 says of snapshots that are under way, or failed. */
const describedAs = ({ front }: Ec2World, status: string, more = ''): void => {
  front.rewrite('DescribeSnapshots', (answer) =>
    answer.replaceAll('<status>completed</status>', `<status>${status}</status>${more}`),
  );
};

export function describeEbsSnapshots(world: () => Ec2World): void {
  describe('a snapshot of one volume', () => {
    it('is made with its tags, and described as EC2 has it', async () => {
      const { snapshots, ...ec2 } = world();
      const { instance, ids } = await world().makeMember(1, {}, { encrypted: true });
      const request = requestFor(instance, ids, true);
      const taken = await snapshots.create(request);
      const [made, ...others] = await world().snapshotsOf('holdfast:run', request.runId);
      expect(others).toEqual([]);
      expect(taken).toEqual({
        ...{ type: 'ebs', filesystem: 'xfs', dataPath: 'db', region: 'eu-central-1', account },
        snapshots: [{ id: made?.SnapshotId, volume: ids[0], bytes: 2 * 1024 ** 3 }],
        takenAt: made?.StartTime?.toISOString(),
      });
      expect(made).toMatchObject({
        Encrypted: true,
        Description: `Holdfast: db-3:27017 of orders, run ${request.runId}`,
      });
      const tags = Object.fromEntries((made?.Tags ?? []).map(({ Key = '', Value }) => [Key, Value]));
      expect(tags).toEqual({
        ...tagsOf(request, 'base'),
        ...{ Name: 'holdfast orders rs0', 'holdfast:deployment': 'orders' },
      });
      expect(ec2.front.count('CreateSnapshot')).toBe(1);
    });

    it('is found by its tags when its answer was lost, and its process with it', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(1);
      const request = requestFor(instance, ids);
      expect(await snapshots.adopt(request, since)).toBeUndefined();
      front.lose('CreateSnapshot');
      await expect(snapshots.create(request)).rejects.toMatchObject({
        ...{
          name: 'SnapshotFailed',
          message: expect.stringMatching(/EC2 did not answer ec2:CreateSnapshot on vol-/) as string,
        },
      });
      // Sent twice it makes two.
      expect(front.count('CreateSnapshot')).toBe(1);
      // The member may be locked meanwhile: nothing is cleaned up here.
      expect(front.count('DeleteSnapshot')).toBe(0);
      const [made] = await world().snapshotsOf('holdfast:run', request.runId);
      const { runId, part } = request;
      expect((await snapshots.adopt(request, since))?.snapshots).toMatchObject([
        { id: made?.SnapshotId, volume: ids[0] },
      ]);
      const listed = { id: made?.SnapshotId, volume: ids[0], startedAt: made?.StartTime };
      expect(await snapshots.list()).toContainEqual({ runId, part, kept: false, snapshots: [listed] });
    });

    it('is left to who asked when its answer was lost, and deleted by its tags then', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(1);
      const request = requestFor(instance, ids);
      front.lose('CreateSnapshot');
      await expect(snapshots.create(request)).rejects.toMatchObject({ name: 'SnapshotFailed' });
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toHaveLength(1);
      await snapshots.delete(request);
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toEqual([]);
    });

    it('is a second one where tags come late; both are listed, and one of them can be let go', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(1);
      const request = requestFor(instance, ids, true);
      front.lose('CreateSnapshot');
      front.rewrite('DescribeSnapshots', (answer) => answer.replace(/<snapshotSet>[\s\S]*<\/snapshotSet>/, ''));
      await expect(snapshots.create(request)).rejects.toMatchObject({ name: 'SnapshotFailed' });
      expect(await snapshots.adopt(request, since)).toBeUndefined();
      const taken = await snapshots.create(request);
      front.reset();
      const owned = (await snapshots.list()).find(({ runId }) => runId === request.runId);
      expect(owned).toMatchObject({ kept: true });
      expect(owned?.snapshots.map(({ volume }) => volume)).toEqual([ids[0], ids[0]]);
      const listed = owned?.snapshots.map(({ id }) => id) ?? [];
      const named = taken.snapshots.map(({ id }) => id);
      await snapshots.discard(listed.filter((id) => !named.includes(id)));
      const left = await world().snapshotsOf('holdfast:run', request.runId);
      expect(left.map(({ SnapshotId }) => SnapshotId)).toEqual(named);
    });
  });

  describe('snapshots of several volumes', () => {
    it('are those of the data: the root and what else is attached is left out', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(4);
      excludeAsAsked(world());
      const request = requestFor(instance, ids.slice(0, 2));
      const taken = await snapshots.create(request);
      expect(taken.snapshots.map(({ volume }) => volume)).toEqual(ids.slice(0, 2).sort());
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toHaveLength(2);
      const asked = front.seen.find(({ action }) => action === 'CreateSnapshots')?.parameters;
      expect(asked?.get('InstanceSpecification.ExcludeBootVolume')).toBe('true');
    });

    it('are refused when EC2 made others, and all of them deleted when that is asked for', async () => {
      const { snapshots } = world();
      const { instance, ids } = await world().makeMember(3);
      const request = requestFor(instance, ids.slice(0, 2));
      await expect(snapshots.create(request)).rejects.toMatchObject({
        ...{
          name: 'SnapshotFailed',
          message: expect.stringMatching(/volumes were attached or detached meanwhile/) as string,
        },
      });
      expect(await snapshots.adopt(request, since)).toBeUndefined();
      await snapshots.delete(request);
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toEqual([]);
    });

    it('are adopted when they are of one instant, and half of them is deleted', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(2);
      const request = requestFor(instance, ids);
      await world().makeSnapshot(ids[0] ?? '', tagsOf(request));
      expect(await snapshots.adopt(request, since)).toBeUndefined();
      await snapshots.delete(request);
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toEqual([]);
      const taken = await snapshots.create(request);
      // moto's have an instant each.
      front.rewrite('DescribeSnapshots', (answer) =>
        answer.replace(/<startTime>.*?<\/startTime>/g, '<startTime>2026-11-22T10:00:00.000Z</startTime>'),
      );
      expect((await snapshots.adopt(request, since))?.snapshots).toEqual(taken.snapshots);
    });
  });

  describe('snapshots of others', () => {
    it('are neither listed nor deleted', async () => {
      const { snapshots } = world();
      const { instance, ids } = await world().makeMember(1);
      const request = requestFor(instance, ids);
      const [volume = ''] = ids;
      const foreign = [
        await world().makeSnapshot(volume, tagsOf(request, 'temporary', 'other')),
        await world().makeSnapshot(volume, {}),
        await world().makeSnapshot(volume, { 'holdfast:stage': 'prod' }),
      ];
      const otherPart = await world().makeSnapshot(volume, { ...tagsOf(request), 'holdfast:part': 'rs1' });
      const own = await world().makeSnapshot(volume, tagsOf(request));
      const listed = (await snapshots.list()).filter(({ snapshots: all }) =>
        all.some(({ id }) => [...foreign, own, otherPart].includes(id)),
      );
      expect(listed.map(({ part }) => part).sort()).toEqual(['rs0', 'rs1']);
      await snapshots.delete(request);
      await snapshots.delete(request);
      const left = await world().snapshotsOf('holdfast:run', request.runId);
      expect(left.map(({ SnapshotId }) => SnapshotId).sort()).toEqual([foreign[0], otherPart].sort());
    });
  });

  describe('a snapshot that is looked at', () => {
    it('is pending, whole, failed, or gone, as EC2 says', async () => {
      const { snapshots, front } = world();
      const { instance, ids } = await world().makeMember(1);
      const request = requestFor(instance, ids);
      const taken = await snapshots.create(request);
      const look = () => snapshots.look(request, taken);
      expect(await look()).toMatchObject({ state: 'completed', percent: 100, layout: null });
      front.rewrite('DescribeSnapshots', (answer) =>
        answer.replace('<status>completed', '<status>pending').replace('<progress>100%', '<progress>37%'),
      );
      expect(await look()).toMatchObject({ state: 'pending', percent: 37 });
      describedAs(world(), 'error', '<statusMessage>Internal error</statusMessage>');
      await expect(look()).rejects.toMatchObject({
        name: 'SnapshotFailed',
        message: expect.stringMatching(/: Internal error\.$/) as string,
      });
      expect(await snapshots.adopt(request, since)).toBeUndefined();
      describedAs(
        world(),
        'error',
        '<statusMessage>Given key ID is not accessible. You must have DescribeKey permissions</statusMessage>',
      );
      await expect(look()).rejects.toMatchObject({ name: 'VolumeKeyUnavailable' });
      await snapshots.delete(request);
      front.reset();
      // So it is also while EC2 does not yet show what it has made.
      await expect(look()).rejects.toMatchObject({
        name: 'SnapshotFailed',
        message: expect.stringMatching(/InvalidSnapshot\.NotFound/) as string,
      });
    });
  });

  describe('what EC2 answers to CreateSnapshot', () => {
    it.each([
      ['UnauthorizedOperation', 403, 'You are not authorized to perform this operation.', 'PermissionDenied'],
      ['SnapshotCreationPerVolumeRateExceeded', 400, 'The maximum per volume request rate', 'SnapshotFailed'],
      ['ConcurrentSnapshotLimitExceeded', 400, 'Maximum allowed in-progress snapshots', 'SnapshotFailed'],
      ['SnapshotLimitExceeded', 400, 'Maximum allowed snapshots', 'QuotaReached'],
      ['IncorrectState', 400, "vol-1 is in the 'creating' state.", 'SnapshotFailed'],
      ['RequestLimitExceeded', 503, 'Request limit exceeded.', 'SnapshotFailed'],
      ['InternalError', 500, 'An internal error has occurred', 'SnapshotFailed'],
      ['InvalidVolume.NotFound', 400, 'The volume does not exist.', 'VolumeNotFound'],
      ['InvalidParameter', 400, 'Given key ID is not accessible', 'VolumeKeyUnavailable'],
    ])('%s (%i: %s) is %s, with what was asked, and is not asked twice', async (code, status, message, name) => {
      const { snapshots, front } = world();
      const request = requestFor('i-1', ['vol-1']);
      front.refuse('CreateSnapshot', { code, status, message });
      await expect(snapshots.create(request)).rejects.toMatchObject({
        ...{ name, message: `EC2 refused ec2:CreateSnapshot on vol-1 of db-3:27017: ${code}: ${message}` },
      });
      expect(front.count('CreateSnapshot')).toBe(1);
      expect(await world().snapshotsOf('holdfast:run', request.runId)).toEqual([]);
    });
  });
}
