import { createHash } from 'node:crypto';
import {
  DescribeTasksCommand,
  type ECSClient,
  ListTasksCommand,
  type ListTasksCommandInput,
  RunTaskCommand,
  StopTaskCommand,
  type Task,
} from '@aws-sdk/client-ecs';
import type { Clock } from '../../application/ports/clock.ts';
import type { WorkerLauncher } from '../../application/ports/worker-launcher.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { stateKeys, workerContainer } from '../../domain/names.ts';

export interface EcsWorkerLauncherOptions {
  readonly client: ECSClient;
  readonly clock: Clock;
  readonly cluster: string;
  readonly taskDefinition: string;
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
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

  /** @throws WorkerFailed when Fargate has no room for it now (retryable) */
  async launch(task: Parameters<WorkerLauncher['launch']>[0]): Promise<void> {
    const { client, cluster, taskDefinition, subnets, securityGroups } = this.#options;
    const { failures = [] } = await client.send(
      new RunTaskCommand({
        cluster,
        taskDefinition,
        count: 1,
        launchType: 'FARGATE',
        platformVersion: '1.4.0',
        // A state that runs again with its token gets the task that runs already; a retry has a token of its own.
        clientToken: createHash('sha256').update(task.taskToken).digest('hex'),
        startedBy: task.runId,
        networkConfiguration: {
          awsvpcConfiguration: {
            subnets: [...subnets],
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
    const [failure] = failures;
    if (failure === undefined) return;
    throw new HoldfastError(
      'WorkerFailed',
      `ECS started no task: ${failure.reason ?? 'no reason given'} ${failure.detail ?? ''}`.trim(),
    );
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
    const { cluster, taskDefinition } = this.#options;
    const running = await this.#list({ cluster, startedBy: runId });
    // `startedBy` must be the only filter, and without another only tasks are listed that are to run.
    const stopping = await this.#list({ cluster, family: familyOf(taskDefinition), desiredStatus: 'STOPPED' });
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

/** `holdfast-prod-worker` of `arn:…:task-definition/holdfast-prod-worker:3`. */
function familyOf(taskDefinition: string): string {
  return taskDefinition.replace(/^.*task-definition\//, '').replace(/:\d+$/, '');
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
