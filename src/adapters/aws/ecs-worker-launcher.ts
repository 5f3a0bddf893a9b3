import { createHash } from 'node:crypto';
import {
  DescribeTasksCommand,
  type ECSClient,
  ListTasksCommand,
  type ListTasksCommandInput,
  RunTaskCommand,
  type RunTaskCommandInput,
  type RunTaskCommandOutput,
  StopTaskCommand,
  type Task,
  type TaskManagedEBSVolumeConfiguration,
  type TaskVolumeConfiguration,
} from '@aws-sdk/client-ecs';
import type { Clock } from '../../application/ports/clock.ts';
import type { WorkerLaunch, WorkerLauncher, WorkerVolume } from '../../application/ports/worker-launcher.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys, workerContainer, workerVolume } from '../../domain/names.ts';
import { isQuotaTrouble } from '../../domain/stopped-worker.ts';

export interface EcsWorkerLauncherOptions {
  readonly client: ECSClient;
  readonly clock: Clock;
  readonly cluster: string;
  readonly taskDefinition: string;
  /** Only for who launches workers with a volume. */
  readonly volumes?: WorkerVolumeOptions;
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
}

export interface WorkerVolumeOptions {
  /** Task definitions with a volume that is configured at launch, by the version of the mongod in their image. */
  readonly definitions: Readonly<Record<string, string>>;
  /** With which ECS makes, attaches and deletes the volumes. */
  readonly infrastructureRole: string;
}

/** DescribeTasks takes this many. */
const tasksPerCall = 100;
const pollMilliseconds = 2_000;
/** A task has its stop timeout (30 s) and then Fargate takes its machine away. */
const longestStop = 120_000;

/**
 * Workers as Fargate tasks. `startedBy` is the run; the only thing handed over is where the task document lies, because
 * overrides are shown by the console and kept by ECS: no token and no credentials are in them.
 */
export class EcsWorkerLauncher implements WorkerLauncher {
  readonly #options: EcsWorkerLauncherOptions;

  constructor(options: EcsWorkerLauncherOptions) {
    this.#options = options;
  }

  /** @throws WorkerFailed when Fargate has no room for it now (retryable), InvalidConfig when no worker has that mongod */
  async launch(task: WorkerLaunch): Promise<void> {
    const { failures = [] } = await this.#runTask(task).catch((error: unknown) => {
      const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw isQuotaTrouble(words) ? noTask(words, error) : error;
    });
    const [failure] = failures;
    if (failure === undefined) return;
    throw noTask(`${failure.reason ?? 'no reason given'} ${failure.detail ?? ''}`.trim());
  }

  async #runTask(task: WorkerLaunch): Promise<RunTaskCommandOutput> {
    const { client, cluster, subnets, securityGroups } = this.#options;
    return client.send(
      new RunTaskCommand({
        cluster,
        ...this.#definitionFor(task.volume),
        count: 1,
        launchType: 'FARGATE',
        platformVersion: '1.4.0',
        // A state that runs again with its token gets the task that runs already; a retry has a token of its own.
        clientToken: createHash('sha256').update(task.taskToken).digest('hex'),
        startedBy: task.runId,
        networkConfiguration: {
          awsvpcConfiguration: {
            subnets: task.volume?.subnet === undefined ? [...subnets] : [task.volume.subnet],
            securityGroups: [...securityGroups],
            assignPublicIp: 'DISABLED',
          },
        },
        overrides: {
          containerOverrides: [
            { name: workerContainer.name, environment: [{ name: workerContainer.taskKey, value: task.taskKey }] },
          ],
        },
      }),
    );
  }

  /** ECS demands a volume of every task whose definition leaves one to its launch, and takes none for any other. */
  #definitionFor(
    volume: WorkerVolume | undefined,
  ): Pick<RunTaskCommandInput, 'taskDefinition' | 'volumeConfigurations'> {
    const { taskDefinition, volumes } = this.#options;
    if (volume === undefined) return { taskDefinition };
    const definition = volumes?.definitions[volume.mongodbVersion];
    if (volumes === undefined || definition === undefined) {
      throw new HoldfastError('InvalidConfig', `the stage has no worker with MongoDB ${volume.mongodbVersion}`, {
        next: 'Name the version under mongodbVersion of the deployment, and deploy the stack again.',
      });
    }
    return { taskDefinition: definition, volumeConfigurations: [managedVolume(volume, volumes.infrastructureRole)] };
  }

  /** @throws WorkerLost when a task does not stop within two minutes */
  async stopAll(runId: string, attempts?: readonly string[]): Promise<void> {
    const { client, cluster, clock } = this.#options;
    const keys = attempts?.map((attempt) => stateKeys.task(runId, attempt));
    const wanted = (await this.#tasksOf(runId)).filter(
      (task) => keys === undefined || keys.includes(taskKeyOf(task) ?? ''),
    );
    let alive = wanted.filter(isAlive).flatMap(({ taskArn }) => taskArn ?? []);
    for (const task of alive) {
      await client.send(new StopTaskCommand({ cluster, task, reason: `the run ${runId} needs it no more` }));
    }
    for (const deadline = clock.now().getTime() + longestStop; alive.length > 0;) {
      alive = (await this.#describe(alive)).filter(isAlive).flatMap(({ taskArn }) => taskArn ?? []);
      if (alive.length === 0) return;
      if (clock.now().getTime() >= deadline) throw unstoppable(alive);
      await clock.sleep(pollMilliseconds);
    }
  }

  /** Tasks of the run: those that are to run, and those that were told to stop and may run yet. */
  async #tasksOf(runId: string): Promise<Task[]> {
    const { cluster } = this.#options;
    const running = await this.#list({ cluster, startedBy: runId });
    // `startedBy` must be the only filter, and without another only tasks are listed that are to run.
    const stopping = await this.#list({ cluster, desiredStatus: 'STOPPED' });
    const tasks = await this.#describe([...new Set([...running, ...stopping])]);
    return tasks.filter(({ startedBy }) => startedBy === runId);
  }

  async #list(filter: ListTasksCommandInput): Promise<string[]> {
    const arns: string[] = [];
    let nextToken: string | undefined;
    do {
      const page = await this.#options.client.send(new ListTasksCommand({ ...filter, nextToken }));
      arns.push(...(page.taskArns ?? []));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return arns;
  }

  /** A task that ECS forgot has stopped an hour ago. */
  async #describe(arns: readonly string[]): Promise<Task[]> {
    const { client, cluster } = this.#options;
    const tasks: Task[] = [];
    for (let from = 0; from < arns.length; from += tasksPerCall) {
      const page = new DescribeTasksCommand({ cluster, tasks: arns.slice(from, from + tasksPerCall) });
      tasks.push(...((await client.send(page)).tasks ?? []));
    }
    return tasks;
  }
}

