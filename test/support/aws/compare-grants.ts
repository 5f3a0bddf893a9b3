import {
  impliedActions,
  type LongStageRuns,
  uncalledGrants,
} from '../../../scripts/stage-documents/uncalled-grants.ts';
import type { AwsCall } from './fake-aws.ts';
import { isAllowed, policiesOf } from './role-policies.ts';
import { physicalName, resolve, resourcesOf, type Template } from './template.ts';

export interface GrantComparison {
  /** `caller: action resource` that its role does not allow. */
  readonly refused: readonly string[];
  /**
   * `caller: action` that is granted and was never asked for: of the grants that are not among {@link uncalledGrants}, or of
   * those that are said there to be called in these runs.
   */
  readonly unused: readonly string[];
}

/** Holds what functions and workers asked of AWS against the statements of their roles, both ways. */
export function compareGrants(template: Template, calls: readonly AwsCall[], runs?: LongStageRuns): GrantComparison {
  const policies = policiesOf(template);
  const refused: string[] = [];
  const unused: string[] = [];
  for (const [caller, role] of rolesByCaller(template)) {
    const statements = policies.get(role) ?? [];
    const own = calls.filter((call) => call.caller === caller);
    const needed = [...own, ...own.flatMap((call) => keyUses(template, call))];
    refused.push(
      ...needed
        .filter((request) => !isAllowed(request, statements))
        .map(({ action, resource }) => `${caller}: ${action} ${resource}`),
    );
    const asked = new Set(own.map(({ action }) => action));
    const granted = new Set(statements.flatMap(({ actions }) => actions));
    const left = [...granted].filter((action) => !asked.has(action) && !impliedActions.test(action));
    unused.push(...left.filter((action) => isDueIn(runs, caller, action)).map((action) => `${caller}: ${action}`));
  }
  return { refused: [...new Set(refused)], unused };
}

/** Whether a grant is to be called in these runs: each is in some, or nowhere and listed with the reason. */
function isDueIn(runs: LongStageRuns | undefined, caller: string, action: string): boolean {
  const entries = uncalledGrants.filter(
    ({ roles, actions }) => actions.includes(action) && (roles === 'every role' || roles.includes(caller)),
  );
  return runs === undefined ? entries.length === 0 : entries.some(({ calledIn }) => calledIn === runs);
}

/** The role of each function, and of the worker, by the name under which its calls are recorded. */
function rolesByCaller(template: Template): ReadonlyMap<string, string> {
  const functions = resourcesOf(template, 'AWS::Lambda::Function').map(
    ([, { Properties }]) =>
      [String(Properties['FunctionName']).replace('holdfast-test-', ''), roleOf(Properties['Role'])] as const,
  );
  const workers = resourcesOf(template, 'AWS::ECS::TaskDefinition').map(
    ([, { Properties }]) => ['worker', roleOf(Properties['TaskRoleArn'])] as const,
  );
  return new Map([...functions, ...workers]);
}

function roleOf(value: unknown): string {
  return (value as { 'Fn::GetAtt': [string, string] })['Fn::GetAtt'][0];
}

/** S3 uses the bucket's key in the name of who reads and writes; to write in parts it decrypts, too. */
function keyUses(template: Template, { action, resource }: AwsCall) {
  const actions = { 's3:GetObject': ['kms:Decrypt'], 's3:PutObject': ['kms:GenerateDataKey', 'kms:Decrypt'] }[action];
  const key = actions && keyOf(template, resource);
  return key === undefined ? [] : (actions ?? []).map((use) => ({ action: use, resource: key, context: {} }));
}

/** The ARN of the key of a bucket of the stack. */
function keyOf(template: Template, objectArn: string): string | undefined {
  const bucket = resourcesOf(template, 'AWS::S3::Bucket').find(([id]) =>
    objectArn.startsWith(`arn:aws:s3:::${physicalName(template, id)}/`),
  );
  const encryption = JSON.stringify(bucket?.[1].Properties['BucketEncryption'] ?? {});
  const [, text] = /"KMSMasterKeyID":(\{[^}]*\})/.exec(encryption) ?? [];
  return text === undefined ? undefined : (resolve(template, JSON.parse(text)) as string);
}
