import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MotoServer, startMoto } from '../../../local/servers/moto-server.ts';
import { EmbeddedExecutions, type Execution, TaskTokenError } from '../../../local/states-language/executions.ts';
import { MemoryJournal } from '../../../local/states-language/journal.ts';
import { loadStateMachine } from '../../../local/states-language/load-state-machine.ts';
import { S3ObjectStore } from '../../../src/adapters/aws/s3-object-store.ts';
import { SystemClock } from '../../../src/adapters/process/system-clock.ts';
import type { WorkflowName } from '../../../statemachines/manifest.ts';
import { BundledFunction } from './bundled-function.ts';
import { AwsError, FakeAws } from './fake-aws.ts';
import { FakeTasks } from './fake-tasks.ts';
import {
  account,
  physicalName,
  readTemplate,
  region,
  resolve,
  resourceNamed,
  resourcesOf,
  type Template,
} from './template.ts';

export interface AwsStageOptions {
  /** Path of the synthesised template; the bundles lie beside it. */
  readonly template: string;
  /** Where the deployment `orders` really is. */
  readonly uri: string;
  /** Texts of secrets, by ARN. */
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * A stage as it is synthesised, running here: its state machines on the embedded engine, its bundles in threads and
 * processes with the environment of the template, S3 on moto; ECS, Step Functions, EventBridge and Secrets Manager answered
 * by this class. Everything that a process asks of AWS is recorded under the name of its role.
 */
export class AwsStage {
  readonly aws: FakeAws;
  readonly template: Template;
  readonly published: { DetailType: string; Detail: string }[] = [];
  readonly logs = new Map<string, string>();
  readonly journals = new Map<string, MemoryJournal>();
  readonly #options: AwsStageOptions;
  readonly #moto: MotoServer;
  readonly #executions: EmbeddedExecutions;
  readonly #running = new Map<string, Execution>();
  readonly #functions = new Map<string, BundledFunction>();
  readonly #tasks: FakeTasks;
  #endpoint = '';

