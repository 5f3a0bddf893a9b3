import type { AuthorizedRequest } from './role-policies.ts';
import { account, region } from './template.ts';

type Body = Readonly<Record<string, unknown>>;

const defaultBus = `arn:aws:events:${region}:${account}:event-bus/default`;

/** Which resource a request's own field names, by action. A task token names none: whoever has it may answer. */
const named: Readonly<Record<string, (body: Body) => readonly unknown[]>> = {
  'secretsmanager:GetSecretValue': (body) => [body['SecretId']],
  'states:DescribeExecution': (body) => [body['executionArn']],
  'states:StopExecution': (body) => [body['executionArn']],
  'states:StartExecution': (body) => [body['stateMachineArn']],
  'ecs:RunTask': (body) => [body['taskDefinition']],
  'ecs:DescribeTasks': (body) => body['tasks'] as readonly unknown[],
  'ecs:StopTask': (body) => [body['task']],
};

/** What IAM is asked about one request to EventBridge Scheduler, whose schedules are paths below their group. */
export function schedulerRequests(method: string, { pathname, searchParams }: URL, body: Body): AuthorizedRequest[] {
  const name = pathname.split('/').at(-1) ?? '';
  const group = (body['GroupName'] as string | undefined) ?? searchParams.get('groupName') ?? '';
  const action = { POST: 'CreateSchedule', DELETE: 'DeleteSchedule' }[method] ?? method;
  const resource = `arn:aws:scheduler:${region}:${account}:schedule/${group}/${name}`;
  const role = (body['Target'] as { RoleArn?: string } | undefined)?.RoleArn;
  const passed = { 'iam:PassedToService': 'scheduler.amazonaws.com' };
  return [
    { action: `scheduler:${action}`, resource, context: {} },
    ...(role === undefined ? [] : [{ action: 'iam:PassRole', resource: role, context: passed }]),
  ];
}

/** What IAM is asked about one request to a service that takes JSON. */
export function authorizedRequests(action: string, body: Body): readonly AuthorizedRequest[] {
  if (action === 'events:PutEvents') {
    return (body['Entries'] as { Source: string; EventBusName?: string }[]).map(({ Source, EventBusName }) => ({
      action,
      resource: EventBusName ?? defaultBus,
      context: { 'events:source': Source },
    }));
  }
  const context = action.startsWith('ecs:') ? { 'ecs:cluster': String(body['cluster']) } : {};
  const resources = named[action]?.(body).map(String) ?? [''];
  return resources.map((resource) => ({ action, resource, context }));
}
