import * as assets from 'aws-cdk-lib/aws-ecr-assets';
import type { Construct } from 'constructs';
import { mongodBuild, type MongodArchitecture } from '../../src/domain/mongod-build.ts';

export interface WorkerImageProps {
  /** Folder with Dockerfile and bundle. */
  readonly folder: string;
  readonly architecture: MongodArchitecture;
  /** Of the mongod in it, such as `6.0.5`; none is in it when left out. */
  readonly mongodbVersion?: string;
}

/** The worker's image, which is built and pushed at deployment; the stack only has its name. */
export function makeWorkerImage(
  scope: Construct,
  id: string,
  { folder, architecture, mongodbVersion }: WorkerImageProps,
): assets.DockerImageAsset {
  return new assets.DockerImageAsset(scope, id, {
    directory: folder,
    platform: architecture === 'arm64' ? assets.Platform.LINUX_ARM64 : assets.Platform.LINUX_AMD64,
    ...(mongodbVersion === undefined
      ? { target: 'worker' }
      : {
          target: 'worker-with-mongod',
          buildArgs: { MONGODB_BUILD: mongodBuild(mongodbVersion, architecture) },
        }),
  });
}
