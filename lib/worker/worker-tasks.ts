import * as cdk from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { MongodArchitecture } from '../../src/domain/mongod-build.ts';
import { stageNames } from '../../src/domain/names.ts';
import { workerTaskSize } from '../../src/domain/stage-sizes.ts';
import { checkedName } from '../checked-name.ts';
import type { PrivateNetwork } from '../functions/app-function.ts';
import { explainGrant } from '../grant.ts';
import { VolumeWorkers } from './volume-workers.ts';
import { type DefinedVariables, WorkerDefinition } from './worker-definition.ts';
import { makeWorkerImage } from './worker-image.ts';

export interface WorkerTasksProps {
  readonly stage: string;
  readonly key: kms.IKey;
  readonly network: PrivateNetwork;
  /** Folder with Dockerfile and bundle. */
  readonly imageFolder: string;
  /** The versions of mongod that deployments name; with none, there are no workers with a volume. */
  readonly mongodbVersions: readonly string[];
  /** ARNs of the KMS keys that members' volumes are encrypted with. */
  readonly volumeKeys: readonly string[];
  readonly environment: DefinedVariables;
  /** A power of two from 256; with its memory as Fargate offers it. */
  readonly cpu?: number;
  readonly memoryMiB?: number;
  readonly architecture?: MongodArchitecture;
}

/** The cluster and the task definitions of workers. They answer by task token; nothing connects to them. */
export class WorkerTasks extends Construct {
  readonly cluster: ecs.Cluster;
  readonly clusterName: string;
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** What the worker itself may do. */
  readonly taskRole: iam.Role;
  /** What ECS needs to start it: image and log. */
  readonly executionRole: iam.Role;
  /** Undefined where no deployment names a mongodbVersion. */
  readonly volumeWorkers: VolumeWorkers | undefined;

  constructor(scope: Construct, id: string, props: WorkerTasksProps) {
    super(scope, id);
    const family = checkedName(stageNames.worker(props.stage), 64, 'a task definition');
    this.clusterName = family;
    this.cluster = new ecs.Cluster(this, 'Cluster', {
      clusterName: family,
      vpc: props.network.vpc,
      containerInsightsV2: ecs.ContainerInsights.ENABLED,
    });
    const tasks = new iam.ServicePrincipal('ecs-tasks.amazonaws.com');
    this.taskRole = new iam.Role(this, 'TaskRole', { assumedBy: tasks });
    this.executionRole = new iam.Role(this, 'ExecutionRole', { assumedBy: tasks });
    explainExecution(this.executionRole);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/holdfast/${family}`,
      retention: logs.RetentionDays.THREE_MONTHS,
      encryptionKey: props.key,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    const shared = {
      architecture: props.architecture ?? ('arm64' as const),
      cpu: props.cpu ?? workerTaskSize.cpu,
      memoryMiB: props.memoryMiB ?? workerTaskSize.memoryMiB,
      taskRole: this.taskRole,
      executionRole: this.executionRole,
      logGroup,
      environment: props.environment,
    };
    const { architecture } = shared;
    const { imageFolder, mongodbVersions, volumeKeys } = props;
    const image = makeWorkerImage(this, 'Image', { folder: imageFolder, architecture });
    this.taskDefinition = new WorkerDefinition(this, 'Worker', {
      ...shared,
      family,
      image,
      logPrefix: 'run',
    }).definition;
    this.volumeWorkers =
      mongodbVersions.length === 0
        ? undefined
        : new VolumeWorkers(this, 'Volume', {
            ...{ ...shared, stage: props.stage, imageFolder, mongodbVersions, volumeKeys },
          });
  }
}

/** What CDK grants to the role that starts workers. */
function explainExecution(role: iam.Role): void {
  explainGrant(role, {
    actions: [
      'ecr:GetAuthorizationToken',
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:GetDownloadUrlForLayer',
    ],
    purpose: 'ECS pulls the worker’s image',
    because: 'ecr:GetAuthorizationToken knows no resources.',
  });
  explainGrant(role, {
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    purpose: 'ECS writes the worker’s log',
  });
}
