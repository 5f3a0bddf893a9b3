import { grantMetadata, type Permission } from '../../lib/grant.ts';
import { openStage, resourcesOfType, shown, type SynthesisedStage } from './synthesised-stage.ts';

/** What a role may do, for one purpose. */
export interface GrantRow {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: string;
  readonly purpose: string;
  readonly because: string;
}

export interface RoleGrants {
  /** `inspect-deployment`, `worker`: the name under which the executed runs record calls; others by their construct. */
  readonly role: string;
  readonly trusts: string;
  readonly rows: readonly GrantRow[];
}

/** One action on one resource under one condition, as the template has it. */
interface Atom {
  readonly action: string;
  readonly resource: unknown;
  readonly condition: unknown;
}
/** What `grant` and `explainGrant` of lib/grant.ts recorded. */
type Recorded = Partial<Omit<Permission, 'resources'>> & { readonly resources?: readonly unknown[] };

/**
 * Every role of a stage with its statements, and the purpose that was recorded with each.
 * @throws Error for a statement of the template without a purpose, and for a role with policies from elsewhere
 */
export function grantsOfStage(stage: SynthesisedStage): readonly RoleGrants[] {
  const paths = pathsOfRoles(stage);
  return resourcesOfType(stage, 'AWS::IAM::Role')
    .map(([id, { Properties }]) => {
      if ('ManagedPolicyArns' in Properties || 'Policies' in Properties)
        throw new Error(`${id}: use grant() of lib/grant.ts`);
      const path = paths.get(id) ?? '';
      // The path begins with the stack and its stage.
      const role = callerOf(stage, id) ?? path.replace(/^\/[^/]+\/(Default\/)?/, '');
      const facts = stage.facts.get(path) ?? [];
      const recorded = facts.filter(({ type }) => type === grantMetadata).map(({ data }) => data as Recorded);
      const rows = rowsOf(stage, atomsOf(stage, id), recorded, role);
      return { role, trusts: trustedBy(Properties), rows };
    })
    .sort((a, b) => (a.role < b.role ? -1 : 1));
}

function rowsOf(
  stage: SynthesisedStage,
  atoms: readonly Atom[],
  recorded: readonly Recorded[],
  role: string,
): readonly GrantRow[] {
  const left = new Map(atoms.map((atom) => [JSON.stringify(atom), atom]));
  const known = new Set(left.keys());
  const rows = recorded.flatMap((grant) => {
    const { actions = [], resources, conditions } = grant;
    const own = resources?.flatMap((resource) =>
      actions.map((action) => ({ action, resource, condition: conditions })),
    );
    const meant = own ?? [...left.values()].filter(({ action }) => actions.includes(action));
    for (const atom of meant) {
      const key = JSON.stringify(atom);
      if (!known.has(key)) throw new Error(`${role}: ${key} was granted and is not in the template`);
      left.delete(key);
    }
    return meant.length === 0 ? [] : [rowOf(stage, meant, grant)];
  });
  if (left.size > 0) throw new Error(`${role}: no purpose is known of ${[...left.keys()].join(', ')}`);
  return merged(rows);
}

function rowOf(stage: SynthesisedStage, atoms: readonly Atom[], { purpose = '', because = '' }: Recorded): GrantRow {
  const resources = [...new Set(atoms.map(({ resource }) => shown(stage, resource)))];
  return {
    actions: [...new Set(atoms.map(({ action }) => action))],
    resources,
    condition: shown(stage, atoms[0]?.condition ?? ''),
    purpose,
    because: resources.some((resource) => resource.includes('*')) ? because : '',
  };
}

/** The same for several storages or secrets is one row. */
function merged(rows: readonly GrantRow[]): readonly GrantRow[] {
  const byRest = new Map<string, GrantRow>();
  for (const row of rows) {
    const key = JSON.stringify({ ...row, resources: [] });
    const resources = new Set([...(byRest.get(key)?.resources ?? []), ...row.resources]);
    byRest.set(key, { ...row, resources: [...resources] });
  }
  return [...byRest.values()];
}

function atomsOf(stage: SynthesisedStage, roleId: string): readonly Atom[] {
  return resourcesOfType(stage, 'AWS::IAM::Policy')
    .filter(([, { Properties }]) => (Properties['Roles'] as { Ref: string }[]).some(({ Ref }) => Ref === roleId))
    .flatMap(
      ([, { Properties }]) => (Properties['PolicyDocument'] as { Statement: Record<string, unknown>[] }).Statement,
    )
    .flatMap(({ Action, Resource, Condition }) =>
      listOf(Action).flatMap((action) =>
        listOf(Resource).map((resource) => ({ action: String(action), resource, condition: Condition })),
      ),
    );
}

/** Who of the executed runs has the role: a function by its folder, or the worker. */
function callerOf(stage: SynthesisedStage, roleId: string): string | undefined {
  const has = (value: unknown) => value !== undefined && JSON.stringify(value).includes(`"${roleId}"`);
  for (const { Type, Properties } of Object.values(stage.resources)) {
    if (Type === 'AWS::Lambda::Function' && has(Properties['Role'])) {
      return openStage(String(Properties['FunctionName'])).replace(/^holdfast-<stage>-/, '');
    }
    if (Type === 'AWS::ECS::TaskDefinition' && has(Properties['TaskRoleArn'])) {
      return openStage(String(Properties['Family'])).replace(/^holdfast-<stage>-/, '');
    }
  }
  return undefined;
}

function pathsOfRoles(stage: SynthesisedStage): ReadonlyMap<string, string> {
  return new Map(
    [...stage.facts].flatMap(([path, facts]) =>
      facts
        .filter(({ type }) => type === 'aws:cdk:logicalId')
        .map(({ data }) => [String(data), path.replace(/\/Resource$/, '')] as const),
    ),
  );
}

function trustedBy(properties: Readonly<Record<string, unknown>>): string {
  const { Statement } = properties['AssumeRolePolicyDocument'] as { Statement: { Principal: { Service: string } }[] };
  return Statement.map(({ Principal }) => Principal.Service).join(', ');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