  private constructor(options: AwsStageOptions, moto: MotoServer) {
    this.#options = options;
    this.#moto = moto;
    this.aws = new FakeAws(moto.endpoint);
    this.template = readTemplate(options.template);
    this.#executions = new EmbeddedExecutions({
      clock: new SystemClock(),
      tasks: (arn, payload) => this.invoke(this.#functionOf(arn), payload),
      journal: (name) => {
        const journal = new MemoryJournal();
        this.journals.set(name, journal);
        return journal;
      },
    });
    this.#answerStates();
    this.#tasks = new FakeTasks(this.aws, this.template, {
      bundle: join(dirname(options.template), 'built', 'image', 'worker', 'index.mjs'),
      environment: () => this.#awsEnvironment('worker'),
      onLog: (stream) => {
        this.#keepLog('worker', stream);
      },
      onStopped: async (detail) => {
        await this.invoke('report-stopped-task', { source: 'aws.ecs', detail });
      },
    });
    this.aws.answers.set('events:PutEvents', (body) => {
      this.published.push(...(body['Entries'] as { DetailType: string; Detail: string }[]));
      return { FailedEntryCount: 0, Entries: [{ EventId: 'e' }] };
    });
    this.aws.answers.set('secretsmanager:GetSecretValue', (body) => {
      const text = options.secrets[String(body['SecretId'])];
      if (text === undefined) throw new AwsError('ResourceNotFoundException', 'no such secret');
      return { SecretString: text };
    });
  }

  static async start(options: AwsStageOptions): Promise<AwsStage> {
    const stage = new AwsStage(options, await startMoto());
    stage.#endpoint = await stage.aws.listen();
    await stage.#makeBuckets();
    return stage;
  }

  async stop(): Promise<void> {
    this.#tasks.kill();
    for (const bundled of this.#functions.values()) await bundled.stop();
    await this.aws.close();
    await this.#moto.stop();
  }

  /** An S3 bucket of the stage as the test looks into it. */
  bucket(logicalIdPart: string, prefix = ''): S3ObjectStore {
    const [id] = resourcesOf(this.template, 'AWS::S3::Bucket').find(([name]) => name.includes(logicalIdPart)) ?? [''];
    return this.#store(physicalName(this.template, id), prefix);
  }

  /** Starts an execution of a machine as it is in the template. */
  startExecution(workflow: WorkflowName, name: string, input: unknown): Execution {
    const execution = this.#executions.start(this.#machine(workflow), name, input);
    this.#running.set(
      `arn:aws:states:${region}:${account}:execution:${this.#machineName(workflow)}:${name}`,
      execution,
    );
    void execution.result.finally(() => {
      this.#ended.add(execution);
    });
    return execution;
  }
  readonly #ended = new Set<Execution>();

  /** @param folder of the function under lambdas/ */
  async invoke(folder: string, payload: unknown): Promise<unknown> {
    return this.#bundled(folder).invoke(payload);
  }

  #machineName(workflow: WorkflowName): string {
    return `holdfast-test-${workflow}`;
  }

  #machine(workflow: WorkflowName) {
    const { Properties } = resourceNamed(
      this.template,
      'AWS::StepFunctions::StateMachine',
      'StateMachineName',
      this.#machineName(workflow),
    );
    const substitutions = resolve(this.template, Properties['DefinitionSubstitutions']) as Record<string, string>;
    return loadStateMachine(String(Properties['DefinitionString']), substitutions, this.#machineName(workflow));
  }

  #functionOf(arn: string): string {
    return arn.replace(/^.*:function:holdfast-test-/, '');
  }

  #bundled(folder: string): BundledFunction {
    const known = this.#functions.get(folder);
    if (known !== undefined) return known;
    const functionName = `holdfast-test-${folder}`;
    const { Properties } = resourceNamed(this.template, 'AWS::Lambda::Function', 'FunctionName', functionName);
    const hash = (Properties['Code'] as { S3Key: string }).S3Key.replace('.zip', '');
    const bundle = join(dirname(this.#options.template), `asset.${hash}`, 'index.mjs');
    const { Variables } = resolve(this.template, Properties['Environment']) as { Variables: Record<string, string> };
    const environment = { ...this.#awsEnvironment(folder), ...Variables };
    const bundled = new BundledFunction(functionName, bundle, environment, Number(Properties['Timeout']) * 1000);
    this.#keepLog(folder, bundled.log);
    this.#functions.set(folder, bundled);
    return bundled;
  }

  #keepLog(name: string, stream: NodeJS.ReadableStream): void {
    stream.on('data', (chunk: Buffer) => this.logs.set(name, (this.logs.get(name) ?? '') + chunk.toString('utf8')));
  }

  #awsEnvironment(caller: string): Record<string, string> {
    return {
      AWS_REGION: region,
      AWS_ENDPOINT_URL: this.#endpoint,
      // The fake tells by it who calls.
      AWS_ACCESS_KEY_ID: caller,
      AWS_SECRET_ACCESS_KEY: 'none',
    };
  }

  #store(bucket: string, prefix: string): S3ObjectStore {
    process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
    process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';
    return new S3ObjectStore({ bucket, prefix, region, endpoint: this.#moto.endpoint, forcePathStyle: true });
  }

  async #makeBuckets(): Promise<void> {
    for (const [id, { Properties }] of resourcesOf(this.template, 'AWS::S3::Bucket')) {
      await this.#moto.makeBucket(physicalName(this.template, id), {
        objectLock: Properties['ObjectLockEnabled'] === true,
      });
    }
    const assets = `cdk-hnb659fds-assets-${account}-${region}`;
    await this.#moto.makeBucket(assets);
    await this.#moto.makeBucket('team-backups');
    const [, inspect] =
      resourcesOf(this.template, 'AWS::Lambda::Function').find(([id]) => id.includes('InspectDeployment')) ?? [];
    const { Variables } = resolve(this.template, inspect?.Properties['Environment']) as {
      Variables: { CONFIG_URI: string };
    };
    const key = new URL(Variables.CONFIG_URI).pathname.slice(1);
    const config = JSON.parse(readFileSync(join(dirname(this.#options.template), `asset.${key}`), 'utf8')) as {
      deployments: { orders: { uri: string } };
    };
    config.deployments.orders.uri = this.#options.uri;
    await this.#store(assets, '').put(key, Buffer.from(JSON.stringify(config)));
  }

  #answerStates(): void {
    const token = (answer: () => void) => {
      try {
        answer();
        return {};
      } catch (error) {
        if (error instanceof TaskTokenError) throw new AwsError('TaskTimedOut', 'nobody waits for it');
        throw error;
      }
    };
    this.aws.answers.set('states:SendTaskSuccess', (body) =>
      token(() => {
        this.#executions.sendTaskSuccess(String(body['taskToken']), JSON.parse(String(body['output'])));
      }),
    );
    this.aws.answers.set('states:SendTaskFailure', (body) =>
      token(() => {
        this.#executions.sendTaskFailure(String(body['taskToken']), String(body['error']), String(body['cause']));
      }),
    );
    this.aws.answers.set('states:SendTaskHeartbeat', (body) =>
      token(() => {
        this.#executions.sendTaskHeartbeat(String(body['taskToken']));
      }),
    );
    this.aws.answers.set('states:DescribeExecution', (body) => {
      const execution = this.#running.get(String(body['executionArn']));
      if (execution === undefined) throw new AwsError('ExecutionDoesNotExist', 'no such execution');
      return { status: this.#ended.has(execution) ? 'SUCCEEDED' : 'RUNNING' };
    });
  }

  /** Kills the workers that run, as a machine that fails does. @returns whether there were any */
  killWorker(): boolean {
    return this.#tasks.kill();
  }

  /** `RUNNING` or `STOPPED`, for each task that was started for a run. */
  workersOf(runId: string): string[] {
    return this.#tasks.statusesOf(runId);
  }

  allLogs(): string {
    return [...this.logs].map(([name, text]) => `${name}: ${text}`).join('\n');
  }
}
