import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../local/servers/poll.ts';
import { makeOwnDirectory, removeOwnDirectory } from '../../local/servers/reaper.ts';
import { type ReplicaSetServers, startReplicaSet } from '../../local/servers/replica-set.ts';
import { type StandaloneServer, startStandalone } from '../../local/servers/standalone.ts';
import { countTransitions } from '../../local/states-language/count-transitions.ts';
import { artifactKeys, stateKeys } from '../../src/domain/names.ts';
import { restoreRole } from '../../src/domain/privileges.ts';
import { describeHttpApi } from '../support/aws/api-suite.ts';
import { AwsStage } from '../support/aws/aws-stage.ts';
import { describeEndedRuns } from '../support/aws/ended-runs-suite.ts';
import { backupSecret, restoreSecret, synthesise } from '../support/aws/synthesise.ts';
import { isAllowed, policiesOf } from '../support/aws/role-policies.ts';
import { resourcesOf } from '../support/aws/template.ts';
import { createUserWithRole } from '../support/backup-user.ts';

let directory: string;
let set: ReplicaSetServers;
let target: StandaloneServer;
let stage: AwsStage;
let backupId: string;

/** Of the users of the database; it must come up in nothing that a run leaves. */
const canary = 'a:p@ss/word';

/** Made by Lambda and CloudWatch on behalf of the function, or by S3 with the function's role. */
const implied = /^(kms|logs|xray|ec2):/;

const stopsWorkers =
  /^(acquire-lease|complete-backup|launch-worker|record-failure|settle-ended-run|sweep-runs): ecs:(ListTasks|DescribeTasks|StopTask)$/;
const cleansUp =
  /^(complete-backup|record-failure|settle-ended-run|sweep-runs): (s3:DeleteObject|s3:PutObject|s3:GetObject|s3:AbortMultipartUpload|s3:ListMultipartUploadParts|s3:ListBucketMultipartUploads)$/;
const unmarksTargets = /^(record-failure|settle-ended-run|sweep-runs): secretsmanager:GetSecretValue$/;
const asksWhetherAnotherRunRuns = /^(acquire-lease|inspect-deployment|sweep-runs): states:DescribeExecution$/;

/** Granted for what happens when something goes wrong in a way, or at a moment, that these runs don't bring about. */
const reserved = [
  stopsWorkers,
  cleansUp,
  unmarksTargets,
  asksWhetherAnotherRunRuns,
  // An object that was written in parts and came to nothing.
  /^(worker|capture-oplog): s3:(AbortMultipartUpload|ListMultipartUploadParts)$/,
  // What can't be read or done is said, and kept in errors/ of the run.
  /^worker: states:SendTaskFailure$/,
  /^(publish-outcome|complete-restore): s3:PutObject$/,
  /^sweep-runs: events:PutEvents$/,
  // A document that is not there yet: 404 instead of 403.
  /: s3:ListBucket$/,
];

beforeAll(async () => {
  directory = await makeOwnDirectory('aws-stage');
  [set, target] = await Promise.all([
    startReplicaSet({ auth: true, members: [{}, { hidden: true, votes: 0 }] }),
    startStandalone({ auth: true }),
  ]);
  const backup = await createUserWithRole(set.client(), 'backup', undefined, 2);
  const restore = await createUserWithRole(target.client(), 'restore', restoreRole(), 1);
  stage = await AwsStage.start({
    template: synthesise(join(directory, 'cdk.out')),
    uri: `${set.uri}${set.uri.includes('?') ? '&' : '/?'}serverSelectionTimeoutMS=30000`,
    secrets: {
      [backupSecret]: JSON.stringify({ username: 'backup', password: backup.password }),
      [restoreSecret]: restore.text,
    },
  });
  const documents = Array.from({ length: 500 }, (_, index) => ({ _id: index, text: 'x'.repeat(500) }));
  await set
    .client()
    .db('shop')
    .collection<{ _id: number }>('orders')
    .insertMany(documents, { writeConcern: { w: 2 } });
}, 480_000);

afterAll(async () => {
  await stage.stop();
  await Promise.all([set.stop(), target.stop()]);
  await removeOwnDirectory(directory);
});

