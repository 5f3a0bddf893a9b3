import { readFileSync } from 'node:fs';
import { stageNames } from '../../src/domain/names.ts';

/** A stage as it was synthesised, read for documents: names that CloudFormation makes are shown by the construct's. */

export interface StageResource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** One recorded fact of a construct: `lib/grant.ts` keeps grants so. */
export interface Fact {
  readonly type: string;
  readonly data: unknown;
}

export interface SynthesisedStage {
  readonly resources: Readonly<Record<string, StageResource>>;
  /** By the path of the construct. */
  readonly facts: ReadonlyMap<string, readonly Fact[]>;
}

/** @param template path of the synthesised template; the assembly's other files lie beside it */
export function readStage(template: string): SynthesisedStage {
  const { Resources } = JSON.parse(readFileSync(template, 'utf8')) as { Resources: Record<string, StageResource> };
  const metadata = readFileSync(template.replace(/\.template\.json$/, '.metadata.json'), 'utf8');
  return { resources: Resources, facts: new Map(Object.entries(JSON.parse(metadata) as Record<string, Fact[]>)) };
}

export function resourcesOfType(stage: SynthesisedStage, type: string): readonly [string, StageResource][] {
  return Object.entries(stage.resources).filter(([, resource]) => resource.Type === type);
}

const pseudo: Readonly<Record<string, string>> = {
  'AWS::AccountId': '<account>',
  'AWS::Region': '<region>',
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** Properties that name a resource as people see it. */
const namedBy: Readonly<Record<string, string>> = {
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::StepFunctions::StateMachine': 'StateMachineName',
  'AWS::ECS::Cluster': 'ClusterName',
  'AWS::ECS::TaskDefinition': 'Family',
  'AWS::Logs::LogGroup': 'LogGroupName',
};

/** What a reference leads to: its name with the stage left open, or the construct's in angle brackets. */
export function nameOf(stage: SynthesisedStage, logicalId: string): string {
  const known = pseudo[logicalId];
  if (known !== undefined) return known;
  const resource = stage.resources[logicalId];
  const name = resource?.Properties[namedBy[resource.Type] ?? ''];
  return typeof name === 'string' ? openStage(name) : `<${logicalId.replace(/[0-9A-F]{8}$/, '')}>`;
}

/** What differs from stage to stage left open: `holdfast-test-worker` → `holdfast-<stage>-worker`, and hashes of what was published. */
export function openStage(text: string): string {
  return text.replaceAll(/\bholdfast-test\b/g, stageNames.stack('<stage>')).replaceAll(/\b[0-9a-f]{64}\b/g, '<hash>');
}

/** A value of the template as one text, its references shown by names. */
export function shown(stage: SynthesisedStage, value: unknown): string {
  if (typeof value === 'string') return openStage(value);
  if (Array.isArray(value)) return value.map((item) => shown(stage, item)).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value);
  const [[name, argument] = ['', undefined]] = entries;
  if (entries.length === 1) {
    if (name === 'Ref') return nameOf(stage, String(argument));
    if (name === 'Fn::GetAtt') return nameOf(stage, String((argument as unknown[])[0]));
    if (name === 'Fn::Sub') return String(argument).replace(/\$\{([^}]+)\}/g, (_, id: string) => nameOf(stage, id));
    if (name === 'Fn::Join')
      return ((argument as unknown[])[1] as unknown[]).map((part) => shown(stage, part)).join('');
  }
  return entries.map(([key, item]) => `${key} ${shown(stage, item)}`).join(', ');
}
