import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Match, Template as Assertions } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkedName } from '../../lib/checked-name.ts';
import { allFunctions } from '../../lib/functions/function-list.ts';
import { stageDocuments } from '../../scripts/stage-documents/stage-documents.ts';
import { stateMachines } from '../../statemachines/manifest.ts';
import { policiesOf } from '../support/aws/role-policies.ts';
import { sharedStage } from '../support/aws/shared-stage.ts';
import { stageSettings } from '../support/aws/synthesise.ts';
import { resolve, resourcesOf, type Template } from '../support/aws/template.ts';

let outdir: string;
let templateFile: string;
let template: Template;
let stack: Assertions;

beforeAll(() => {
  ({ outdir, file: templateFile, template } = sharedStage());
  stack = Assertions.fromJSON(JSON.parse(JSON.stringify(template)) as Record<string, unknown>);
}, 480_000);

const functionsNamed = (): Map<string, Record<string, unknown>> =>
  new Map(
    resourcesOf(template, 'AWS::Lambda::Function').map(([, { Properties }]) => [
      String(Properties['FunctionName']).replace('holdfast-test-', ''),
      Properties as Record<string, unknown>,
    ]),
  );

describe('buckets', () => {
  it('are encrypted with the stage’s key, versioned, private, and stay when the stack goes', () => {
    const buckets = resourcesOf(template, 'AWS::S3::Bucket').filter(([id]) => !id.includes('AccessLogs'));
    expect(buckets).toHaveLength(2);
    for (const [, { Properties, DeletionPolicy }] of buckets) {
      expect(DeletionPolicy).toBe('Retain');
      expect(Properties).toMatchObject({
        VersioningConfiguration: { Status: 'Enabled' },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
          ],
        },
        LifecycleConfiguration: {
          Rules: expect.arrayContaining([
            expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }),
          ]) as object[],
        },
      });
    }
  });

  it('can lock artifacts, and never the state', () => {
    const locks = resourcesOf(template, 'AWS::S3::Bucket').map(([id, { Properties }]) => [
      id.replace(/[0-9A-F]{8}$/, ''),
      Properties['ObjectLockEnabled'] ?? false,
    ]);
    expect(Object.fromEntries(locks)).toEqual({
      StorageAccessLogs: false,
      StorageStateBucket: false,
      StorageArtifactsprimaryBucket: true,
    });
    expect(JSON.stringify(template)).not.toContain('DefaultRetention');
  });

  it('refuse requests without TLS', () => {
    for (const [, { Properties }] of resourcesOf(template, 'AWS::S3::BucketPolicy')) {
      expect(JSON.stringify(Properties)).toContain('"aws:SecureTransport":"false"');
    }
    stack.resourceCountIs('AWS::S3::BucketPolicy', 3);
  });
});

describe('state machines', () => {
  it.each(Object.entries(stateMachines))(
    '%s is its file, with the functions put in',
    (workflow, { file, functions }) => {
      const [machine] = resourcesOf(template, 'AWS::StepFunctions::StateMachine').filter(
        ([, { Properties }]) => Properties['StateMachineName'] === `holdfast-test-${workflow}`,
      );
      const text = readFileSync(new URL(`../../statemachines/${file}`, import.meta.url), 'utf8');
      expect(machine?.[1].Properties['DefinitionString']).toBe(text);
      const substitutions = resolve(template, machine?.[1].Properties['DefinitionSubstitutions']) as Record<
        string,
        string
      >;
      expect(substitutions).toEqual(
        Object.fromEntries(
          functions.map((name) => [
            name,
            `arn:aws:lambda:eu-central-1:111122223333:function:holdfast-test-${allFunctions[name].folder}`,
          ]),
        ),
      );
    },
  );

  it('write to their log what happens, and no data', () => {
    stack.allResourcesProperties('AWS::StepFunctions::StateMachine', {
      LoggingConfiguration: { Level: 'ALL', IncludeExecutionData: false },
      TracingConfiguration: { Enabled: true },
    });
  });
});

