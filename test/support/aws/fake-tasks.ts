import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { AwsError, type FakeAws } from './fake-aws.ts';
import type { FakeEc2 } from './fake-ec2.ts';
import { account, arnOf, region, resolve, resourcesOf, type Template } from './template.ts';

interface FakeTask {
  readonly taskArn: string;
  readonly startedBy: string;
  readonly overrides: unknown;
  readonly process: ChildProcess;
  lastStatus: 'RUNNING' | 'STOPPED';
  readonly volume?: { readonly id: string; readonly wanted: ManagedVolume } | undefined;
}

type ManagedVolume = Parameters<FakeEc2['makeTaskVolume']>[0];

export interface FakeTasksOptions {
  readonly ec2: FakeEc2;
  /** In the images that have one. */
  readonly mongod: string;
  /** The file that the image runs. */
  readonly bundle: string;
  /** What Fargate adds to a container's environment. */
  readonly environment: () => Readonly<Record<string, string>>;
  readonly onLog: (stream: NodeJS.ReadableStream) => void;
  /** The event of a task that stopped, as EventBridge has its detail. */
  readonly onStopped: (detail: object) => Promise<void>;
}

type Body = Readonly<Record<string, unknown>>;

/** ECS with processes for tasks: the definition and the overrides make the environment, as on Fargate. */
export class FakeTasks {
  readonly #tasks = new Map<string, FakeTask>();
  readonly #template: Template;
  #started = 0;
  readonly #options: FakeTasksOptions;

