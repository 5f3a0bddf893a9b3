import * as cdk from 'aws-cdk-lib';
import type * as assets from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { z } from 'zod';
import { workerContainer } from '../../src/domain/names.ts';
import type { MongodArchitecture } from '../../src/domain/mongod-build.ts';
import type { environment } from '../../worker/env.ts';
import { checkedName } from '../checked-name.ts';

/** What the worker's env.ts demands, but for the pointer that each task gets, and the place of its volume. */
export type DefinedVariables = Omit<z.input<typeof environment>, typeof workerContainer.taskKey | 'VOLUME_PATH'>;

export interface WorkerDefinitionProps {
  readonly family: string;
  readonly image: assets.DockerImageAsset;
  readonly architecture: MongodArchitecture;
  /** A power of two from 256; with its memory as Fargate offers it. */
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly taskRole: iam.Role;
  readonly executionRole: iam.Role;
  readonly logGroup: logs.ILogGroup;
  readonly logPrefix: string;
  readonly environment: DefinedVariables;
  /** A volume that is configured at launch: every RunTask must bring one. Such a worker is root: files of mongod are 0600. */
  readonly volume?: { readonly name: string; readonly path: string };
}

/** A mongod that is started on the volume's files has its log and its key elsewhere: the file system is read-only. */
const temporary = { name: 'temporary', path: '/tmp' } as const;

/** A task definition of workers: one container, no shell in its path, a read-only file system. */
export class WorkerDefinition extends Construct {
  readonly definition: ecs.FargateTaskDefinition;

  constructor(scope: Construct, id: string, props: WorkerDefinitionProps) {
    super(scope, id);
    const { family, volume, architecture } = props;
    this.definition = new ecs.FargateTaskDefinition(this, 'Definition', {
      family: checkedName(family, 64, 'a task definition'),
      cpu: props.cpu,
      memoryLimitMiB: props.memoryMiB,
      runtimePlatform: {
        cpuArchitecture: architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: props.taskRole,
      executionRole: props.executionRole,
      ...(volume && { volumes: [{ name: volume.name, configuredAtLaunch: true }, { name: temporary.name }] }),
    });
    this.#addContainer(props);
    cdk.Validations.of(this.definition).acknowledge({
      id: 'AwsSolutions-ECS2',
      reason: 'The variables of the task are names of places; credentials are read from Secrets Manager by the worker.',
    });
  }

  #addContainer({ image, logGroup, logPrefix, environment, volume }: WorkerDefinitionProps): void {
    const container = this.definition.addContainer(workerContainer.name, {
      image: ecs.ContainerImage.fromDockerImageAsset(image),
      logging: ecs.LogDriver.awsLogs({ logGroup, streamPrefix: logPrefix, mode: ecs.AwsLogDriverMode.NON_BLOCKING }),
      environment: { ...environment, ...(volume && { VOLUME_PATH: volume.path }) },
      readonlyRootFilesystem: true,
      linuxParameters: new ecs.LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
      // The worker contract: 25 s to write a checkpoint and to release what it holds.
      stopTimeout: cdk.Duration.seconds(30),
      ...(volume && { user: '0:0' }),
    });
    if (volume === undefined) return;
    container.addMountPoints(
      { sourceVolume: volume.name, containerPath: volume.path, readOnly: false },
      { sourceVolume: temporary.name, containerPath: temporary.path, readOnly: false },
    );
  }
}