/** A quota of tasks or vCPUs is free again when others have ended: that is tried again like any lack of room. */
function noTask(words: string, cause?: unknown): HoldfastError {
  const next = isQuotaTrouble(words)
    ? {
        next: 'Let fewer runs go on at once, or ask for more Fargate On-Demand vCPUs (Service Quotas), then start again.',
      }
    : {};
  return new HoldfastError('WorkerFailed', `ECS started no task: ${words}`, { ...next, cause });
}

/** What a gp3 has anyway, 3,000 IOPS and 125 MiB/s, is more than a task of two vCPUs moves. */
function managedVolume(volume: WorkerVolume, roleArn: string): TaskVolumeConfiguration {
  const { snapshotId, sizeGiB, filesystem, keep, tags } = volume;
  return {
    name: workerVolume.name,
    managedEBSVolume: {
      roleArn,
      volumeType: 'gp3',
      ...bought(volume),
      filesystemType: filesystem,
      ...(snapshotId !== null && { snapshotId }),
      ...(sizeGiB !== null && { sizeInGiB: sizeGiB }),
      tagSpecifications: [
        { resourceType: 'volume', tags: Object.entries(tags).map(([key, value]) => ({ key, value })) },
      ],
      terminationPolicy: { deleteOnTermination: !keep },
    },
  };
}

function bought({ performance, kmsKey, initializationRate }: WorkerVolume): Partial<TaskManagedEBSVolumeConfiguration> {
  const { type, iops, throughput = null } = performance ?? {};
  return {
    ...(type && { volumeType: type, iops }),
    ...(throughput !== null && { throughput }),
    ...(kmsKey !== undefined && { encrypted: true }),
    ...(typeof kmsKey === 'string' && { kmsKeyId: kmsKey }),
    ...(initializationRate !== undefined && { volumeInitializationRate: initializationRate }),
  };
}

function isAlive({ lastStatus }: Task): boolean {
  return lastStatus !== 'STOPPED' && lastStatus !== 'DELETED';
}

/** Which task document a task was started for. */
export function taskKeyOf(task: Pick<Task, 'overrides'>): string | undefined {
  return task.overrides?.containerOverrides
    ?.find(({ name }) => name === workerContainer.name)
    ?.environment?.find(({ name }) => name === workerContainer.taskKey)?.value;
}

function unstoppable(arns: readonly string[]): HoldfastError {
  return new HoldfastError('WorkerLost', `ECS did not stop ${arns.join(', ')} in two minutes; it may still write`, {
    next: 'Look at the task in the ECS console; the next sweep tries again.',
  });
}