describe('functions', () => {
  it('are one for each folder, on Node 24, arm64, traced, with a log of their own', () => {
    expect([...functionsNamed().keys()].sort()).toEqual(
      Object.values(allFunctions)
        .map(({ folder }) => folder)
        .sort(),
    );
    stack.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      TracingConfig: { Mode: 'Active' },
      LoggingConfig: { LogGroup: Match.anyValue() },
      KmsKeyArn: Match.anyValue(),
    });
  });

  it('have the database driver only where they speak MongoDB', () => {
    const withDriver = Object.entries(allFunctions).filter(([name]) =>
      readFileSync(join(outdir, 'built', 'functions', name, 'index.mjs'), 'utf8').includes('MongoServerSelectionError'),
    );
    expect(withDriver.filter(([, { database }]) => !database).map(([name]) => name)).toEqual([]);
  });

  it('have a role each', () => {
    const roles = [...functionsNamed().values()].map(({ Role }) => JSON.stringify(Role));
    expect(new Set(roles).size).toBe(roles.length);
  });

  it('are in the VPC when they speak MongoDB, or look up names of members, and only then', () => {
    const inVpc = [...functionsNamed()].filter(([, { VpcConfig }]) => VpcConfig !== undefined).map(([name]) => name);
    expect(inVpc.sort()).toEqual([
      'archive-oplog',
      'capture-oplog',
      'complete-restore',
      'ensure-unlocked',
      'find-replica-sets',
      'inspect-deployment',
      'plan-backup',
      'plan-restore',
      'record-failure',
      'settle-ended-run',
      'snapshot-member',
      'sweep-runs',
    ]);
  });

  it('end before their state does', () => {
    for (const { file, functions } of Object.values(stateMachines)) {
      const text = readFileSync(new URL(`../../statemachines/${file}`, import.meta.url), 'utf8');
      for (const name of functions) {
        for (const [, seconds] of text.matchAll(
          new RegExp(`"\\$\\{${name}\\}"[\\s\\S]*?"TimeoutSeconds": (\\d+)`, 'g'),
        )) {
          expect(allFunctions[name].timeoutSeconds, name).toBeLessThan(Number(seconds));
        }
      }
    }
  });
});

describe('workers', () => {
  it('are a task with a read-only file system, 30 s to stop, and no secret in their variables', () => {
    stack.hasResourceProperties('AWS::ECS::TaskDefinition', {
      Family: 'holdfast-test-worker',
      NetworkMode: 'awsvpc',
      RequiresCompatibilities: ['FARGATE'],
      ContainerDefinitions: [
        {
          Name: 'worker',
          ReadonlyRootFilesystem: true,
          StopTimeout: 30,
          Environment: [{ Name: 'STATE_BUCKET', Value: Match.anyValue() }],
        },
      ],
    });
  });
});

describe('what starts things', () => {
  it('is a schedule in the time zone of the config, that names itself and its planned time', () => {
    stack.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'cron(0 2 * * ? *)',
      ScheduleExpressionTimezone: 'Europe/Berlin',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 5 },
      Target: {
        DeadLetterConfig: { Arn: Match.anyValue() },
        RetryPolicy: { MaximumRetryAttempts: 12 },
        Input: JSON.stringify({
          deployment: 'orders',
          requestedBy: 'schedule nightly',
          idempotencyKey: 'nightly@<aws.scheduler.scheduled-time>',
        }),
      },
    });
  });

  it.each([
    ['sweep-runs', { ScheduleExpression: 'rate(15 minutes)' }],
    [
      'settle-ended-run',
      { EventPattern: { source: ['aws.states'], detail: { status: ['ABORTED', 'FAILED', 'TIMED_OUT'] } } },
    ],
    ['report-stopped-task', { EventPattern: { source: ['aws.ecs'], detail: { lastStatus: ['STOPPED'] } } }],
  ])('is a rule for %s, whose failures are kept', (folder, expected) => {
    const arn = `arn:aws:lambda:eu-central-1:111122223333:function:holdfast-test-${folder}`;
    const rules = resourcesOf(template, 'AWS::Events::Rule').map(
      ([, { Properties }]) =>
        resolve(template, Properties) as { Targets: { Arn: string; DeadLetterConfig?: object }[] },
    );
    const rule = rules.find(({ Targets }) => Targets[0]?.Arn === arn);
    expect(rule).toMatchObject(expected);
    expect(rule?.Targets[0]?.DeadLetterConfig).toBeDefined();
  });
});

