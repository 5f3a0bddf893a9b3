import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { stepFunctions } from '../../lib/functions/function-list.ts';
import { lockBegunWithin, lockSentWithin, longestLock } from '../../src/domain/member-lock.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { policiesOf, type Statement } from '../support/aws/role-policies.ts';
import { account, region, resolve, resourcesOf, type Template } from '../support/aws/template.ts';

let template: Template;
beforeAll(() => {
  ({ template } = sharedStage());
}, 480_000);

const statements = (role: string): readonly Statement[] =>
  [...policiesOf(template)].filter(([id]) => id.includes(role)).flatMap(([, found]) => found);
const granted = (role: string, action: string) => statements(role).filter(({ actions }) => actions.includes(action));
const rolesWith = (action: string) =>
  [...policiesOf(template)]
    .filter(([, found]) => found.some(({ actions }) => actions.includes(action)))
    .map(([id]) => id);

describe('locks on members', () => {
  it('are watched by schedules in a group of their own, which the function that locks may make and delete, and nobody else', () => {
    const [[, group] = [], ...others] = resourcesOf(template, 'AWS::Scheduler::ScheduleGroup').filter(
      ([, { Properties }]) => Properties['Name'] === 'holdfast-test-locks',
    );
    expect(others).toEqual([]);
    expect(group).toBeDefined();
    const resources = [`arn:aws:scheduler:${region}:${account}:schedule/holdfast-test-locks/*`];
    for (const action of ['scheduler:CreateSchedule', 'scheduler:DeleteSchedule']) {
      expect(granted('SnapshotMember', action)).toMatchObject([{ resources }]);
      expect(rolesWith(action)).toEqual([expect.stringContaining('SnapshotMember')]);
    }
  });

  it('pass a role to the scheduler that may call one function, and to nobody else', () => {
    const [[roleId, role] = ['', undefined]] = resourcesOf(template, 'AWS::IAM::Role').filter(([id]) =>
      id.startsWith('LockWatchdogRole'),
    );
    expect(granted('SnapshotMember', 'iam:PassRole')).toEqual([
      {
        actions: ['iam:PassRole'],
        resources: [resolve(template, { 'Fn::GetAtt': [roleId, 'Arn'] })],
        conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
      },
    ]);
    expect(statements(roleId)).toEqual([
      {
        actions: ['lambda:InvokeFunction'],
        resources: [`arn:aws:lambda:${region}:${account}:function:holdfast-test-ensure-unlocked`],
        conditions: {},
      },
    ]);
    const trust = resolve(template, role?.Properties['AssumeRolePolicyDocument']);
    expect(trust).toMatchObject({
      Statement: [
        {
          Principal: { Service: 'scheduler.amazonaws.com' },
          Condition: {
            StringEquals: {
              'aws:SourceAccount': account,
              'aws:SourceArn': `arn:aws:scheduler:${region}:${account}:schedule-group/holdfast-test-locks`,
            },
          },
        },
      ],
    });
  });

  it('are given back by functions in the VPC with the users of the deployments that lock, and no other', () => {
    for (const role of ['EnsureUnlocked', 'RecordFailure', 'SettleEndedRun', 'SweepRuns']) {
      const users = granted(role, 'secretsmanager:GetSecretValue').flatMap(({ resources }) => resources);
      expect(
        users.filter((arn) => arn.includes('-backup-')),
        role,
      ).toEqual([expect.stringContaining('users-backup')]);
      const records = granted(role, 's3:DeleteObject').flatMap(({ resources }) => resources);
      expect(
        records.filter((arn) => arn.endsWith('/locks/*')),
        role,
      ).toHaveLength(1);
      const [, made] =
        resourcesOf(template, 'AWS::Lambda::Function').find(([id]) => id.includes(`Functions${role}`)) ?? [];
      expect(made?.Properties, role).toHaveProperty('VpcConfig');
    }
  });

  it('that can’t be given back raise an alarm, with its place in the runbook', () => {
    const [alarm] = resourcesOf(template, 'AWS::CloudWatch::Alarm').filter(([id]) => id.includes('LockLeft'));
    const { AlarmDescription, AlarmActions } = alarm?.[1].Properties as {
      AlarmDescription: string;
      AlarmActions: unknown[];
    };
    expect(AlarmActions).toHaveLength(1);
    const runbook = readFileSync(new URL('../../docs/operator-guide/runbook.md', import.meta.url), 'utf8');
    const [, section = 'none'] = /\(runbook: (.+)\)/.exec(AlarmDescription) ?? [];
    expect(runbook.toLowerCase()).toContain(`## ${section}`);
  });

  it('end before their function does: time to come to the lock, to send it, to hold it, and twice two minutes for the member’s answers', () => {
    const answer = 120_000;
    const earlyEnd = 5_000;
    const needed = lockBegunWithin + lockSentWithin + Math.max(longestLock, answer) + answer;
    expect(stepFunctions.SnapshotMember.timeoutSeconds * 1000 - earlyEnd).toBeGreaterThan(needed);
    // Sent in time, a lock has half the longest one to be granted, before nobody expects it any more.
    expect(longestLock - lockSentWithin).toBeGreaterThanOrEqual(30_000);
  });
});