  constructor(aws: FakeAws, template: Template, options: FakeTasksOptions) {
    this.#template = template;
    this.#options = options;
    aws.answers.set('ecs:RunTask', async (body, caller) => {
      this.#passRoles(aws, body, caller);
      const clientToken = String(body['clientToken']);
      const task = this.#tasks.get(clientToken) ?? (await this.#start(body));
      this.#tasks.set(clientToken, task);
      return { tasks: [{ taskArn: task.taskArn, lastStatus: 'PROVISIONING' }], failures: [] };
    });
    aws.answers.set('ecs:ListTasks', (body) => {
      const stopping = body['desiredStatus'] === 'STOPPED';
      const tasks = this.#all().filter(({ lastStatus, startedBy }) =>
        stopping ? lastStatus === 'STOPPED' : lastStatus === 'RUNNING' && startedBy === body['startedBy'],
      );
      return { taskArns: tasks.map(({ taskArn }) => taskArn) };
    });
    aws.answers.set('ecs:DescribeTasks', (body) => {
      const wanted = this.#all().filter(({ taskArn }) => (body['tasks'] as string[]).includes(taskArn));
      const tasks = wanted.map(({ taskArn, startedBy, overrides, lastStatus }) => ({
        ...{ taskArn, startedBy, overrides, lastStatus },
      }));
      return { tasks, failures: [] };
    });
    aws.answers.set('ecs:StopTask', (body) => {
      const task = this.#all().find(({ taskArn }) => taskArn === body['task']);
      task?.process.kill('SIGTERM');
      // Not 30 s as on Fargate.
      setTimeout(() => task?.process.kill('SIGKILL'), 1_000).unref();
      return {};
    });
  }

  /** @returns whether there were any that ran */
  kill(): boolean {
    const running = this.#all().filter(({ lastStatus }) => lastStatus === 'RUNNING');
    for (const { process } of running) process.kill('SIGKILL');
    return running.length > 0;
  }

  /** Lets the workers of a run stand still. @returns what ECS would say of them if it took them for stopped */
  hang(runId: string): object[] {
    const hanging = this.#all().filter((task) => task.startedBy === runId && task.lastStatus === 'RUNNING');
    for (const task of hanging) task.process.kill('SIGSTOP');
    return hanging.map((task) => stoppedDetail(task, 1));
  }

  statusesOf(runId: string): FakeTask['lastStatus'][] {
    return this.#all()
      .filter(({ startedBy }) => startedBy === runId)
      .map(({ lastStatus }) => lastStatus);
  }

  #all(): FakeTask[] {
    return [...this.#tasks.values()];
  }

  async #start(body: Body): Promise<FakeTask> {
    const own = this.#overridesFor(body);
    const taskArn = `arn:aws:ecs:${region}:${account}:task/holdfast-test-worker/${String(++this.#started).padStart(32, '0')}`;
    const volume = await this.#makeVolume(body, taskArn);
    const child = spawn(process.execPath, [this.#options.bundle], {
      env: {
        ...this.#options.environment(),
        ...this.#definedVariables(body),
        ...own,
        ...this.#volumeVariables(volume),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#options.onLog(child.stderr);
    const task: FakeTask = {
      ...{ taskArn, volume },
      startedBy: String(body['startedBy']),
      overrides: body['overrides'],
      process: child,
      lastStatus: 'RUNNING',
    };
    void this.#noticeEnd(task);
    return task;
  }

  /** One for each definition that leaves its volume to the launch, and for no other. */
  async #makeVolume(body: Body, taskArn: string): Promise<FakeTask['volume']> {
    const volumes = (this.#definition(body)['Volumes'] ?? []) as { ConfiguredAtLaunch?: boolean }[];
    const wanted = (body['volumeConfigurations'] as { managedEBSVolume: ManagedVolume }[] | undefined)?.[0]
      ?.managedEBSVolume;
    const configured = volumes.some(({ ConfiguredAtLaunch }) => ConfiguredAtLaunch === true);
    if (configured !== (wanted !== undefined)) throw new AwsError('InvalidParameterException', 'volumeConfigurations');
    if (wanted === undefined) return undefined;
    const { awsvpcConfiguration } = body['networkConfiguration'] as { awsvpcConfiguration: { subnets: string[] } };
    const id = await this.#options.ec2.makeTaskVolume(wanted, awsvpcConfiguration.subnets[0] ?? '', taskArn);
    return { id, wanted };
  }

  /** Here the volume is a folder, and mongod is where this machine has it. */
  #volumeVariables(volume: FakeTask['volume']): Record<string, string> {
    if (volume === undefined) return {};
    return { VOLUME_PATH: this.#options.ec2.folderOf(volume.id), HOLDFAST_MONGOD: this.#options.mongod };
  }

  /** ECS takes on the roles of the definition in the name of who starts the task. */
  #passRoles(aws: FakeAws, body: Body, caller: string): void {
    const { TaskRoleArn, ExecutionRoleArn } = this.#definition(body);
    const passed = [TaskRoleArn, ExecutionRoleArn].map((role) => resolve(this.#template, role) as string);
    const context = { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' };
    aws.calls.push(...passed.map((resource) => ({ caller, action: 'iam:PassRole', resource, context, body: {} })));
    for (const { managedEBSVolume } of (body['volumeConfigurations'] ?? []) as { managedEBSVolume: ManagedVolume }[]) {
      const toEcs = { 'iam:PassedToService': 'ecs.amazonaws.com' };
      aws.calls.push({ caller, action: 'iam:PassRole', resource: managedEBSVolume.roleArn, context: toEcs, body: {} });
    }
  }

  #definition(body: Body): Body {
    const definition = resourcesOf(this.#template, 'AWS::ECS::TaskDefinition').find(
      ([id]) => body['taskDefinition'] === arnOf(this.#template, id),
    );
    if (definition === undefined) throw new AwsError('ClientException', 'TaskDefinition not found.');
    return definition[1].Properties;
  }

  #definedVariables(body: Body): Record<string, string> {
    const containers = resolve(this.#template, this.#definition(body)['ContainerDefinitions']) as {
      Environment: { Name: string; Value: string }[];
    }[];
    return Object.fromEntries(
      containers.flatMap(({ Environment }) => Environment.map(({ Name, Value }) => [Name, Value])),
    );
  }

  #overridesFor(body: Body): Record<string, string> {
    const { containerOverrides } = body['overrides'] as {
      containerOverrides: { name: string; environment: { name: string; value: string }[] }[];
    };
    const worker = containerOverrides.filter(({ name }) => name === 'worker');
    return Object.fromEntries(worker.flatMap(({ environment }) => environment.map(({ name, value }) => [name, value])));
  }

  async #noticeEnd(task: FakeTask): Promise<void> {
    const [exitCode] = (await once(task.process, 'exit')) as [number | null];
    if (task.volume) await this.#options.ec2.endTaskVolume(task.volume.id, task.volume.wanted);
    task.lastStatus = 'STOPPED';
    await this.#options.onStopped(stoppedDetail(task, exitCode ?? 137));
  }
}

function stoppedDetail({ overrides }: FakeTask, exitCode: number): object {
  return {
    ...{ lastStatus: 'STOPPED', stoppedReason: 'Essential container in task exited' },
    ...{ containers: [{ name: 'worker', exitCode }], overrides },
  };
}
