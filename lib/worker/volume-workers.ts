import type * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { stageNames, workerVolume } from '../../src/domain/names.ts';
import { makeInfrastructureRole } from './infrastructure-role.ts';
import { WorkerDefinition, type WorkerDefinitionProps } from './worker-definition.ts';
import { makeWorkerImage } from './worker-image.ts';

export interface VolumeWorkersProps extends Omit<WorkerDefinitionProps, 'family' | 'image' | 'volume' | 'logPrefix'> {
  readonly stage: string;
  /** Folder with Dockerfile and bundle. */
  readonly imageFolder: string;
  /** The versions of mongod that deployments name: an image and a definition for each. */
  readonly mongodbVersions: readonly string[];
  /** ARNs of the KMS keys that members' volumes are encrypted with. */
  readonly volumeKeys: readonly string[];
}

/**
 * Workers that get a volume when they are launched, with a mongod that can start on the files on it: for physical backups
 * and restores.
 */
export class VolumeWorkers extends Construct {
  /** By version. */
  readonly definitions: Readonly<Record<string, WorkerDefinition>>;
  /** With which ECS makes, attaches and deletes their volumes: `roleArn` of RunTask's volume. */
  readonly infrastructureRole: iam.Role;

  /** `version=arn`, separated by commas: as functions get them. */
  get definitionList(): string {
    const pairs = Object.entries(this.definitions).map(
      ([version, { definition }]) => `${version}=${definition.taskDefinitionArn}`,
    );
    return pairs.join(',');
  }

  constructor(scope: Construct, id: string, props: VolumeWorkersProps) {
    super(scope, id);
    const { stage, imageFolder, mongodbVersions, volumeKeys, ...shared } = props;
    this.infrastructureRole = makeInfrastructureRole(this, 'InfrastructureRole', stage, volumeKeys);
    this.definitions = Object.fromEntries(
      mongodbVersions.map((version) => {
        const name = version.replaceAll('.', '-');
        const definition = new WorkerDefinition(this, `Mongodb${name}`, {
          ...shared,
          family: stageNames.volumeWorker(stage, version),
          image: makeWorkerImage(this, `Image${name}`, {
            folder: imageFolder,
            architecture: shared.architecture,
            mongodbVersion: version,
          }),
          logPrefix: 'volume',
          volume: workerVolume,
        });
        return [version, definition];
      }),
    );
  }
}
