import { beforeAll, describe, expect, it } from 'vitest';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { region, type Template } from '../support/aws/template.ts';
import { cfnLint, type CfnFinding } from '../support/linters/linters.ts';

/** A finding that is not a fault of the template. */
interface Accepted {
  readonly rule: string;
  readonly reason: string;
  readonly covers: (finding: CfnFinding, template: Template) => boolean;
}

const accepted: readonly Accepted[] = [
  {
    rule: 'W3005',
    reason:
      'CDK makes a function and a machine wait for their role and its policy; only the policy’s part is not said twice',
    covers: ({ message, path }) =>
      path[2] === 'DependsOn' && /^'\w+Role[0-9A-F]{8}' dependency already enforced by a 'GetAtt'/.test(message),
  },
  {
    rule: 'E3601',
    reason:
      'states-language.net, Succeed State: "possibly modified by … InputPath and OutputPath for JSONPath"; cfn-lint’s schema lacks both',
    covers: (finding, template) => stateOf(finding, template) === 'Succeed' && finding.path.at(-1) === 'OutputPath',
  },
  {
    rule: 'E3601',
    reason:
      'states-language.net, Parallel State: "MAY have a Parameters field"; cfn-lint’s schema knows only Arguments of JSONata',
    covers: (finding, template) => stateOf(finding, template) === 'Parallel' && finding.path.at(-1) === 'Parameters',
  },
];

/** The type of the state whose field a finding is about. */
function stateOf({ path }: CfnFinding, template: Template): unknown {
  const [, machine, , property, ...keys] = path;
  if (property !== 'DefinitionString') return undefined;
  const definition = JSON.parse(String(template.Resources[String(machine)]?.Properties[property])) as unknown;
  const state = keys.slice(0, -1).reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], definition);
  return (state as { Type?: string }).Type;
}

describe('cfn-lint', () => {
  let template: Template;
  let findings: readonly CfnFinding[];

  beforeAll(async () => {
    const stage = sharedStage();
    template = stage.template;
    findings = await cfnLint(stage.file, region);
  }, 300_000);

  const covering = (finding: CfnFinding) =>
    accepted.find(({ rule, covers }) => rule === finding.rule && covers(finding, template));

  it('finds nothing in the template that is not accepted with its reason', () => {
    expect(findings.filter((finding) => covering(finding) === undefined)).toEqual([]);
  });

  it('still finds what is accepted', () => {
    const used = new Set(findings.map(covering));
    expect(accepted.filter((entry) => !used.has(entry)).map(({ rule, reason }) => `${rule}: ${reason}`)).toEqual([]);
  });
});
