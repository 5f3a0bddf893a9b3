import * as cdk from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { grant } from '../grant.ts';
import type { WorkerTasks } from '../worker/worker-tasks.ts';

/** Lets a role start workers: of this task definition, on this cluster, with these roles and no others. */
export function grantStartWorkers(
  role: iam.Role,
  { cluster, taskDefinition, taskRole, executionRole, volumeWorkers }: WorkerTasks,
): void {
  const withVolume = Object.values(volumeWorkers?.definitions ?? {}).map(({ definition }) => definition);
  grant(role, {
    actions: ['ecs:RunTask'],
    resources: [taskDefinition, ...withVolume].map(({ taskDefinitionArn }) => taskDefinitionArn),
    purpose: 'Starts workers, on this cluster and with these definitions only',
    conditions: { ArnEquals: { 'ecs:cluster': cluster.clusterArn } },
  });
  grant(role, {
    actions: ['iam:PassRole'],
    resources: [taskRole.roleArn, executionRole.roleArn],
    purpose: 'Hands the worker its own role, and ECS the role that starts it',
    conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
  });
  if (volumeWorkers === undefined) return;
  grant(role, {
    actions: ['iam:PassRole'],
    resources: [volumeWorkers.infrastructureRole.roleArn],
    purpose: 'Hands ECS the role with which it makes the volume of a worker',
    conditions: { StringEquals: { 'iam:PassedToService': 'ecs.amazonaws.com' } },
  });
}

/** Lets a role find and stop the workers of a run. */
export function grantStopWorkers(role: iam.Role, { cluster, clusterName }: WorkerTasks): void {
  const conditions = { ArnEquals: { 'ecs:cluster': cluster.clusterArn } };
  const tasks = cdk.Stack.of(cluster).formatArn({ service: 'ecs', resource: 'task', resourceName: `${clusterName}/*` });
  grant(role, {
    actions: ['ecs:ListTasks'],
    resources: ['*'],
    conditions,
    purpose: 'Finds the workers of a run',
    because: 'ecs:ListTasks knows no tasks as resources; the condition holds it to the cluster.',
  });
  grant(role, {
    actions: ['ecs:DescribeTasks', 'ecs:StopTask'],
    resources: [tasks],
    conditions,
    purpose: 'Stops the workers of a run that is over',
    because: 'A task gets its id when it starts.',
  });
}
