/** Sizes of a stage on AWS: what the stack builds and what a forecast of its cost counts with. */

/** The task of a worker. `cpu` in 1/1024 vCPU; with its memory as Fargate offers it. */
export const workerTaskSize = { cpu: 2048, memoryMiB: 4096 } as const;

/** How long the worker of a part may take: the limit of its state in restore.asl.json. Then its run fails, whatever is done by then. */
export const workerLimitSeconds = 48 * 60 * 60;

export const sweepEveryMinutes = 15;

/** Seconds between two turns of an oplog archive. */
export const archiveTurnSeconds = 60;

/** Days for which a bucket keeps what was overwritten or deleted: time to notice. */
export const oldVersionDays = 30;

/** AWS services that the stack makes interface endpoints for, in every zone, when it is asked to (`createEndpoints`). */
export const endpointServices = [
  'secretsmanager',
  'states',
  'ecs',
  'ec2',
  'events',
  'logs',
  'ecr.api',
  'ecr.dkr',
] as const;

/** And these where a deployment has `lock: true`. */
export const lockEndpointServices = ['scheduler'] as const;
