import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { resourceTags } from '../../src/domain/names.ts';
import { grant, type Permission } from '../grant.ts';

const managed = { 'aws:ResourceTag/AmazonECSManaged': 'true' };
/** ECS names the task that a volume is made for; reserved, nobody else can set it. */
const madeForTask = (where: string, account: string) => ({
  [`aws:${where}/AmazonECSCreated`]: `arn:aws:ecs:*:${account}:task/*`,
});

const because = 'A volume gets its id when it is made; its tags say that ECS made it for a task.';

/**
 * The role with which ECS makes, attaches and deletes the volumes of tasks: AWS's AmazonECSInfrastructureRolePolicyForVolumes,
 * narrowed to this account and Region, and to snapshots of this stage. It stays when the stack goes: ECS needs it to take
 * down volumes of tasks that still run, and tries for ever without it.
 */
export function makeInfrastructureRole(scope: Construct, id: string, stage: string, keys: readonly string[]): iam.Role {
  const stack = cdk.Stack.of(scope);
  const role = new iam.Role(scope, id, { assumedBy: new iam.ServicePrincipal('ecs.amazonaws.com') });
  for (const permission of [...making(stack, stage), ...using(stack), ...decrypting(stack, keys)])
    grant(role, permission);
  cdk.RemovalPolicies.of(role).retain();
  return role;
}

const volumesOf = (stack: cdk.Stack) => stack.formatArn({ service: 'ec2', resource: 'volume', resourceName: '*' });

function making(stack: cdk.Stack, stage: string): readonly Permission[] {
  const resources = [volumesOf(stack)];
  const forTask = madeForTask('RequestTag', stack.account);
  const requested = { 'aws:RequestTag/AmazonECSManaged': 'true' };
  return [
    {
      actions: ['ec2:CreateVolume'],
      resources,
      conditions: { ArnLike: forTask, StringEquals: requested },
      purpose: 'ECS makes the volume of a task',
      because,
    },
    {
      actions: ['ec2:CreateVolume'],
      resources: [stack.formatArn({ service: 'ec2', account: '', resource: 'snapshot', resourceName: '*' })],
      conditions: { StringEquals: { [`aws:ResourceTag/${resourceTags.stage}`]: stage } },
      purpose: 'ECS makes the volume of a task from a snapshot of this stage',
      because: 'A snapshot gets its id when it is made; its tag says which stage made it.',
    },
    {
      actions: ['ec2:CreateTags'],
      resources,
      conditions: { ArnLike: forTask, StringEquals: { ...requested, 'ec2:CreateAction': 'CreateVolume' } },
      purpose: 'ECS tags the volume that it makes',
      because,
    },
  ];
}

/** EBS makes the volume of an encrypted snapshot with the key, in the name of the role; the key of AWS itself (aws/ebs) asks for no grant. */
function decrypting(stack: cdk.Stack, resources: readonly string[]): readonly Permission[] {
  if (resources.length === 0) return [];
  const through = { 'kms:ViaService': `ec2.${stack.region}.amazonaws.com` };
  return [
    {
      actions: [
        'kms:DescribeKey',
        'kms:Decrypt',
        'kms:GenerateDataKeyWithoutPlaintext',
        'kms:ReEncryptFrom',
        'kms:ReEncryptTo',
      ],
      resources,
      conditions: { StringEquals: through },
      purpose: 'EBS makes the volume of an encrypted snapshot',
    },
    {
      actions: ['kms:CreateGrant'],
      resources,
      conditions: { StringEquals: through, Bool: { 'kms:GrantIsForAWSResource': 'true' } },
      purpose: 'EBS keeps the key’s use for as long as the volume is attached',
    },
  ];
}

function using(stack: cdk.Stack): readonly Permission[] {
  const resources = [volumesOf(stack)];
  const actions = ['ec2:AttachVolume', 'ec2:DetachVolume'];
  return [
    {
      actions,
      resources,
      conditions: { StringEquals: managed },
      purpose: 'ECS attaches the volume to its task, and takes it off',
      because,
    },
    {
      actions,
      resources: [stack.formatArn({ service: 'ec2', account: '*', resource: 'instance', resourceName: '*' })],
      purpose: 'ECS attaches the volume to the machine of the task',
      because: 'The machines of Fargate are AWS’s own; the grant on the volume holds it to those of ECS.',
    },
    {
      actions: ['ec2:DeleteVolume'],
      resources,
      conditions: { ArnLike: madeForTask('ResourceTag', stack.account), StringEquals: managed },
      purpose: 'ECS deletes the volume when its task is over',
      because,
    },
    {
      actions: ['ec2:DescribeVolumes', 'ec2:DescribeAvailabilityZones'],
      resources: ['*'],
      purpose: 'ECS sees how far the volume is',
      because: 'EC2 offers no resources for what only describes.',
    },
  ];
}
