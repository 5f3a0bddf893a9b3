import { resolve, resourcesOf, type Template } from './template.ts';

export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Operator → key → values, as the policy has them. */
  readonly conditions: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What IAM decides about: an action on a resource (empty where the request names none), with what conditions may ask for. */
export interface AuthorizedRequest {
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [String(value)]);

/** The statements of each role, by the logical id of the role. */
export function policiesOf(template: Template): ReadonlyMap<string, readonly Statement[]> {
  const policies = new Map<string, Statement[]>();
  for (const [, { Properties }] of resourcesOf(template, 'AWS::IAM::Policy')) {
    const document = resolve(template, Properties['PolicyDocument']) as { Statement: Record<string, unknown>[] };
    const statements = document.Statement.filter(({ Effect }) => Effect === 'Allow').map((statement) => ({
      actions: listOf(statement['Action']),
      resources: listOf(statement['Resource']),
      conditions: (statement['Condition'] ?? {}) as Statement['conditions'],
    }));
    for (const { Ref } of Properties['Roles'] as { Ref: string }[]) {
      policies.set(Ref, [...(policies.get(Ref) ?? []), ...statements]);
    }
  }
  return policies;
}

/** Whether a statement of the role allows a request: by action, resource and conditions. */
export function isAllowed(request: AuthorizedRequest, statements: readonly Statement[]): boolean {
  return statements.some(
    ({ actions, resources, conditions }) =>
      actions.includes(request.action) &&
      (request.resource === '' || resources.some((resource) => matches(resource, request.resource))) &&
      Object.entries(conditions).every(([operator, keys]) => holds(operator, keys, request.context)),
  );
}

/** @throws Error for an operator of conditions that no policy had when this was written */
function holds(
  operator: string,
  keys: Readonly<Record<string, unknown>>,
  context: AuthorizedRequest['context'],
): boolean {
  if (!['Null', 'StringEquals', 'ArnEquals', 'ArnLike', 'StringLike', 'ForAllValues:StringEquals'].includes(operator)) {
    throw new Error(`the condition ${operator} is unknown here`);
  }
  return Object.entries(keys).every(([key, wanted]) => {
    const given = context[key];
    if (operator === 'Null') return String(wanted) === String(given === undefined);
    // Of no values all are equal.
    if (given === undefined && operator.startsWith('ForAllValues:')) return true;
    return given !== undefined && listOf(wanted).some((pattern) => matches(pattern, given));
  });
}

function matches(pattern: string, text: string): boolean {
  const expression = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${expression}$`).test(text);
}
