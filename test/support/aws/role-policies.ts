import type { AwsCall } from './fake-aws.ts';
import { resolve, resourcesOf, type Template } from './template.ts';

export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [String(value)]);

/** The statements of each role, by the logical id of the role. */
export function policiesOf(template: Template): ReadonlyMap<string, readonly Statement[]> {
  const policies = new Map<string, Statement[]>();
  for (const [, { Properties }] of resourcesOf(template, 'AWS::IAM::Policy')) {
    const document = resolve(template, Properties['PolicyDocument']) as { Statement: Record<string, unknown>[] };
    const statements = document.Statement.filter(({ Effect }) => Effect === 'Allow').map(({ Action, Resource }) => ({
      actions: listOf(Action),
      resources: listOf(Resource),
    }));
    for (const { Ref } of Properties['Roles'] as { Ref: string }[]) {
      policies.set(Ref, [...(policies.get(Ref) ?? []), ...statements]);
    }
  }
  return policies;
}

/** Whether a statement of the role allows a call: by action, and by resource where the call names one of S3. */
export function isAllowed(call: AwsCall, statements: readonly Statement[]): boolean {
  return statements.some(
    ({ actions, resources }) =>
      actions.includes(call.action) &&
      (call.resource === '' || resources.some((resource) => matches(resource, call.resource))),
  );
}

function matches(pattern: string, resource: string): boolean {
  const expression = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${expression}$`).test(resource);
}
