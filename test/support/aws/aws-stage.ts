import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findMongod } from '../../../local/servers/find-mongod.ts';
import { type MotoServer, startMoto } from '../../../local/servers/moto-server.ts';
import type { Execution } from '../../../local/states-language/executions.ts';
import { S3ObjectStore } from '../../../src/adapters/aws/s3-object-store.ts';
import type { WorkflowName } from '../../../statemachines/manifest.ts';
import { BundledFunction } from './bundled-function.ts';
import { AwsError, FakeAws } from './fake-aws.ts';
import { FakeEc2 } from './fake-ec2.ts';
import { FakeHttpApi } from './fake-http-api.ts';
import { FakeScheduler } from './fake-scheduler.ts';
import { FakeStepFunctions } from './fake-step-functions.ts';
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
  /** Where deployments really are, by their names. */
  readonly uris: Readonly<Record<string, string>>;
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
  readonly ec2: FakeEc2;
  readonly template: Template;
  readonly published: { DetailType: string; Detail: string }[] = [];
  readonly logs = new Map<string, string>();
  /** Is called, and waited for, before each call of a function: what comes between two states of a run. */
  beforeCall: (folder: string, payload: unknown) => unknown = () => undefined;
  readonly workflows: FakeStepFunctions;
  readonly api: FakeHttpApi;
  readonly schedules: FakeScheduler;
  readonly #options: AwsStageOptions;
  readonly #moto: MotoServer;
  readonly #functions = new Map<string, BundledFunction>();
  readonly #tasks: FakeTasks;
  #endpoint = '';

  private constructor(options: AwsStageOptions, moto: MotoServer, mongod: string) {
    this.#options = options;
    this.#moto = moto;
    this.aws = new FakeAws(moto.endpoint);
    this.ec2 = new FakeEc2(this.aws, moto.endpoint);
    this.template = readTemplate(options.template);
    this.workflows = new FakeStepFunctions(this.aws, this.template, (arn, payload) =>
      this.invoke(arn.replace(/^.*:function:holdfast-test-/, ''), payload),
    );
    this.schedules = new FakeScheduler(this.template, moto.endpoint, (folder, payload) => this.invoke(folder, payload));
    this.api = new FakeHttpApi(this.template, (folder, payload) => this.invoke(folder, payload));
    this.#tasks = new FakeTasks(this.aws, this.template, {
      ...{ ec2: this.ec2, mongod },
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
    const stage = new AwsStage(options, await startMoto(), (await findMongod()).path);
    stage.#endpoint = await stage.aws.listen();
    await stage.#makeBuckets();
    await stage.schedules.makeGroups();
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
    return this.workflows.startExecution(workflow, name, input);
  }

  /** @param folder of the function under lambdas/ */
  async invoke(folder: string, payload: unknown): Promise<unknown> {
    await this.beforeCall(folder, payload);
    return this.#bundled(folder).invoke(payload);
  }

  /** The folders of the functions that were called. */
  get calledFunctions(): readonly string[] {
    return [...this.#functions.keys()];
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
      deployments: Record<string, { uri: string }>;
    };
    for (const [name, uri] of Object.entries(this.#options.uris))
      Object.assign(config.deployments[name] ?? {}, { uri });
    await this.#store(assets, '').put(key, Buffer.from(JSON.stringify(config)));
  }

  /** Kills the workers that run, as a machine that fails does. @returns whether there were any */
  killWorker(): boolean {
    return this.#tasks.kill();
  }

  /** Lets the workers of a run hang; with `lost` ECS says that they stopped, though they are there. */
  async hangWorker(runId: string, { lost = false }: { readonly lost?: boolean } = {}): Promise<void> {
    for (const detail of this.#tasks.hang(runId))
      if (lost) await this.invoke('report-stopped-task', { source: 'aws.ecs', detail });
  }

  /** Ends a function in the middle of its call, as Lambda's runtime dies; the next call gets a new one. */
  async killFunction(folder: string): Promise<void> {
    const dying = this.#functions.get(folder);
    this.#functions.delete(folder);
    await dying?.kill();
  }

  /** `RUNNING` or `STOPPED`, for each task that was started for a run. */
  workersOf(runId: string): string[] {
    return this.#tasks.statusesOf(runId);
  }

  allLogs(): string {
    return [...this.logs].map(([name, text]) => `${name}: ${text}`).join('\n');
  }
}
