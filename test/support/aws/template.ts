import { readFileSync } from 'node:fs';

/** A CloudFormation template, and what it becomes when CloudFormation puts names and ARNs in. */

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly Metadata?: Readonly<Record<string, unknown>>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
}

export const account = '111122223333';
export const region = 'eu-central-1';

const pseudo: Readonly<Record<string, string>> = {
  'AWS::AccountId': account,
  'AWS::Region': region,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

export function readTemplate(path: string): Template {
  return JSON.parse(readFileSync(path, 'utf8')) as Template;
}

export function resourcesOf(template: Template, type: string): [string, Resource][] {
  return Object.entries(template.Resources).filter(([, { Type }]) => Type === type);
}

/** The resource of a type whose property is so. */
export function resourceNamed(template: Template, type: string, property: string, value: string): Resource {
  const found = resourcesOf(template, type).find(([, { Properties }]) => Properties[property] === value);
  if (found === undefined) throw new Error(`the template has no ${type} whose ${property} is ${value}`);
  return found[1];
}

/** What a resource is called once it exists: its own name, or one made of its logical id, as CloudFormation does. */
export function physicalName(template: Template, logicalId: string): string {
  const { Type, Properties } = resourceAt(template, logicalId);
  const given = Properties[nameProperties[Type] ?? ''];
  if (typeof given === 'string') return given;
  return logicalId.toLowerCase();
}

const nameProperties: Readonly<Record<string, string>> = {
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::StepFunctions::StateMachine': 'StateMachineName',
  'AWS::ECS::Cluster': 'ClusterName',
  'AWS::ECS::TaskDefinition': 'Family',
  'AWS::Logs::LogGroup': 'LogGroupName',
};

const arnForms: Readonly<Record<string, (name: string) => string>> = {
  'AWS::Lambda::Function': (name) => `arn:aws:lambda:${region}:${account}:function:${name}`,
  'AWS::StepFunctions::StateMachine': (name) => `arn:aws:states:${region}:${account}:stateMachine:${name}`,
  'AWS::ECS::Cluster': (name) => `arn:aws:ecs:${region}:${account}:cluster/${name}`,
  'AWS::ECS::TaskDefinition': (name) => `arn:aws:ecs:${region}:${account}:task-definition/${name}:1`,
  'AWS::S3::Bucket': (name) => `arn:aws:s3:::${name}`,
  'AWS::IAM::Role': (name) => `arn:aws:iam::${account}:role/${name}`,
  'AWS::KMS::Key': (name) => `arn:aws:kms:${region}:${account}:key/${name}`,
  'AWS::Logs::LogGroup': (name) => `arn:aws:logs:${region}:${account}:log-group:${name}:*`,
  'AWS::SQS::Queue': (name) => `arn:aws:sqs:${region}:${account}:${name}`,
  'AWS::Events::Rule': (name) => `arn:aws:events:${region}:${account}:rule/${name}`,
};

export function arnOf(template: Template, logicalId: string): string {
  const form = arnForms[resourceAt(template, logicalId).Type];
  if (form === undefined) throw new Error(`no form of ARN for ${logicalId}`);
  return form(physicalName(template, logicalId));
}

/** A value of the template with its references put in. */
export function resolve(template: Template, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(template, item));
  if (typeof value !== 'object' || value === null) return value;
  const [entry = ['', undefined]] = Object.entries(value) as [string, unknown][];
  const [name, argument] = entry;
  if (Object.keys(value).length === 1) {
    if (name === 'Ref') return reference(template, argument as string);
    if (name === 'Fn::GetAtt') return arnOf(template, (argument as [string, string])[0]);
    if (name === 'Fn::Sub') return substitute(argument as string);
    if (name === 'Fn::Join') {
      const [separator, parts] = argument as [string, unknown[]];
      return parts.map((part) => String(resolve(template, part))).join(separator);
    }
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(template, item)]));
}

function reference(template: Template, name: string): string {
  const known = pseudo[name];
  if (known !== undefined) return known;
  const arn = /TaskDefinition|StateMachine/.test(resourceAt(template, name).Type);
  return arn ? arnOf(template, name) : physicalName(template, name);
}

function substitute(text: string): string {
  return text.replace(/\$\{([^}]+)\}/g, (_, name: string) => pseudo[name] ?? name);
}

function resourceAt(template: Template, logicalId: string): Resource {
  const found = template.Resources[logicalId];
  if (found === undefined) throw new Error(`the template has no ${logicalId}`);
  return found;
}
