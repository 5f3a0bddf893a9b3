import * as z from 'zod';
import { compressionSchema } from '../domain/compression.ts';
import { ebsSettingsSchema } from '../domain/ebs-settings.ts';
import { methodSchema } from '../domain/manifest.ts';
import { deploymentNamePattern } from '../domain/names.ts';
import { objectLockModeSchema } from '../domain/object-lock.ts';
import {
  credentialsSourceSchema,
  memberPreferencesSchema,
  mongodbVersionSchema,
  networkSchema,
  oplogArchiveOptions,
  retentionSchema,
  scheduleSchema,
} from '../domain/settings.ts';
import { bandwidthSchema } from './bandwidth.ts';

/** What is taken where the config file says nothing. Member and compression defaults stand with their schemas in src/domain/settings.ts. */
export const configDefaults = {
  stage: 'local',
  stateDir: '.holdfast',
  parallel: 4,
  /** What servers other than AWS are asked with, which mostly know one region. */
  endpointRegion: 'us-east-1',
} as const;

const named = <Value extends z.ZodType>(value: Value, what: string) =>
  z.record(
    z.string().regex(deploymentNamePattern, `expected a ${what} name: a letter, then at most 30 of a-z, 0-9 and -`),
    value,
  );

const storageSchema = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('directory'),
      path: z.string().min(1).meta({ description: 'Folder for the artifacts; relative to this file.' }),
    })
    .meta({ description: 'A folder of this machine, or mounted by it.' }),
  z
    .strictObject({
      type: z.literal('s3'),
      bucket: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/, 'expected the name of a bucket')
        .optional()
        .meta({ description: 'On AWS the stack makes one when left out.' }),
      prefix: z
        .string()
        .regex(/^[\w.!*'()-]+(\/[\w.!*'()-]+)*\/?$/, "expected segments of a-z, A-Z, 0-9, and _.!*'()-, joined by /")
        .optional()
        .meta({ description: 'Before every key: holdfast/. A storage needs a place of its own in the bucket.' }),
      region: z
        .string()
        .regex(/^[a-z0-9-]+$/, 'expected a region such as eu-central-1')
        .optional()
        .meta({ description: 'Of the bucket; may be left out beside endpoint.' }),
      endpoint: z.string().optional().meta({
        description: "https://HOST[:PORT] of a server that speaks S3's API; AWS when left out.",
      }),
      forcePathStyle: z.boolean().optional().meta({
        description: 'ENDPOINT/BUCKET/KEY, as MinIO wants it; default: true beside endpoint.',
      }),
      caFile: z.string().min(1).optional().meta({ description: "PEM of the endpoint's CA; relative to this file." }),
      credentials: credentialsSourceSchema.optional().meta({
        description:
          "Where the access key comes from: { env: NAME } or { file: PATH }. The AWS SDK's chain when left out: environment, profile, role.",
      }),
      kmsKey: z.string().min(1).optional().meta({
        description:
          'Id, alias or ARN of the KMS key that objects are encrypted with, or create: the stack makes one for its bucket; default: as the bucket says.',
      }),
      objectLock: objectLockModeSchema.optional().meta({
        description:
          "Nobody can delete the objects of a backup for the deployment's retention; governance: but those with the right to bypass it.",
      }),
    })
    .meta({ description: "A bucket of S3, or of a server that speaks S3's API." }),
]);

const deploymentSchema = z.strictObject({
  uri: z.string().min(1).meta({
    description: 'mongodb://host1:27017,host2:27017/?replicaSet=NAME, without user and password.',
  }),
  credentials: credentialsSourceSchema.optional().meta({
    description:
      'Where the backup user comes from: { env: NAME } or { file: PATH }. Leave out when authentication is off.',
  }),
  restoreCredentials: credentialsSourceSchema
    .optional()
    .meta({ description: 'The user of restores; only they use it.' }),
  method: methodSchema.optional().meta({ description: 'The default method; chosen by rule when left out.' }),
  storage: z
    .string()
    .optional()
    .meta({ description: 'A name under storages; may be left out when there is only one.' }),
  tls: z
    .strictObject({ caFile: z.string().min(1).optional() })
    .optional()
    .meta({
      description: 'TLS is on when this is there or the URI says tls=true. caFile: PEM; relative to this file.',
    }),
  mongodbVersion: mongodbVersionSchema.optional().meta({
    description: 'Of the mongod in the image of workers that start one on copied files, such as 6.0.5.',
  }),
  member: memberPreferencesSchema.optional().meta({ description: 'Which member may be read.' }),
  compression: compressionSchema.optional(),
  volumes: z
    .record(
      z.string().regex(/^[^:\s]+:\d+$|^\[[^\]]+\]:\d+$/, 'expected host:port'),
      z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    )
    .optional()
    .meta({
      description:
        'For the methods snapshot and physical, by host:port of each member: its data directory, relative to this file; on AWS its EBS volume, or a list of them.',
    }),
  ebs: ebsSettingsSchema.optional().meta({
    description: 'On AWS: how volumes are found that are not named, and how the data lies on them.',
  }),
  lock: z.boolean().optional().meta({
    description: 'Whether a member may be locked against writes while its data is snapshotted; default: false.',
  }),
  limits: z
    .strictObject({
      bandwidth: bandwidthSchema.optional().meta({
        description: 'The most that is read from the member, such as 200MiB/s; all collections together.',
      }),
      parallel: z.int().min(1).max(64).optional().meta({ description: 'Collections that are read at once.' }),
    })
    .optional()
    .meta({ description: 'Bounds of the load on the member that is read.' }),
  schedules: named(scheduleSchema, 'schedule')
    .optional()
    .meta({ description: 'When it is backed up by itself: on AWS, where EventBridge Scheduler starts it.' }),
  retention: retentionSchema.optional().meta({
    description: 'How long backups in a storage with objectLock are locked. Nothing is deleted when it is over.',
  }),
  oplogArchive: z
    .strictObject({
      ...oplogArchiveOptions,
      storage: z.string().optional().meta({
        description: "Where the slices go: a name under storages; the deployment's own when left out.",
      }),
    })
    .optional()
    .meta({
      description: 'The continuous copy of the oplog, from which a restore reaches any moment between backups.',
    }),
});

/** The config file as people write it. */
export const configFileSchema = z
  .strictObject({
    stage: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,15}$/, 'expected a letter, then at most 15 of a-z, 0-9 and -')
      .optional(),
    stateDir: z.string().min(1).optional().meta({ description: 'Folder for runs and leases; relative to this file.' }),
    storages: named(storageSchema, 'storage'),
    deployments: named(deploymentSchema, 'deployment'),
    network: networkSchema.optional().meta({
      description: 'The VPC from where MongoDB can be reached: on AWS.',
    }),
  })
  .meta({ title: 'holdfast.config.yaml' });
export type ConfigFile = z.infer<typeof configFileSchema>;

/**
 * Keys that the design knows and this release does not carry out, by the path of their parent (`*` is a name). They are
 * refused: a schedule or a retention rule that is accepted and never runs would be a backup that nobody takes (ADR 0010).
 */
export const laterKeys: Readonly<Record<string, readonly string[]>> = {
  'deployments.*.retention': ['count', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'],
  'deployments.*': ['drills', 'objectives'],
};

/** Values of the same kind: `storages.*.type` and `deployments.*.method`. */
export const laterValues: Readonly<Record<string, readonly string[]>> = {
  'storages.*.type': ['azure'],
};
