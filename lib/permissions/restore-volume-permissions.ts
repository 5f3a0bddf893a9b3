import * as cdk from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { resourceTags, temporary } from '../../src/domain/names.ts';
import { grant } from '../grant.ts';

/** What functions may do with the volumes that restores make: all of it by tags, which ECS sets as it makes them. */

const because =
  'A volume gets its id when it is made; its tags say which stage made it, and whether its restore is over.';

const volumesOf = (role: iam.Role): string =>
  cdk.Stack.of(role).formatArn({ service: 'ec2', resource: 'volume', resourceName: '*' });

const ofStage = (stage: string) => ({ [`aws:ResourceTag/${resourceTags.stage}`]: stage });

/** Looks at what a restore to a volume needs: the snapshot, zones, the instance to attach to. */
export function grantPlanVolumes(role: iam.Role): void {
  grant(role, {
    actions: [
      'ec2:DescribeVolumes',
      'ec2:DescribeSnapshots',
      'ec2:DescribeFastSnapshotRestores',
      'ec2:DescribeSubnets',
      'ec2:DescribeInstances',
    ],
    resources: ['*'],
    purpose: 'Looks at the snapshot, the zones and the instance of a restore to a volume',
    because: 'EC2 offers no resources for what only describes.',
  });
}

/**
 * Finds the volumes of restores, lets go of those that are complete and deletes the others. What was let go has lost the tag
 * that the grant to delete asks for: nobody of the stage can delete it.
 */
export function grantSettleVolumes(role: iam.Role, stage: string): void {
  grant(role, {
    actions: ['ec2:DescribeVolumes'],
    resources: ['*'],
    purpose: 'Finds the volumes of a restore',
    because: 'EC2 offers no resources for what only describes.',
  });
  grant(role, {
    actions: ['ec2:DeleteVolume'],
    resources: [volumesOf(role)],
    conditions: { StringEquals: { ...ofStage(stage), [`aws:ResourceTag/${resourceTags.unfinished}`]: 'true' } },
    purpose: 'Deletes the volumes of restores that failed or were cancelled',
    because,
  });
  grant(role, {
    actions: ['ec2:DeleteTags'],
    resources: [volumesOf(role)],
    conditions: {
      StringEquals: ofStage(stage),
      'ForAllValues:StringEquals': { 'aws:TagKeys': [resourceTags.unfinished] },
      // Of no values all are equal: DeleteTags without keys deletes every tag.
      Null: { 'aws:TagKeys': 'false' },
    },
    purpose: 'Lets go of the volume of a restore that is complete: it can’t be deleted any more',
    because,
  });
}

/** Deletes what ECS should have deleted with the task that read it. */
export function grantSweepVolumes(role: iam.Role, stage: string): void {
  grant(role, {
    actions: ['ec2:DeleteVolume'],
    resources: [volumesOf(role)],
    conditions: { StringEquals: { ...ofStage(stage), [`aws:ResourceTag/${resourceTags.purpose}`]: temporary } },
    purpose: 'Deletes the volumes that workers only read or worked on, where ECS has not',
    because:
      'A volume gets its id when it is made; its tags say which stage made it, and that nobody needs it any more.',
  });
}

/** Attaches volumes of restores, to instances that are tagged for it. */
export function grantAttachVolumes(role: iam.Role, stage: string): void {
  const instances = cdk.Stack.of(role).formatArn({ service: 'ec2', resource: 'instance', resourceName: '*' });
  grant(role, {
    actions: ['ec2:AttachVolume'],
    resources: [volumesOf(role), instances],
    conditions: { StringEquals: ofStage(stage) },
    purpose: 'Attaches the volume of a restore to the instance that was named, where both have the tag of the stage',
    because,
  });
}
