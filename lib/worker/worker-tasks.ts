import * as cdk from 'aws-cdk-lib';
import * as assets from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { z } from 'zod';
import { stageNames, workerContainer } from '../../src/domain/names.ts';
import { workerTaskSize } from '../../src/domain/stage-sizes.ts';
import type { environment } from '../../worker/env.ts';
import { checkedName } from '../checked-name.ts';
import type { PrivateNetwork } from '../functions/app-function.ts';
import { explainGrant } from '../grant.ts';

export interface WorkerTasksProps {
  readonly stage: string;
  readonly key: kms.IKey;
  readonly network: PrivateNetwork;
  /** Folder with Dockerfile and bundle. */
  readonly imageFolder: string;
  /** What the worker's env.ts demands, but for the pointer that each task gets. */
  readonly environment: Omit<z.input<typeof environment>, typeof workerContainer.taskKey>;
  /** A power of two from 256; with its memory as Fargate offers it. */
  readonly cpu?: number;
  readonly memoryMiB?: number;
  readonly architecture?: 'arm64' | 'x86_64';
}

/** The cluster and the task definition of workers. They answer by task token; nothing connects to them. */
export class WorkerTasks extends Construct {
  readonly cluster: ecs.Cluster;
  readonly clusterName: string;
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** What the worker itself may do. */
  readonly taskRole: iam.Role;
  /** What ECS needs to start it: image and log. */
  readonly executionRole: iam.Role;

  constructor(scope: Construct, id: string, props: WorkerTasksProps) {
    super(scope, id);
    const family = checkedName(stageNames.worker(props.stage), 64, 'a task definition');
    const arm = props.architecture !== 'x86_64';
    this.clusterName = family;
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: family,
      vpc: props.network.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
    });
    const tasks = new iam.ServicePrincipal('ecs-tasks.amazonaws.com');
    this.taskRole = new iam.Role(this, 'TaskRole', { assumedBy: tasks });
    this.executionRole = new iam.Role(this, 'ExecutionRole', { assumedBy: tasks });
    explainGrant(this.executionRole, {
      actions: [
        'ecr:GetAuthorizationToken',
        'ecr:BatchCheckLayerAvailability',
        'ecr:BatchGetImage',
        'ecr:GetDownloadUrlForLayer',
      ],
      purpose: 'ECS pulls the worker’s image',
      because: 'ecr:GetAuthorizationToken knows no resources.',
    });
    explainGrant(this.executionRole, {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      purpose: 'ECS writes the worker’s log',
    });
    this.taskDefinition = new ecs.FargateTaskDefinition(this, 'Worker', {
      family,
      cpu: props.cpu ?? workerTaskSize.cpu,
      memoryLimitMiB: props.memoryMiB ?? workerTaskSize.memoryMiB,
      runtimePlatform: {
        cpuArchitecture: arm ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: this.taskRole,
      executionRole: this.executionRole,
    });
    const image = new assets.DockerImageAsset(this, 'Image', {
      directory: props.imageFolder,
      platform: arm ? assets.Platform.LINUX_ARM64 : assets.Platform.LINUX_AMD64,
    });
    this.#addContainer(image, family, props);
  }

  #addContainer(image: assets.DockerImageAsset, family: string, { environment, key }: WorkerTasksProps): void {
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/holdfast/${family}`,
      retention: logs.RetentionDays.THREE_MONTHS,
      encryptionKey: key,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    this.taskDefinition.addContainer(workerContainer.name, {
      image: ecs.ContainerImage.fromDockerImageAsset(image),
      logging: ecs.LogDriver.awsLogs({ logGroup, streamPrefix: 'run', mode: ecs.AwsLogDriverMode.NON_BLOCKING }),
      environment: { ...environment },
      readonlyRootFilesystem: true,
      linuxParameters: new ecs.LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
      // The worker contract: 25 s to write a checkpoint and to release what it holds.
      stopTimeout: cdk.Duration.seconds(30),
    });
    cdk.Validations.of(this.taskDefinition).acknowledge({
      id: 'AwsSolutions-ECS2',
      reason: 'The variables of the task are names of places; credentials are read from Secrets Manager by the worker.',
    });
  }
}