/** The role of each function, and of the worker, by the name under which its calls are recorded. */
function rolesByCaller(): Map<string, string> {
  const functions = resourcesOf(stage.template, 'AWS::Lambda::Function').map(([, { Properties }]) => {
    const [role] = (Properties['Role'] as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
    return [String(Properties['FunctionName']).replace('holdfast-test-', ''), role ?? ''] as const;
  });
  const [task] = resourcesOf(stage.template, 'AWS::ECS::TaskDefinition');
  const [role] = (task?.[1].Properties['TaskRoleArn'] as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
  return new Map([...functions, ['worker', role ?? '']]);
}

describe('a synthesised stage', () => {
  it('backs up from the console with {"deployment": "orders"}', async () => {
    const result = await stage.startExecution('backup', 'console-1', { deployment: 'orders' }).result;
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: {
        ...{ status: 'completed', deployment: 'orders', method: 'logical', warnings: [] },
        backupId: expect.any(String) as string,
        member: set.members[1]?.host,
        restoreTimeWall: expect.stringMatching(/^20\d\d-.*Z$/) as string,
      },
    });
    const { output } = result as unknown as { output: { backupId: string; manifest: string; durationSeconds: number } };
    ({ backupId } = output);
    expect(output.durationSeconds).toBeGreaterThan(0);
    expect(output.manifest).toMatch(/^s3:\/\/.*\/holdfast\/orders\/backups\/.*\/manifest\.json$/);
    expect(output.manifest).toContain(artifactKeys.manifest('orders', backupId));
    const manifest = await stage.bucket('Artifacts', 'holdfast/').get(artifactKeys.manifest('orders', backupId));
    expect(JSON.parse(manifest.body.toString('utf8'))).toMatchObject({ backupId, deployment: 'orders' });
    expect(stage.published.map(({ DetailType }) => DetailType)).toEqual(['Backup completed']);
  });

  it('needs few enough transitions', () => {
    const { total, waiting } = countTransitions(stage.workflows.journals.get('console-1')?.events ?? []);
    expect(total).toBeGreaterThan(10);
    expect(total - waiting).toBeLessThanOrEqual(30);
  });

  it('restores to a server, with the credentials of restores', async () => {
    const input = { backup: backupId, to: target.uri };
    const result = await stage.startExecution('restore', 'console-2', input).result;
    expect(result, stage.allLogs()).toMatchObject({
      status: 'SUCCEEDED',
      output: { backupId, deployment: 'orders', manifest: expect.stringContaining(backupId) as string },
    });
    expect(await target.client().db('shop').collection('orders').countDocuments()).toBe(500);
  });

  it('ends a second delivery of a schedule as a duplicate', async () => {
    const input = {
      deployment: 'orders',
      requestedBy: 'schedule nightly',
      idempotencyKey: 'nightly@2026-11-22T02:00:00Z',
    };
    const first = await stage.startExecution('backup', 'schedule-1', input).result;
    const second = await stage.startExecution('backup', 'schedule-2', input).result;
    expect(first, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED', output: { status: 'completed' } });
    expect(second).toMatchObject({
      status: 'SUCCEEDED',
      output: { status: 'duplicate', deployment: 'orders', duplicateOf: 'schedule-1' },
    });
  });

  it.each([
    [{ deployment: 'order' }, 'UnknownDeployment', /no deployment .*order.* is configured; there is orders, users/],
    [{}, 'UnknownDeployment', /name the deployment to back up: orders, users/],
    [{ deploymnt: 'orders' }, 'InvalidInput', /there is no .*deploymnt.*; there is deployment, method/],
  ])('fails in the first state, and says what to write: %j', async (input, error, cause) => {
    const result = await stage.startExecution('backup', randomUUID(), input).result;
    expect(result).toMatchObject({ status: 'FAILED', error, cause: expect.stringMatching(cause) as string });
  });

  it('starts the worker again when its task is gone', async () => {
    const execution = stage.startExecution('backup', 'killed-1', { deployment: 'orders' });
    await until('a worker runs', () => Promise.resolve(stage.killWorker() ? true : undefined));
    expect(await execution.result, stage.allLogs()).toMatchObject({ status: 'SUCCEEDED' });
    expect(await stage.bucket('State').head(stateKeys.task('killed-1', 'dump-rs0-2'))).toBeDefined();
  });

  describeEndedRuns(() => stage);

  describeHttpApi(() => ({ stage, backupId, target: target.uri }));

  it('asks AWS for nothing that its roles do not allow, and its roles allow nothing that is never asked for', () => {
    const policies = policiesOf(stage.template);
    const refused: string[] = [];
    const unused: string[] = [];
    for (const [caller, role] of rolesByCaller()) {
      const statements = policies.get(role) ?? [];
      const calls = stage.aws.calls.filter((call) => call.caller === caller);
      refused.push(
        ...calls
          .filter((call) => !isAllowed(call, statements))
          .map(({ action, resource }) => `${caller}: ${action} ${resource}`),
      );
      const granted = new Set(statements.flatMap(({ actions }) => actions).filter((action) => !implied.test(action)));
      for (const { action } of calls) granted.delete(action);
      unused.push(...[...granted].map((action) => `${caller}: ${action}`));
    }
    expect([...new Set(refused)]).toEqual([]);
    expect(unused.filter((grant) => !reserved.some((known) => known.test(grant)))).toEqual([]);
  });

  it('shows its secrets nowhere', async () => {
    const seen = [
      stage.allLogs(),
      JSON.stringify(stage.aws.calls),
      JSON.stringify([...stage.workflows.journals.values()].map(({ events }) => events)),
    ];
    for await (const { key } of stage.bucket('State').list(''))
      seen.push((await stage.bucket('State').get(key)).body.toString('utf8'));
    expect(seen.filter((text) => text.includes(canary))).toEqual([]);
    expect(seen.join('')).toContain('console-1');
  });
});
