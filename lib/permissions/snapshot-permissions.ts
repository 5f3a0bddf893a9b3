import * as cdk from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { resourceTags, type temporary } from '../../src/domain/names.ts';
import type { DeploymentSettings, Settings } from '../../src/domain/settings.ts';
import { grant } from '../grant.ts';

/** What functions may do with snapshots of members' volumes. What the stage makes has its tag; what it snapshots the config names. */

const describing = 'EC2 offers no resources for what only describes.';
const tagged = 'A snapshot gets its id when it is made; its tag says which stage made it.';

const snapshotsOf = (role: iam.Role): string =>
  cdk.Stack.of(role).formatArn({ service: 'ec2', account: '', resource: 'snapshot', resourceName: '*' });

const arnOf = (role: iam.Role, resource: 'volume' | 'instance', resourceName: string): string =>
  cdk.Stack.of(role).formatArn({ service: 'ec2', resource, resourceName });

/** The deployments whose volumes may be snapshotted. */
function withVolumes({ deployments }: Settings): DeploymentSettings[] {
  return Object.values(deployments).filter(({ volumes, ebs }) => volumes !== undefined || ebs !== undefined);
}

export function grantFindVolumes(role: iam.Role, settings: Settings): void {
  if (withVolumes(settings).length === 0) return;
  grant(role, {
    actions: ['ec2:DescribeVolumes', 'ec2:DescribeInstances', 'ec2:DescribeInstanceTypes'],
    resources: ['*'],
    purpose: 'Finds the volumes under members',
    because: describing,
  });
}

/** Snapshots of what the config names, by id or by tags, and of nothing else; each with the tag of the stage from its first moment. */
export function grantTakeSnapshots(role: iam.Role, settings: Settings): void {
  const deployments = withVolumes(settings);
  if (deployments.length === 0) return;
  const actions = ['ec2:CreateSnapshot', 'ec2:CreateSnapshots'];
  for (const deployment of deployments) grantVolumes(role, deployment, actions);
  grant(role, {
    actions: ['ec2:CreateSnapshots'],
    resources: [arnOf(role, 'instance', '*')],
    purpose: 'Snapshots several volumes of an instance at one instant',
    because:
      'The instance is the one that the volumes are attached to; the grants on volumes hold it to those of the config.',
  });
  const requested = { [`aws:RequestTag/${resourceTags.stage}`]: settings.stage };
  grant(role, {
    actions,
    resources: [snapshotsOf(role)],
    conditions: { StringEquals: requested },
    purpose: 'Makes snapshots that have the tag of the stage',
    because: 'A snapshot gets its id when it is made; the condition is its tag.',
  });
  grant(role, {
    actions: ['ec2:CreateTags'],
    resources: [snapshotsOf(role)],
    conditions: { StringEquals: { ...requested, 'ec2:CreateAction': ['CreateSnapshot', 'CreateSnapshots'] } },
    purpose: 'Tags a snapshot as it is made, and never later',
    because: 'A snapshot gets its id when it is made; the condition is the call that makes it.',
  });
  grant(role, {
    actions: ['ec2:DescribeInstances'],
    resources: ['*'],
    purpose: 'Sees which volumes of the instance are to be left out',
    because: describing,
  });
}

function grantVolumes(role: iam.Role, { name, volumes, ebs }: DeploymentSettings, actions: readonly string[]): void {
  const ids = Object.values(volumes ?? {}).flat();
  const purpose = `Snapshots the volumes of ${name}`;
  if (ids.length > 0) grant(role, { actions, purpose, resources: ids.map((id) => arnOf(role, 'volume', id)) });
  if (ebs?.tags === undefined && ebs?.instance !== true) return;
  const tags = Object.entries(ebs.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value] as const);
  grant(role, {
    actions,
    resources: [arnOf(role, 'volume', '*')],
    ...(tags.length > 0 && { conditions: { StringEquals: Object.fromEntries(tags) } }),
    purpose,
    because:
      tags.length > 0
        ? 'The config finds the volumes by their tags, which are the condition.'
        : 'The config finds the volumes by the instance behind a member’s address (ebs.instance without ebs.tags).',
  });
}

export function grantFindSnapshots(role: iam.Role): void {
  grant(role, {
    actions: ['ec2:DescribeSnapshots'],
    resources: ['*'],
    purpose: 'Finds the snapshots of a run by their tags, and sees how far they are',
    because: describing,
  });
}

/** @param only whether the snapshots that are a backup may not be deleted */
export function grantDeleteSnapshots(role: iam.Role, stage: string, only?: typeof temporary): void {
  grantFindSnapshots(role);
  grant(role, {
    actions: ['ec2:DeleteSnapshot'],
    resources: [snapshotsOf(role)],
    conditions: {
      StringEquals: {
        [`aws:ResourceTag/${resourceTags.stage}`]: stage,
        ...(only !== undefined && { [`aws:ResourceTag/${resourceTags.purpose}`]: only }),
      },
    },
    purpose:
      only === undefined ? 'Deletes snapshots of runs that are no backup' : 'Deletes snapshots whose files are copied',
    because: tagged,
  });
}