describe('permissions', () => {
  it('ask for a value where all values have to be some: of none all are', () => {
    const forAll = [...policiesOf(template).values()].flat().flatMap(({ conditions }) => {
      const [operator = '', keys = {}] =
        Object.entries(conditions).find(([name]) => name.startsWith('ForAllValues:')) ?? [];
      return operator === '' ? [] : Object.keys(keys).map((key) => conditions['Null']?.[key]);
    });
    expect(forAll.length).toBeGreaterThan(0);
    expect(new Set(forAll)).toEqual(new Set(['false']));
  });

  it('hold no * in an action, and PassRole only for ECS, its tasks and the schedules that watch locks', () => {
    const actions = [...policiesOf(template).values()].flat().flatMap((statement) => statement.actions);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
    const passes = resourcesOf(template, 'AWS::IAM::Policy').flatMap(
      ([, { Properties }]) =>
        (Properties['PolicyDocument'] as { Statement: { Action: unknown; Condition?: unknown }[] }).Statement,
    );
    const passing = passes.filter(({ Action }) => JSON.stringify(Action).includes('iam:PassRole'));
    expect(passing.map(({ Condition }) => Condition)).toEqual(
      ['ecs-tasks.amazonaws.com', 'ecs.amazonaws.com', 'scheduler.amazonaws.com'].map((service) => ({
        StringEquals: { 'iam:PassedToService': service },
      })),
    );
  });
});

describe('what adds up metrics for an alarm', () => {
  it('counts one that has no value as 0: else the sum has none either', () => {
    const expressions = resourcesOf(template, 'AWS::CloudWatch::Alarm').flatMap(([, { Properties }]) =>
      ((Properties['Metrics'] ?? []) as { Id: string; Expression?: string }[]).map((one) => one.Expression ?? one.Id),
    );
    const sums = expressions.filter((one) => one.includes('+'));
    expect(sums.length).toBeGreaterThan(0);
    for (const sum of sums)
      expect(sum.split(' + ')).toEqual(sum.split(' + ').map(() => expect.stringMatching(/^FILL\(\w+, 0\)$/) as string));
  });
});

describe('the config', () => {
  it('is published without a secret, and names no place of this machine', () => {
    const [, inspect] = [...functionsNamed()].find(([name]) => name === 'inspect-deployment') ?? [];
    const { Variables } = resolve(template, inspect?.['Environment']) as { Variables: { CONFIG_URI: string } };
    const key = new URL(Variables.CONFIG_URI).pathname.slice(1);
    const published = JSON.parse(readFileSync(join(outdir, `asset.${key}`), 'utf8')) as typeof stageSettings;
    expect(published).toEqual({ ...stageSettings, stateDir: '.holdfast' });
  });
});

describe('what is committed of a stage', () => {
  it('is what `npm run docs:generate` writes today', () => {
    for (const [path, text] of Object.entries(stageDocuments(templateFile))) {
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), path).toBe(text);
    }
  });
});

describe('a name that AWS would not take', () => {
  it('ends the synthesis', () => {
    expect(() => checkedName('x'.repeat(65), 64, 'a schedule')).toThrow(
      /can't be the name of a schedule: AWS allows 64/,
    );
    expect(() => checkedName('a.b', 64, 'a function')).toThrow(/can't be the name of a function/);
    expect(checkedName('x'.repeat(64), 64, 'a schedule')).toHaveLength(64);
  });
});
