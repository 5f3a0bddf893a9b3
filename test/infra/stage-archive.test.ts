import { readFileSync } from 'node:fs';
import { Template as Assertions } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { resourcesOf, type Template } from '../support/aws/template.ts';

let template: Template;
let stack: Assertions;

beforeAll(() => {
  ({ template } = sharedStage());
  stack = Assertions.fromJSON(JSON.parse(JSON.stringify(template)) as Record<string, unknown>);
}, 120_000);

describe('the oplog archive', () => {
  it('has a turn every minute, by an Express workflow, for the deployments that have one', () => {
    stack.hasResourceProperties('AWS::StepFunctions::StateMachine', {
      StateMachineName: 'holdfast-test-archive-oplog',
      StateMachineType: 'EXPRESS',
    });
    const turns = resourcesOf(template, 'AWS::Events::Rule')
      .map(([, { Properties }]) => Properties as { ScheduleExpression?: string; Targets: { Input?: string }[] })
      .filter(({ Targets }) => Targets[0]?.Input !== undefined);
    expect(turns).toMatchObject([
      { ScheduleExpression: 'rate(1 minute)', Targets: [{ Input: '{"deployment":"orders"}' }] },
    ]);
  });
});

describe('the care for the oplog archive', () => {
  it('looks every hour whether something is to be checked, and prunes once a day', () => {
    for (const [description, rate] of [
      ['Looks whether what is archived is there and whole', 'rate(1 hour)'],
      ['Deletes what no restore to a promised time needs', 'rate(1 day)'],
    ])
      stack.hasResourceProperties('AWS::Events::Rule', { Description: description, ScheduleExpression: rate });
  });

  it('raises an alarm where the archive is not kept up, each with its place in the runbook', () => {
    const runbook = readFileSync(
      new URL('../../docs/operator-guide/runbook.md', import.meta.url),
      'utf8',
    ).toLowerCase();
    const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(
      ([, { Properties }]) => Properties as { AlarmDescription: string; AlarmActions: unknown[] },
    );
    expect(alarms).toHaveLength(5);
    for (const { AlarmDescription, AlarmActions } of alarms) {
      expect(AlarmActions).toHaveLength(1);
      const [, section = 'none'] = /\(runbook: (.+)\)/.exec(AlarmDescription) ?? [];
      expect(runbook).toContain(`## ${section.toLowerCase()}`);
    }
  });
});
