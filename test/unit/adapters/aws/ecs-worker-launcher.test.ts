import {
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { EcsWorkerLauncher } from '../../../../src/adapters/aws/ecs-worker-launcher.ts';
import { VirtualClock } from '../../../support/virtual-clock.ts';

const ecs = mockClient(ECSClient);
const launcher = (clock = new VirtualClock({ autoAdvance: true })): EcsWorkerLauncher =>
  new EcsWorkerLauncher({
    client: new ECSClient({ region: 'eu-central-1' }),
    clock,
    cluster: 'arn:cluster',
    taskDefinition: 'arn:aws:ecs:eu-central-1:1:task-definition/holdfast-prod-worker:7',
    subnets: ['subnet-1'],
    securityGroups: ['sg-1'],
    volumes: { definitions: { '6.0.5': 'arn:with-mongod-6' }, infrastructureRole: 'arn:infrastructure' },
  });

const task = (taskArn: string, attempt: string, more: Partial<Task> = {}): Task => ({
  taskArn,
  startedBy: 'run-1',
  lastStatus: 'RUNNING',
  overrides: {
    containerOverrides: [
      { name: 'worker', environment: [{ name: 'HOLDFAST_TASK_KEY', value: `runs/run-1/tasks/${attempt}.json` }] },
    ],
  },
  ...more,
});

beforeEach(() => {
  ecs.reset();
});

describe('EcsWorkerLauncher', () => {
  it('starts one task for a token, and hands over nothing but where its document lies', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:t1' }], failures: [] });
    const given = { runId: 'run-1', taskKey: 'runs/run-1/tasks/dump-rs0-1.json', taskToken: 'secret token' };
    await launcher().launch(given);
    await launcher().launch(given);
    await launcher().launch({ ...given, taskToken: 'another token' });
    const inputs = ecs.commandCalls(RunTaskCommand).map(({ args }) => args[0].input);
    expect(inputs[0]).toEqual(inputs[1]);
    expect(inputs[0]?.clientToken).toMatch(/^[0-9a-f]{64}$/);
    expect(inputs[2]?.clientToken).not.toBe(inputs[0]?.clientToken);
    expect(inputs[0]).toMatchObject({
      startedBy: 'run-1',
      launchType: 'FARGATE',
      overrides: task('', 'dump-rs0-1').overrides,
    });
    expect(JSON.stringify(inputs)).not.toContain('token"');
    expect(JSON.stringify(inputs)).not.toContain('secret token');
  });

  it('says which quota to ask for where Fargate starts no more tasks, and is tried again', async () => {
    const given = { runId: 'run-1', taskKey: 'k', taskToken: 't' };
    const words = 'You’ve reached the limit on the number of vCPUs you can run concurrently';
    const refused = {
      name: 'WorkerFailed',
      retryable: true,
      next: expect.stringMatching(/Fargate On-Demand vCPUs/) as string,
    };
    ecs.on(RunTaskCommand).resolves({ failures: [{ reason: words }] });
    await expect(launcher().launch(given)).rejects.toMatchObject({
      ...refused,
      message: `ECS started no task: ${words}`,
    });
    ecs.on(RunTaskCommand).rejects(new Error(words));
    await expect(launcher().launch(given)).rejects.toMatchObject(refused);
    ecs.on(RunTaskCommand).rejects(new Error('no such cluster'));
    await expect(launcher().launch(given)).rejects.toThrow('no such cluster');
  });

  it('gives a worker a volume made from a snapshot, which goes with it', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:t1' }], failures: [] });
    const tags = { 'holdfast:stage': 'prod' };
    await launcher().launch({
      ...{ runId: 'run-1', taskKey: 'k', taskToken: 't' },
      volume: {
        ...{ mongodbVersion: '6.0.5', snapshotId: 'snap-1', sizeGiB: null, keep: false, tags },
        filesystem: 'ext4',
      },
    });
    const [call] = ecs.commandCalls(RunTaskCommand);
    expect(call?.args[0].input).toMatchObject({ taskDefinition: 'arn:with-mongod-6', platformVersion: '1.4.0' });
    expect(call?.args[0].input.volumeConfigurations).toEqual([
      {
        name: 'data',
        managedEBSVolume: {
          ...{ roleArn: 'arn:infrastructure', volumeType: 'gp3', filesystemType: 'ext4', snapshotId: 'snap-1' },
          tagSpecifications: [{ resourceType: 'volume', tags: [{ key: 'holdfast:stage', value: 'prod' }] }],
          terminationPolicy: { deleteOnTermination: true },
        },
      },
    ]);
  });

  it('gives a worker an empty volume that stays', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:t1' }], failures: [] });
    const volume = { mongodbVersion: '6.0.5', snapshotId: null, sizeGiB: 20, keep: true, tags: {} } as const;
    await launcher().launch({
      ...{ runId: 'run-1', taskKey: 'k', taskToken: 't' },
      volume: { ...volume, filesystem: 'xfs' },
    });
    const [configuration] = ecs.commandCalls(RunTaskCommand)[0]?.args[0].input.volumeConfigurations ?? [];
    expect(configuration?.managedEBSVolume).toMatchObject({
      ...{ sizeInGiB: 20, terminationPolicy: { deleteOnTermination: false } },
    });
    expect(configuration?.managedEBSVolume).not.toHaveProperty('snapshotId');
  });

  it('gives a worker the volume that was asked for, in the zone of one subnet', async () => {
    ecs.on(RunTaskCommand).resolves({ tasks: [{ taskArn: 'arn:t1' }], failures: [] });
    const bought = { performance: { type: 'io2', iops: 5_000, throughput: null }, kmsKey: 'arn:key' } as const;
    const snapshot = { mongodbVersion: '6.0.5', snapshotId: 'snap-1', sizeGiB: 20, keep: true, tags: {} } as const;
    const launch = { runId: 'run-1', taskKey: 'k', taskToken: 't' };
    const volume = { ...snapshot, ...bought, filesystem: 'xfs', subnet: 'subnet-b', initializationRate: 250 } as const;
    await launcher().launch({ ...launch, volume });
    await launcher().launch({
      ...launch,
      volume: { ...volume, performance: { type: 'gp3', iops: 4_000, throughput: 500 }, kmsKey: null },
    });
    const inputs = ecs.commandCalls(RunTaskCommand).map(({ args }) => args[0].input);
    expect(inputs[0]?.networkConfiguration?.awsvpcConfiguration?.subnets).toEqual(['subnet-b']);
    const [first, second] = inputs.map((input) => input.volumeConfigurations?.[0]?.managedEBSVolume);
    expect(first).toMatchObject({
      ...{ volumeType: 'io2', iops: 5_000, encrypted: true, kmsKeyId: 'arn:key', volumeInitializationRate: 250 },
    });
    expect(first).not.toHaveProperty('throughput');
    expect(second).toMatchObject({ volumeType: 'gp3', iops: 4_000, throughput: 500, encrypted: true });
    expect(second).not.toHaveProperty('kmsKeyId');
  });

  it('says which version of MongoDB has no worker', async () => {
    const volume = { snapshotId: 'snap-1', sizeGiB: null, filesystem: 'xfs', keep: false, tags: {} } as const;
    const launched = launcher().launch({
      ...{ runId: 'run-1', taskKey: 'k', taskToken: 't', volume: { ...volume, mongodbVersion: '7.0.1' } },
    });
    await expect(launched).rejects.toMatchObject({
      name: 'InvalidConfig',
      message: expect.stringMatching(/no worker with MongoDB 7\.0\.1/) as string,
    });
    expect(ecs.commandCalls(RunTaskCommand)).toEqual([]);
  });

  it('says why ECS started nothing, as an error that is tried again', async () => {
    ecs.on(RunTaskCommand).resolves({ failures: [{ reason: 'Capacity is unavailable at this time.' }] });
    const launched = launcher().launch({ runId: 'run-1', taskKey: 'k', taskToken: 't' });
    await expect(launched).rejects.toMatchObject({
      name: 'WorkerFailed',
      retryable: true,
      message: expect.stringMatching(/Capacity/) as string,
    });
  });

  it('stops every task of the run, also one that is stopping already, and waits for their end', async () => {
    ecs.on(ListTasksCommand, { startedBy: 'run-1' }).resolves({ taskArns: ['arn:t1'] });
    ecs
      .on(ListTasksCommand, { cluster: 'arn:cluster', desiredStatus: 'STOPPED' })
      .resolves({ taskArns: ['arn:t2', 'arn:other'] });
    const stopping = task('arn:t2', 'dump-rs0-2', { lastStatus: 'STOPPING' });
    const others = task('arn:other', 'dump-rs0-1', { startedBy: 'run-2' });
    ecs
      .on(DescribeTasksCommand)
      .resolvesOnce({ tasks: [task('arn:t1', 'dump-rs0-1'), stopping, others] })
      .resolvesOnce({ tasks: [task('arn:t1', 'dump-rs0-1', { lastStatus: 'STOPPED' }), stopping] })
      .resolves({ tasks: [] });
    const clock = new VirtualClock({ autoAdvance: true });
    await launcher(clock).stopAll('run-1');
    expect(ecs.commandCalls(StopTaskCommand).map(({ args }) => args[0].input.task)).toEqual(['arn:t1', 'arn:t2']);
  });

  it('leaves attempts alone that were not named', async () => {
    ecs.on(ListTasksCommand).resolves({ taskArns: ['arn:t1', 'arn:t2'] });
    ecs
      .on(DescribeTasksCommand)
      .resolvesOnce({ tasks: [task('arn:t1', 'dump-rs0-1'), task('arn:t2', 'dump-rs0-2')] })
      .resolves({ tasks: [] });
    await launcher().stopAll('run-1', ['dump-rs0-1']);
    expect(ecs.commandCalls(StopTaskCommand).map(({ args }) => args[0].input.task)).toEqual(['arn:t1']);
  });

  it('says so when a task does not stop', async () => {
    ecs.on(ListTasksCommand).resolves({ taskArns: ['arn:t1'] });
    ecs.on(DescribeTasksCommand).resolves({ tasks: [task('arn:t1', 'dump-rs0-1')] });
    const clock = new VirtualClock({ autoAdvance: true });
    await expect(launcher(clock).stopAll('run-1')).rejects.toMatchObject({
      name: 'WorkerLost',
      message: expect.stringMatching(/did not stop arn:t1/) as string,
    });
  });
});
